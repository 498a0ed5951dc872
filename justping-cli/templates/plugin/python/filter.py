"""A function for texts: in a flow, a node that gives what it makes of a value."""

import json

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports import filters
from wit_world.imports import types


class Filters(exports.Filters):
    def describe(self):
        return [filters.Filter("shout", "Makes everything large")]

    def apply(self, filter, value, arguments):
        if filter != "shout":
            raise Err(types.Failure("unknown_filter", f"there is no filter {filter}", None))
        return json.dumps(str(json.loads(value)).upper())
