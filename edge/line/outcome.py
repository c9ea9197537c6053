"""The outcome of a part at the ejector, and the counters of a reject queue."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Action(IntEnum):
    """The action of the ejector on a part.

    The rejector's protocol carries the numbers. The MQTT payload carries the names in lower case
    (``action``).
    """

    EJECTED = 1
    """The output was active for this part."""

    PASSED = 2
    """The output was inactive for this part."""

    MISSED = 3
    """The part had to be ejected and was not."""

    NO_PART = 4
    """The edge of the photo-eye began no part."""


class Cause(IntEnum):
    """The reason for the action on a part.

    The rejector's protocol carries the numbers. The MQTT payload carries the names in lower case
    (``cause``).
    """

    VERDICT = 1
    """The verdict decided."""

    UNKNOWN = 2
    """There was no verdict in time; ``on_unknown`` decided."""

    QUEUE_FULL = 3
    """The reject queue was full, so ``on_unknown`` decided."""

    REJECTOR_DOWN = 4
    """No rejector process was running when the part reached the ejector."""

    TOO_CLOSE = 5
    """The part was too close to a part that had to be ejected."""

    POSITION_LOST = 6
    """The position of the part on the belt was lost."""

    ABSENT = 7
    """The ejector eye did not see the part."""

    UNANNOUNCED = 8
    """The ejector eye saw a part that was never announced."""

    SEEN_AGAIN = 9
    """With NO_PART: the edge belongs to a known part, which bounced or returned on the belt."""

    BACKWARD = 10
    """With NO_PART: the belt ran backward."""

    OVERRUN = 11
    """The part had to pass, but the output was still active for another part. It is reported as
    EJECTED."""


@dataclass(frozen=True, slots=True)
class PartOutcome:
    """The outcome of one part at the ejector."""

    part_id: int
    """0 for an unannounced part."""

    due_ns: int
    """The time at which the part was due at the ejector."""

    width_ns: int
    """The rest of the part's window; 0 unless the action is EJECTED."""

    action: Action
    cause: Cause


@dataclass(frozen=True, slots=True)
class OutputStep:
    """The next level of the reject output, and the outcomes since the last step."""

    active: bool
    outcomes: tuple[PartOutcome, ...]
    until_ns: int | None = None
    """The time at which the active output must become inactive; None: not known yet."""


@dataclass(slots=True)
class Counters:
    """The counters of one reject queue.

    announced + unannounced = ejected + passed + missed + waiting + overflow. The order of the
    fields is the order in the protocol's ``Counted`` packet.
    """

    announced: int = 0
    ejected: int = 0
    passed: int = 0
    missed: int = 0
    unknown: int = 0
    """Parts that reached the ejector without a verdict."""
    late: int = 0
    """Verdicts on parts that already had their outcome."""
    duplicate: int = 0
    """Second announcements and second verdicts."""
    unmatched: int = 0
    """Verdicts on parts that were never announced."""
    overrun: int = 0
    """Parts that had to pass while the pulse of an earlier part was still active."""
    overflow: int = 0
    """Parts announced while the queue was full."""
    too_close: int = 0
    """Parts ejected because a neighbour had to be ejected."""
    position_lost: int = 0
    """Parts whose position was lost."""
    absent: int = 0
    """Parts that the ejector eye did not see: removed, or shifted out of their window."""
    unannounced: int = 0
    """Parts that only the ejector eye saw: added, or shifted out of their window."""
    seen_again: int = 0
    """Edges of a photo-eye by a part that was known already."""
    backward: int = 0
    """Edges of a photo-eye while the belt ran backward."""
    position_losses: int = 0
    """Losses of all positions on the belt."""
