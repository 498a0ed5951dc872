"""A subscriber: hears what happens."""

from wit_world import exports
from wit_world.imports import log


class Subscriber(exports.Subscriber):
    def interests(self):
        return ["conversation.*"]

    def handle(self, events):
        for event in events:
            log.write(log.Level.INFO, f"{event.name} {event.id}")
