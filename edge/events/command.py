"""The answer of a station to a signed command."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from edge.clock import boot_id, utc_now
from edge.events.payload import MAX_TEXT_CHARS, StationEvent
from edge.inbox import AnswerState, StationAnswer


class CommandEvent(StationEvent):
    """The answer of a station to a command."""

    type: Literal["outfeed.answer/1"] = Field(
        default="outfeed.answer/1", description="type and version of the event"
    )
    command_id: str = Field(
        description="id of the command: SHA-256 over text, key and signature, 32 hex digits. Of a "
        "message that is no command: SHA-256 of what was received"
    )
    kind: str = Field(description="kind of the command; empty where it cannot be read")
    state: AnswerState = Field(
        description="`accepted`: the command is stored and will be executed. `refused`: it "
        "will not be. `done`: it was executed. `failed`: it was accepted and could not be executed"
    )
    reason: str = Field(description="the reason for `refused` and `failed`; the result for `done`")
    key: str = Field(description="id of the key, 16 hex digits; empty where it cannot be read")
    counter: int | None = Field(description="counter of the command; null where it cannot be read")
    more: int = Field(
        default=0, description="refusals without an event of their own since the last one"
    )
    decided_utc: str = Field(
        description="time of the decision, RFC 3339; after a crash the journal may have an answer "
        "twice, with the same time"
    )


def command_event(station: str, answer: StationAnswer) -> CommandEvent:
    """Return the event of an answer."""
    return CommandEvent(
        station=station,
        boot_id=boot_id(),
        utc=utc_now(),
        command_id=answer.command_id,
        kind=answer.kind,
        state=answer.state,
        reason=answer.reason[:MAX_TEXT_CHARS],
        key=answer.key,
        counter=answer.counter,
        more=answer.more,
        decided_utc=answer.utc,
    )
