"""What every payload of a station is."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

# A payload is bounded, so that it neither fills the journal nor exceeds a broker's packet size.
MAX_TEXT_CHARS = 400


class Payload(BaseModel):
    """Frozen; a receiver ignores keys that it does not know."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class StationEvent(Payload):
    """Who says it, and when."""

    station: str
    boot_id: str = Field(description="the boot to which all *_ns of this event belong")
    utc: str = Field(description="RFC 3339, microseconds; when the event was made")

    @property
    def weight(self) -> int:
        """How many events are lost when this one is."""
        return 1
