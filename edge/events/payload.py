"""Common parts of all payloads: the base classes, the limit of texts, and the MQTT topics."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field

MAX_TEXT_CHARS = 400
"""Longer texts are cut. A payload has a limited size, because a broker limits its packets and the
journal has a fixed capacity."""

DEFAULT_PREFIX = "outfeed/v1"


class Payload(BaseModel):
    """A part of a payload. It is frozen, and a receiver ignores keys that it does not know."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class StationEvent(Payload):
    """An event of one station."""

    station: str = Field(description="id of the station, the key id of station.toml")
    boot_id: str = Field(description="boot of the machine; all *_ns of this event belong to it")
    utc: str = Field(description="time at which the event was created, RFC 3339, microseconds")

    @property
    def weight(self) -> int:
        """Return the number of events that are lost where this one is lost."""
        return 1


@dataclass(frozen=True, slots=True)
class Topics:
    """The MQTT topics of one station.

    All events share one topic, because MQTT keeps the order of messages per topic only (MQTT 5,
    section 4.6). With one topic for each type, a gap event could overtake the verdicts before it.
    """

    station: str
    prefix: str = DEFAULT_PREFIX

    @property
    def events(self) -> str:
        """The topic of all journalled events, in the order of the journal: QoS 1, not retained."""
        return f"{self.prefix}/{self.station}/events"

    @property
    def status(self) -> str:
        """The topic of the status, online or offline: retained, and the topic of the last will."""
        return f"{self.prefix}/{self.station}/status"

    @property
    def commands(self) -> str:
        """The topic of signed commands to the station: QoS 1, retained."""
        return f"{self.prefix}/{self.station}/commands"

    @property
    def desired(self) -> str:
        """The topic of the signed desired state of the station: QoS 1, retained."""
        return f"{self.prefix}/{self.station}/desired"

    def committed(self, journal: str) -> str:
        """Return the topic of a central system's statement on one journal: QoS 1, retained.

        ``journal`` is a UUID, or "+" for every journal of the station.
        """
        return f"{self.prefix}/{self.station}/committed/{journal}"
