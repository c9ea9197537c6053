"""The memory of a station about signed commands: counters, answers, and what is to be done.

It is one file with a backup. It is written before a command has any effect, so that a command is
neither lost nor executed twice.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from edge.commands.spool import MAX_ORDERS, Order
from edge.events.committed import MAX_SEQUENCE
from edge.inbox import Mark, StationAnswer
from edge.state_file import read_with_backup, replace_with_backup

MAX_RUNS = 64
"""Runs of this station that a command may name, the latest ones."""

MAX_ANSWERED = 256
"""Answered commands that are remembered by their id. Older ones are refused by their counter."""

MAX_OUTBOX = 256
"""Marks and answers that wait for the journal. With more, no further message is read."""

_MAX_BYTES = 1 << 20
_REMEDY = "removing it permits earlier commands of this run again"
_Number = Annotated[int, Field(ge=0, le=MAX_SEQUENCE)]
_Id = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]


CommandItem = Mark | StationAnswer
"""The effect of a command on the journal."""


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class OutboxItem(_Record):
    """A mark or an answer that the journal has not confirmed. Exactly one of the two is given."""

    mark: Mark | None = None
    answer: StationAnswer | None = None

    @property
    def item(self) -> CommandItem:
        """Return the mark or the answer."""
        item = self.answer if self.mark is None else self.mark
        assert item is not None
        return item


class OpenOrder(_Record):
    """An accepted command that another process executes. expires: seconds since 1970."""

    order: Order
    key: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
    counter: _Number
    expires: _Number


class AnsweredCommand(_Record):
    """A command with a decision. is_repeated: a repeat of it was reported."""

    id: _Id
    is_repeated: bool = False


class CommandState(_Record):
    """The content of the file. A file without ``counters`` is damaged: they stop repeated commands.

    taken: number of the last message that was read. counters: the highest counter of each key, by
    the public key in 64 hex digits. runs: runs of this station, the latest first.
    """

    format: Literal[1] = 1
    taken: _Number = 0
    counters: Annotated[dict[str, _Number], Field(max_length=1000)]
    runs: Annotated[tuple[str, ...], Field(max_length=MAX_RUNS)] = ()
    outbox: tuple[OutboxItem, ...] = ()
    orders: Annotated[tuple[OpenOrder, ...], Field(max_length=MAX_ORDERS)] = ()
    answered: Annotated[tuple[AnsweredCommand, ...], Field(max_length=MAX_ANSWERED)] = ()

    def with_run(self, run: str) -> CommandState:
        """Return the state with the present run as the latest one."""
        if self.runs[:1] == (run,):
            return self
        others = tuple(each for each in self.runs if each != run)
        return self.model_copy(update={"runs": (run, *others)[:MAX_RUNS]})

    def with_answers(self, *items: CommandItem) -> CommandState:
        """Return the state with further marks and answers for the journal."""
        added = tuple(
            OutboxItem(mark=each) if isinstance(each, Mark) else OutboxItem(answer=each)
            for each in items
        )
        return self.model_copy(update={"outbox": (*self.outbox, *added)})

    def with_decided(self, command_id: str, *, is_repeated: bool = False) -> CommandState:
        """Return the state in which this command is remembered as the latest answered one."""
        others = tuple(each for each in self.answered if each.id != command_id)
        latest = AnsweredCommand(id=command_id, is_repeated=is_repeated)
        return self.model_copy(update={"answered": (*others, latest)[-MAX_ANSWERED:]})

    def is_open(self, command_id: str) -> bool:
        """Return True while a command is accepted and not completely answered."""
        return any(each.order.id == command_id for each in self.orders) or any(
            command_id in (getattr(each.item, "command_id", ""), each.item.id)
            for each in self.outbox
        )


def read_state(path: Path) -> CommandState:
    """Return the state; a new one where there is no file. Blocks.

    The backup is used where the file is missing, emptied or damaged. Raises OutfeedError with one
    line if neither can be read: without its counters, the station must not take commands.
    """
    found = read_with_backup(CommandState, path, max_bytes=_MAX_BYTES, remedy=_REMEDY)
    return CommandState(counters={}) if found is None else found


def write_state(path: Path, state: CommandState) -> None:
    """Replace the backup and the file. Blocks for four fsyncs. Raises OutfeedError."""
    replace_with_backup(path, state)
