"""A tool that AI agents and flows can have called."""

import json

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports import tools
from wit_world.imports import types

PARAMETERS = {
    "type": "object",
    "properties": {"price": {"type": "number", "description": "The price without tax"}},
    "required": ["price"],
}


class Tools(exports.Tools):
    def describe(self):
        return [tools.Tool("add_tax", "Adds the tax to a price.", json.dumps(PARAMETERS))]

    def call(self, scope, contact_id, tool, arguments):
        if tool != "add_tax":
            raise Err(types.Failure("unknown_tool", f"there is no tool {tool}", None))
        price = json.loads(arguments)["price"]
        return json.dumps({"total": round(price * 119) / 100})
