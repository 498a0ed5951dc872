"""A node that answers what an article costs, from a price list in CSV."""

import csv
import json
from dataclasses import dataclass

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports import nodes
from wit_world.imports import config, log, types

# The most articles that one answer names.
ARTICLES_MAX = 5

SCHEMA = {
    "type": "object",
    "properties": {"query": {"type": "string", "title": "What is looked for"}},
    "required": ["query"],
    "additionalProperties": False,
}


@dataclass
class Article:
    name: str
    price: str
    stock: int


class Nodes(exports.Nodes):
    def describe(self):
        exits = [nodes.Exit("found", "Found"), nodes.Exit("missing", "Nothing like it")]
        summary = "Tells what articles cost"
        return [nodes.Node("lookup", "Look an article up", summary, json.dumps(SCHEMA), exits, False)]

    def enter(self, context):
        settings = json.loads(config.get())
        found = matching(articles(settings.get("articles", "")), json.loads(context.config)["query"])
        if not found:
            return nodes.Step([], json.dumps([]), None, nodes.Next_Leave("missing"))
        lines = [line(article, settings.get("currency", "€")) for article in found[:ARTICLES_MAX]]
        message = {"type": "text", "text": "\n".join(lines)}
        output = json.dumps([article.name for article in found])
        return nodes.Step([json.dumps(message)], output, None, nodes.Next_Leave("found"))

    def resume(self, context, event):
        raise failure("never_waits", "the node does not wait")


def articles(text):
    """The articles of a price list; rows that make no sense are left out, and noted."""
    for row in csv.DictReader(text.strip().splitlines(), skipinitialspace=True):
        try:
            yield Article(row["name"].strip(), row["price"].strip(), int(row["stock"]))
        except (AttributeError, KeyError, TypeError, ValueError):
            log.write(log.Level.WARN, f"a row of the price list makes no sense: {list(row.values())}")


def matching(all_articles, query):
    """The articles whose names have every word that is looked for."""
    words = query.casefold().split()
    return [a for a in all_articles if words and all(word in a.name.casefold() for word in words)]


def line(article, currency):
    stock = "in stock" if article.stock > 0 else "sold out"
    return f"{article.name}: {article.price} {currency}, {stock}"


def failure(code, message):
    return Err(types.Failure(code, message, None))
