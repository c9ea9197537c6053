"""The memory of a station about desired states: the highest revision, and the trial under way.

It is one file with a backup. It is written before a decision has an effect, so that a kill at any
moment neither loses nor repeats one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from edge.events.committed import MAX_SEQUENCE
from edge.state_file import read_with_backup, replace_with_backup
from edge.update_notes import TrialFigures, UpdateNote
from edge.updates.desired import MAX_MESSAGE_BYTES, DesiredBody

MAX_OUTBOX = 64
"""State changes that wait for the journal. With more, no further message is read."""

_MAX_BYTES = 1 << 20
_REMEDY = "removing it permits earlier desired states again"
_Number = Annotated[int, Field(ge=0, le=MAX_SEQUENCE)]
_Id = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]

Phase = Literal["downloading", "checking", "shadow", "probation", "accepting", "returning"]


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class TrialState(_Record):
    """A bundle on its way to be accepted.

    began_s: begin of the phase, seconds since 1970. figures: those of the shadow so far; after it,
    its result. probation: figures of the probation so far. token: the process of the station in
    which the probation began. switches: how often the station has switched to the bundle.
    """

    desired_id: _Id
    body: DesiredBody
    phase: Phase
    began_s: float
    figures: TrialFigures = TrialFigures()
    probation: TrialFigures = TrialFigures()
    token: str = ""
    switches: _Number = 0


class UpdateState(_Record):
    """The content of the file. A file without ``revision`` is damaged: it stops replays.

    taken: number of the last message that was read. latest: id of the latest valid desired state.
    later: a message whose revision is in the future of this station's clock.
    """

    format: Literal[1] = 1
    taken: _Number = 0
    revision: _Number
    latest: Annotated[str, Field(pattern=r"^([0-9a-f]{32})?$")] = ""
    latest_body: DesiredBody | None = None
    trial: TrialState | None = None
    later: Annotated[str, Field(max_length=MAX_MESSAGE_BYTES)] = ""
    outbox: tuple[UpdateNote, ...] = ()
    last: UpdateNote | None = None

    def with_notes(self, *notes: UpdateNote) -> UpdateState:
        """Return the state with further changes for the journal."""
        if not notes:
            return self
        return self.model_copy(update={"outbox": (*self.outbox, *notes), "last": notes[-1]})

    def with_refusal(self, note: UpdateNote) -> UpdateState:
        """Return the state with the refusal of a message, which is no step of a trial."""
        return self.model_copy(update={"outbox": (*self.outbox, note)})

    def with_trial(self, trial: TrialState | None) -> UpdateState:
        """Return the state with this trial."""
        return self.model_copy(update={"trial": trial})


def read_state(path: Path) -> UpdateState:
    """Return the state; a new one where there is no file. Blocks.

    The backup is used where the file is missing, emptied or damaged. Raises OutfeedError with one
    line if neither can be read: without its revision, an old desired state could be replayed.
    """
    found = read_with_backup(UpdateState, path, max_bytes=_MAX_BYTES, remedy=_REMEDY)
    return UpdateState(revision=0) if found is None else found


def write_state(path: Path, state: UpdateState) -> None:
    """Replace the backup and the file. Blocks for four fsyncs. Raises OutfeedError."""
    replace_with_backup(path, state)
