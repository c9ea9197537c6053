"""Where a station speaks: one topic for what happens, one retained topic for how it is."""

from __future__ import annotations

from dataclasses import dataclass

DEFAULT_PREFIX = "outfeed/v1"


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics of one station.

    All events share one topic, because MQTT keeps the order of messages per topic only (MQTT 5,
    section 4.6): with a topic per kind, a gap could overtake the verdicts it speaks of.
    """

    station: str
    prefix: str = DEFAULT_PREFIX

    @property
    def events(self) -> str:
        """Everything journalled, in order, QoS 1, not retained."""
        return f"{self.prefix}/{self.station}/events"

    @property
    def status(self) -> str:
        """Online or offline, retained; also the topic of the last will."""
        return f"{self.prefix}/{self.station}/status"
