"""Who works for a station besides its devices, as far as it knows them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from edge.events.condition import DriftEvent, SentinelEvent
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

    def resolve(self, part_id: int, eject: bool) -> None: ...

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
    """The recorder of pictures, as far as the station knows it; edge.pictures.ImageRecorder is one.
    ``seen``, ``said`` and ``settled`` are called on any thread of the station and never wait for a
    disk."""

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


PutEvent = Callable[[DriftEvent | SentinelEvent], None]
"""Takes an event for the journal, from any thread; never waits."""


class Monitors(Protocol):
    """Who watches whether the station still sees, as far as it knows it;
    edge.station.monitor.thread.Monitor is one. All but ``start`` and ``prove`` never wait."""

    @property
    def status(self) -> str:
        """What is wrong, for a person; empty where nothing is."""
        ...

    @property
    def counts(self) -> Mapping[str, int]:
        """What was measured, raised and proven, by name."""
        ...

    def start(self, on_event: PutEvent, first_part: int) -> None:
        """Before the first part; the inspector is not in use yet. Blocks for two inspections."""
        ...

    def is_due(self) -> bool:
        """Whether the chain is to be proven."""
        ...

    def prove(self, room_ns: int, last_part: int) -> bool:
        """On the inspector's thread, of which room_ns may be taken; whether it was. last_part: the
        last that has its verdict."""
        ...

    def judged(self, frame: Frame, verdict: Verdict) -> None:
        """What the chain said of a frame, after ``settled``."""
        ...

    def settled(self, verdict: Verdict) -> None:
        """A part's one verdict."""
        ...

    def planted(self, part_id: int) -> None:
        """A person says that this part was a known bad one."""
        ...

    def doubt(self) -> str | None:
        """Why no part may be called good now; None: they may."""
        ...

    def close(self, timeout_s: float) -> None: ...


class MonitorsNothing:
    """For a station that trusts itself."""

    status = ""

    @property
    def counts(self) -> Mapping[str, int]:
        return {}

    def start(self, on_event: PutEvent, first_part: int) -> None: ...

    def is_due(self) -> bool:
        return False

    def prove(self, room_ns: int, last_part: int) -> bool:
        return False

    def judged(self, frame: Frame, verdict: Verdict) -> None: ...

    def settled(self, verdict: Verdict) -> None: ...

    def planted(self, part_id: int) -> None: ...

    def doubt(self) -> str | None:
        return None

    def close(self, timeout_s: float) -> None: ...


NO_MONITOR = MonitorsNothing()
