"""The parts that have no verdict yet."""

from __future__ import annotations

import threading

from edge.clock import Clock
from edge.line.part import Part


class OpenParts:
    """Parts without a verdict, in the order of their triggers.

    ``settle`` returns each part once. The caller that gets it gives the verdict.

    Synchronization: any thread. Each method takes ``lock``, which is reentrant: a caller that holds
    it can combine several calls.
    """

    def __init__(self, *, first_part_id: int = 1) -> None:
        self.lock = threading.Condition()
        self.last_id = first_part_id - 1
        """The last part that was added or refused before."""
        self.is_closed = False
        """No part is added any more. May be set without the lock, which wakes no thread."""
        self._open: dict[int, Part] = {}
        self._refused: set[int] = set()  # numbers that were refused before their part was added

    def __len__(self) -> int:
        return len(self._open)

    def __contains__(self, part_id: int) -> bool:
        with self.lock:
            return part_id in self._open

    def add(self, part: Part) -> bool:
        """Add a part that waits for its verdict. Return False if it was refused before."""
        with self.lock:
            self.last_id = part.part_id
            if part.part_id in self._refused:
                self._refused.discard(part.part_id)
                return False
            self._open[part.part_id] = part
            self.lock.notify_all()
            return True

    def settle(self, part_id: int) -> Part | None:
        """Remove and return a part; None: it is not open, or another caller has settled it."""
        with self.lock:
            return self._open.pop(part_id, None)

    def refuse(self, part_id: int) -> None:
        """Remove a part that needs no verdict, or let ``add`` refuse it later."""
        with self.lock:
            if part_id > self.last_id:
                self._refused.add(part_id)
            else:
                self._open.pop(part_id, None)

    def close(self) -> None:
        """No part is added any more: let ``wait_overdue`` return None when all are settled."""
        with self.lock:
            self.is_closed = True
            self.lock.notify_all()

    def overdue(self, now_ns: int) -> tuple[Part, ...]:
        """Return the open parts whose deadline has passed. They stay open until settled."""
        overdue = []
        with self.lock:
            for part in self._open.values():
                if part.deadline_ns > now_ns:  # all have the same budget: the rest is later
                    break
                overdue.append(part)
        return tuple(overdue)

    def next_deadline_ns(self) -> int | None:
        """Return the deadline of the oldest open part; None: no part is open."""
        with self.lock:
            return next((part.deadline_ns for part in self._open.values()), None)

    def wait_overdue(self, clock: Clock, timeout_s: float) -> tuple[Part, ...] | None:
        """Return the overdue parts. If there are none, wait for the next deadline or for a new
        part, at most timeout_s, and return an empty tuple. None: closed, and no part is open."""
        with self.lock:
            now_ns = clock.now_ns()
            overdue = self.overdue(now_ns)
            if not overdue:
                next_ns = self.next_deadline_ns()
                if next_ns is None and self.is_closed:
                    return None
                left_s = timeout_s if next_ns is None else (next_ns - now_ns) / 1e9
                self.lock.wait(min(left_s, timeout_s))
            return overdue
