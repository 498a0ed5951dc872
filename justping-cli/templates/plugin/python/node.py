"""A node of flows."""

import json

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports import nodes
from wit_world.imports import log, types

SCHEMA = {
    "type": "object",
    "properties": {"greeting": {"type": "string", "title": "Greeting"}},
    "required": ["greeting"],
}


class Nodes(exports.Nodes):
    def describe(self):
        exits = [nodes.Exit("greeted", "Greeted")]
        summary = "Greets the contact by name"
        return [nodes.Node("greet", "Greet", summary, json.dumps(SCHEMA), exits, False)]

    def enter(self, context):
        greeting = json.loads(context.config)["greeting"]
        name = context.contact.name or "you"
        log.write(log.Level.INFO, "greeted somebody")
        message = {"type": "text", "text": f"{greeting}, {name}!"}
        return nodes.Step(
            [json.dumps(message)], json.dumps({"name": name}), None, nodes.Next_Leave("greeted")
        )

    def resume(self, context, event):
        raise Err(types.Failure("never_waits", "the node does not wait", None))
