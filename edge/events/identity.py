"""The identity of an event, and its form as an MQTT payload."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from edge.errors import OutfeedError
from edge.events.event import AnyEvent, Event, GapEvent, OtherEvent

_GAP = f'"{GapEvent.model_fields["type"].default}"'


class EventIdentity(BaseModel):
    """The keys at the head of every published event.

    A receiver drops an event whose event_id it has received before. The run makes the event_id
    unique even where the storage card of a station was copied or restored from a backup, so that
    two stations continue the same journal.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    event_id: str = Field(description="station:journal:run:sequence, unique for all time")
    journal: str = Field(description="UUID of the journal; a new journal begins at sequence 1")
    run: str = Field(description="id of the run, drawn by chance at each start of the station")
    sequence: int = Field(
        ge=1,
        description="grows by one for each event of the journal, over all runs; a missing number "
        "is a lost event",
    )


@dataclass(frozen=True, slots=True)
class JournalPosition:
    """The position in a journal up to which the broker has confirmed all events.

    published: sequence number of the last confirmed event. run: the run that stored this event;
    empty if not known. earlier: previous runs with published events, the latest first;
    ``read_cursor`` fills it. committed: the number up to which a central system has stated that its
    database has every event; None: it has stated nothing about this journal.
    """

    journal: str
    published: int
    run: str = ""
    earlier: tuple[str, ...] = field(default=(), compare=False)
    committed: int | None = field(default=None, compare=False)

    @property
    def delivered(self) -> int:
        """Return the number up to which events are delivered: committed where that is known."""
        return self.published if self.committed is None else min(self.committed, self.published)


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event in the journal: its identity, and in ``body`` its own keys as JSON text."""

    station: str
    journal: str
    run: str
    sequence: int
    body: str

    @property
    def event_id(self) -> str:
        return f"{self.station}:{self.journal}:{self.run}:{self.sequence}"

    @property
    def first(self) -> int:
        """Return the first sequence number of a gap event, which may stand for several."""
        if _GAP not in self.body:
            return self.sequence
        first = json.loads(self.body).get("first")
        return first if isinstance(first, int) and first < self.sequence else self.sequence

    @property
    def position(self) -> JournalPosition:
        """Return the position of the cursor once this event is published."""
        return JournalPosition(self.journal, self.sequence, self.run)

    @property
    def payload(self) -> bytes:
        """Return the MQTT payload: one flat JSON object in UTF-8, with the identity first."""
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
    """Return the identity and the event of a payload from the topic of events.

    An event of an unknown type becomes an ``OtherEvent``. Raises OutfeedError with one line.
    """
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
    """Return the JSON Schema of a journalled event as it is published, with its identity."""
    schema = event.model_json_schema(mode="serialization")
    identity = EventIdentity.model_json_schema(mode="serialization")
    schema["properties"] = {**identity["properties"], **schema["properties"]}
    schema["required"] = [*identity["required"], *schema.get("required", [])]
    return schema


@lru_cache(maxsize=1)
def _events() -> TypeAdapter[Event]:
    return TypeAdapter(AnyEvent)
