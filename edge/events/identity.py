"""What a published event is known by, and its form on the wire."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from edge.errors import OutfeedError
from edge.events.event import AnyEvent, Event, OtherEvent


class EventIdentity(BaseModel):
    """Put in front of an event's own keys when it is published.

    A receiver that has seen an event_id drops a repeat of it. The run makes it unique even where a
    station's card was copied or restored from a backup, and both go on with the same journal.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    event_id: str = Field(description="station:journal:run:sequence, unique for ever")
    journal: str = Field(description="UUID of the journal; a new journal counts from 1 again")
    run: str = Field(description="drawn by chance at each start of the station")
    sequence: int = Field(
        ge=1, description="grows by one per event of the journal, over all runs; a hole is a loss"
    )


@dataclass(frozen=True, slots=True)
class JournalPosition:
    """All events of ``journal`` up to and including ``published`` are with the broker. run: the one
    that stored the event ``published``; empty where that is not known. earlier: runs before it of
    which events were published, the latest first; ``read_cursor`` knows them."""

    journal: str
    published: int
    run: str = ""
    earlier: tuple[str, ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event as the journal has it: its place, and its own keys as JSON text."""

    station: str
    journal: str
    run: str
    sequence: int
    body: str

    @property
    def event_id(self) -> str:
        return f"{self.station}:{self.journal}:{self.run}:{self.sequence}"

    @property
    def position(self) -> JournalPosition:
        """The cursor's position once this event is published."""
        return JournalPosition(self.journal, self.sequence, self.run)

    @property
    def payload(self) -> bytes:
        """What goes over the wire: one flat JSON object, the identity first."""
        head = json.dumps(
            {
                "event_id": self.event_id,
                "journal": self.journal,
                "run": self.run,
                "sequence": self.sequence,
            }
        )
        return f"{head[:-1]},{self.body[1:]}".encode()


def parse_payload(payload: bytes) -> tuple[EventIdentity, Event | OtherEvent]:
    """What a receiver got on the topic of events. Raises OutfeedError with one line."""
    try:
        identity = EventIdentity.model_validate_json(payload)
        try:
            return identity, _events().validate_json(payload)
        except ValidationError as error:
            if error.errors(include_url=False)[0]["type"] != "union_tag_invalid":
                raise
            return identity, OtherEvent.model_validate_json(payload)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "payload"
        raise OutfeedError(f"not an event of Outfeed: {where}: {first['msg'].lower()}") from error


def wire_schema(event: type[BaseModel]) -> dict[str, Any]:
    """JSON Schema of a journalled event as it is published, identity included."""
    schema = event.model_json_schema(mode="serialization")
    identity = EventIdentity.model_json_schema(mode="serialization")
    schema["properties"] = {**identity["properties"], **schema["properties"]}
    schema["required"] = [*identity["required"], *schema.get("required", [])]
    return schema


@lru_cache(maxsize=1)
def _events() -> TypeAdapter[Event]:
    return TypeAdapter(AnyEvent)
