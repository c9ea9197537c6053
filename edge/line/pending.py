"""The parts that have no verdict yet."""

from __future__ import annotations

from collections.abc import Iterator

from edge.line.part import Part


class Ledger:
    """Open parts in the order of their triggers. The caller locks: several threads settle.

    ``settle`` hands a part out once; whoever gets it gives the verdict, everybody else is late.
    """

    def __init__(self) -> None:
        self._open: dict[int, Part] = {}

    def __len__(self) -> int:
        return len(self._open)

    def __contains__(self, part_id: int) -> bool:
        return part_id in self._open

    def open(self, part: Part) -> None:
        """From now on the part waits for its verdict."""
        self._open[part.part_id] = part

    def settle(self, part_id: int) -> Part | None:
        """The part, for the first who asks; None for everybody after."""
        return self._open.pop(part_id, None)

    def overdue(self, now_ns: int) -> tuple[Part, ...]:
        """The open parts whose deadline is past; they stay open until settled."""
        return tuple(self._until(now_ns))

    def next_deadline_ns(self) -> int | None:
        """When the next open part is overdue; None while none is open."""
        return next((part.deadline_ns for part in self._open.values()), None)

    def _until(self, now_ns: int) -> Iterator[Part]:
        for part in self._open.values():
            if part.deadline_ns > now_ns:  # all have the same budget: the rest is younger
                return
            yield part
