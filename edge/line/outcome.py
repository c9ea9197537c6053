"""What became of a part at the ejector, and what a reject queue has counted."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Action(IntEnum):
    """What became of a part at the ejector.

    MISSED: it should have been kicked and was not. NO_PART: the photo-eye's edge began no part.
    """

    KICKED = 1
    LET_BY = 2
    MISSED = 3
    NO_PART = 4


class Cause(IntEnum):
    """Why.

    SAFE: the queue was full, kicked unseen. DOWN: no rejector was running at the time. CROWDED: too
    near to a part that had to be kicked. LOST: nobody knew where the part was. ABSENT: the
    ejector's eye did not see it come. STRANGER: the ejector's eye saw a part that nobody announced.
    With NO_PART: SEEN_AGAIN, a part known already (it bounced, or the belt backed up and returned);
    BACKWARD, the belt was backing up. OVERRUN: it was ordered to pass, but passed while the output
    was active for another part, so it is reported as ejected.
    """

    VERDICT = 1
    UNKNOWN = 2
    SAFE = 3
    DOWN = 4
    CROWDED = 5
    LOST = 6
    ABSENT = 7
    STRANGER = 8
    SEEN_AGAIN = 9
    BACKWARD = 10
    OVERRUN = 11


@dataclass(frozen=True, slots=True)
class Passage:
    """One part went by the ejector. part_id: 0 for a stranger. due_ns: its moment.

    width_ns: what is left of its window, 0 unless KICKED.
    """

    part_id: int
    due_ns: int
    width_ns: int
    action: Action
    cause: Cause


@dataclass(frozen=True, slots=True)
class Step:
    """The next action: the level of the output, and the parts that passed since the last step.

    until_ns: the time at which the active output has to be inactive; None: not known yet.
    """

    active: bool
    passages: tuple[Passage, ...]
    until_ns: int | None = None


@dataclass(slots=True)
class Counters:
    """What a queue has seen.

    announced + unannounced = kicked + let_by + missed + waiting + overflow.
    """

    announced: int = 0
    kicked: int = 0
    let_by: int = 0
    missed: int = 0
    unknown: int = 0  # went by without a verdict
    late: int = 0  # verdicts for parts already gone
    duplicate: int = 0  # a part announced or resolved a second time
    stranger: int = 0  # verdicts for parts never announced
    crowded: int = 0  # let by while the pulse of the part before was still active
    overflow: int = 0  # announced while the queue was full
    joined: int = 0  # kicked for a neighbour's sake
    lost: int = 0  # nobody knew where they were
    absent: int = 0  # not seen by the ejector's eye: taken off, or it slipped out of its window
    unannounced: int = 0  # seen by the ejector's eye only: put on, or it slipped
    seen_again: int = 0  # edges of a photo-eye by a part known already
    backward: int = 0  # edges of a photo-eye while the belt backed up
    losses: int = 0  # how often the place of everything on the belt was lost
