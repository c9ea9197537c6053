"""Who works for a station besides its devices, as far as it knows them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from edge.inbox import Mark
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


PutMark = Callable[[Mark, str | None, Callable[[], None]], bool]
"""Takes a mark for the journal, with its picture's name where there is one, and calls back when the
event is on the disk; False: there is no room now. Never waits."""


class Keeps(Protocol):
    """Who keeps pictures, as far as the station knows it; edge.pictures.Keeper is one. ``seen``,
    ``said`` and ``settled`` are called on any thread of the station and never wait for a disk."""

    @property
    def counts(self) -> Mapping[str, int]:
        """Kept and left out, by the reason."""
        ...

    def start(self, on_mark: PutMark) -> None: ...

    def seen(self, frame: Frame) -> None:
        """A part's frame, before anybody has judged it."""
        ...

    def said(self, verdict: Verdict) -> None:
        """What the chain said, in time or not, before ``settled`` if it is the verdict."""
        ...

    def settled(self, verdict: Verdict) -> None:
        """A part's one verdict, when it is on its way to rejector and journal."""
        ...

    def dump(self, timeout_s: float) -> None:
        """In place of ``close`` by a station that dies: what is in memory may tell why."""
        ...

    def close(self, timeout_s: float) -> None: ...


class KeepsNothing:
    """For a station without pictures."""

    @property
    def counts(self) -> Mapping[str, int]:
        return {}

    def start(self, on_mark: PutMark) -> None: ...

    def seen(self, frame: Frame) -> None: ...

    def said(self, verdict: Verdict) -> None: ...

    def settled(self, verdict: Verdict) -> None: ...

    def dump(self, timeout_s: float) -> None: ...

    def close(self, timeout_s: float) -> None: ...


NO_PICTURES = KeepsNothing()
