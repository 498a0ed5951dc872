"""A hook: looks at every message on its way."""

import json

from wit_world import exports
from wit_world.exports import hooks


class Hooks(exports.Hooks):
    def before_send(self, message, contact):
        calm = message.text.replace("!", ".")
        if json.loads(message.content)["type"] != "text" or calm == message.text:
            return hooks.Verdict_Pass()
        return hooks.Verdict_Change(json.dumps({"type": "text", "text": calm}))

    def after_receive(self, message):
        return hooks.Verdict_Pass()
