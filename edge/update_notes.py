"""A change of state of a desired bundle or of the system, on its way to the journal.

The fields are those of ``edge.events.update`` and ``edge.events.system_update``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

UpdateState = Literal[
    "wanted",
    "downloading",
    "checking",
    "shadow",
    "probation",
    "accepted",
    "kept",
    "refused",
    "reverted",
    "superseded",
]

SystemState = Literal["downloaded", "installed", "trial", "accepted", "refused", "reverted"]
SlotName = Literal["A", "B", ""]

_Count = Annotated[int, Field(ge=0)]
_Text = Annotated[str, Field(max_length=100)]


@dataclass(frozen=True, slots=True)
class TrialFigures:
    """The figures of a shadow or of a probation."""

    parts: _Count = 0
    rejects: _Count = 0
    new_rejects: _Count = 0
    new_rejects_upper: Annotated[float, Field(ge=0, le=1)] = 1.0
    lost_rejects: _Count = 0
    marked: _Count = 0
    marked_missed: _Count = 0
    bundle_rejects: _Count = 0
    unknown: _Count = 0
    p999_ms: Annotated[float, Field(ge=0)] | None = None


@dataclass(frozen=True, slots=True)
class UpdateNote:
    """A change of state. Empty texts and None: not known, or there is none."""

    id: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    desired_id: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    revision: Annotated[int, Field(ge=1)] | None
    name: _Text
    version: _Text
    sha256: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")]
    state: UpdateState
    reason: Annotated[str, Field(max_length=400)]
    running: Annotated[str, Field(max_length=300)]
    utc: Annotated[str, Field(max_length=40)]
    figures: TrialFigures | None = None
    more: _Count = 0


@dataclass(frozen=True, slots=True)
class SystemNote:
    """A change of state of an update of the system. Empty texts: not known, or there is none.

    update_id: the update, the same in all its states. version, target_slot: those of the update.
    running, running_slot: those of the system that made the change.
    """

    id: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    update_id: Annotated[str, Field(pattern=r"^([0-9a-f]{32})?$")]
    state: SystemState
    version: _Text
    target_slot: SlotName
    running: _Text
    running_slot: SlotName
    reason: Annotated[str, Field(max_length=400)]
    utc: Annotated[str, Field(max_length=40)]
