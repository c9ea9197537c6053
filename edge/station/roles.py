"""Who works for a station besides its devices, as far as it knows them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from edge.records import Frame, Verdict
from edge.rejector.messages import Actuated, Counted


class Inspects(Protocol):
    """The chain, as far as the station knows it."""

    def inspect(self, frame: Frame, /) -> Verdict:
        """The verdict on one frame; called by one thread. Raises OutfeedError."""
        ...


class Rejects(Protocol):
    """The rejector, as far as the station knows it; RejectorClient is one."""

    restarts: int

    def start(self, on_actuated: Callable[[Actuated], None]) -> object: ...

    def announce(self, part_id: int, due_ns: int) -> None: ...

    def sighted(self, part_id: int, seen_ns: int) -> None: ...

    def resolve(self, part_id: int, kick: bool) -> None: ...

    def beat(self) -> int:
        """Ten times a second, by the thread that announces; when the rejector last answered, ns."""
        ...

    def abandon(self, timeout_s: float) -> None:
        """In place of ``close`` by a station that dies: no goodbye."""
        ...

    def close(self, timeout_s: float) -> Counted | None: ...
