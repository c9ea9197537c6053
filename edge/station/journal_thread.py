"""The thread between the station and the disk."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from logging import getLogger
from typing import Protocol

from edge.errors import JournalError
from edge.events.condition import DriftEvent, SelfTestEvent
from edge.events.event import (
    ActuationAction,
    ActuationCause,
    ActuationEvent,
    Event,
    PartEvent,
    actuation_event,
    gap_event,
    mark_event,
    part_event,
)
from edge.inbox import Mark
from edge.journal.writer import PartlyStoredError
from edge.line.outcome import Action, Cause
from edge.records import Verdict
from edge.rejector.messages import Actuated
from edge.station.part_numbers import RunEnd
from edge.station.previous_run import LastRunAccount
from edge.station.recent_parts import PartRegister, temporary_register

_log = getLogger(__name__)

_CAPACITY = 2048  # 68 s of a disk that does not answer, at 10 parts a second and 3 events each
_BATCH = 64  # one fsync per batch: at 1,000 parts a second there are 30 of them
_RETRY_S = 0.5
_TURN_S = 0.1  # how long the loop waits in vain before it comes round
# The outcome of a part that passed is journalled for these causes only: for the others the verdict
# event already contains it.
_JOURNALLED_PASSES = (Cause.ABSENT, Cause.UNANNOUNCED, Cause.POSITION_LOST)


@dataclass(frozen=True, slots=True)
class _Judged:
    verdict: Verdict
    triggered_ns: int


@dataclass(frozen=True, slots=True)
class _Marked:
    mark: Mark
    picture: str | None
    stored: Callable[[], None]


Made = DriftEvent | SelfTestEvent
"""What comes as an event: its making belongs to the moment at which it was found."""


class JournalPort(Protocol):
    """The journal, as far as the station knows it."""

    def append(self, events: Sequence[Event], /) -> object:
        """Store all events or none, durably; may block. Raises JournalError."""
        ...

    def close(self) -> None:
        """Nothing is appended afterwards."""
        ...


class JournalWriter:
    """Takes verdicts and actuations from any thread without waiting, writes them in batches.

    Overflow rule: what finds the queue full is lost and counted, and a gap event with the count is
    written as soon as the journal takes events again. A batch that the journal refuses is kept and
    tried again, until ``close`` runs out of time. An event waits ``commit_interval_s`` for others
    to share the disk's pages and its fsync. ``beat`` is called at every turn of the loop: a journal
    that refuses does not hang, one whose ``append`` does not return does. account: what is
    journalled before everything else. register: is told of what is on the disk and what is lost.
    """

    def __init__(
        self,
        journal: JournalPort,
        *,
        station: str,
        bundle: str,
        capacity: int = _CAPACITY,
        commit_interval_s: float = 0.0,
        beat: Callable[[], None] = lambda: None,
        account: LastRunAccount | None = None,
        register: PartRegister | None = None,
    ) -> None:
        self.lost = 0
        self.trouble = ""  # one line for a person while the journal refuses
        self._journal = journal
        self._station = station
        self._bundle = bundle
        self._capacity = capacity
        self._commit_interval_s = commit_interval_s
        self._beat = beat
        self._account = account
        self.register = register or temporary_register()
        self._waiting: deque[_Judged | Actuated | _Marked | Made] = deque()
        self._gap = 0  # lost since the last gap event
        self._closing = False
        self._give_up = False
        self._condition = threading.Condition()
        self._thread = threading.Thread(target=self._write, name="journal", daemon=True)

    @property
    def stuck(self) -> bool:
        """After ``close``: the journal has not returned, and whoever touches it waits too."""
        return self._closing and self._thread.is_alive()

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def put_verdict(self, verdict: Verdict, triggered_ns: int) -> None:
        """Journal a verdict. Never waits for the disk."""
        self.register.judged(verdict.part_id, verdict.decision)
        self._put(_Judged(verdict, triggered_ns))

    def put_actuation(self, actuated: Actuated) -> None:
        """Journal the ejector's action on a part. Never waits for the disk.

        The action on a part that passed is left out where its verdict event contains it.
        """
        if actuated.action is Action.NO_PART:
            self.register.void(actuated.part_id)
        if actuated.action is not Action.PASSED or actuated.cause in _JOURNALLED_PASSES:
            self._put(actuated)
        else:
            self.register.done(actuated.part_id)

    def put_event(self, event: Made) -> None:
        """Journal an event that is made already. Never waits for the disk."""
        self._put(event)

    def put_mark(self, mark: Mark, picture: str | None, stored: Callable[[], None]) -> bool:
        """Journal a person's mark; ``stored`` is called on the journal's thread when it is on the
        disk. False, and nothing is lost, where there is no room now. Never waits for the disk."""
        with self._condition:
            if len(self._waiting) >= self._capacity or self._closing:
                return False
            self._waiting.append(_Marked(mark, picture, stored))
            self._condition.notify()
            return True

    def close(self, timeout_s: float, end: RunEnd = RunEnd.STOPPED) -> int:
        """Write what waits, at most timeout_s long, and join. How many events were lost in all. The
        register learns that the run has ended."""
        with self._condition:
            self._closing = True
            self._condition.notify()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
            if self._thread.is_alive():
                self._give_up = True
                self._thread.join(2 * _RETRY_S)
        with self._condition:
            self.lost += len(self._waiting)
            self._waiting.clear()
        self.register.close(end, timeout_s)
        if self.lost:
            _log.error("events_lost count=%s", self.lost)
        return self.lost

    def _put(self, item: _Judged | Actuated | Made) -> None:
        with self._condition:
            if len(self._waiting) >= self._capacity or self._closing:
                self.lost += 1
                self._gap += 1
                self.register.lost(item.verdict.part_id if isinstance(item, _Judged) else None)
                return
            self._waiting.append(item)
            self._condition.notify()

    def _write(self) -> None:
        if not self._give_account():
            return
        while True:
            self._beat()
            self.register.save()
            with self._condition:
                if not (self._waiting or self._gap or self._closing):
                    self._condition.wait(_TURN_S)
                if self._waiting and self._commit_interval_s:
                    self._condition.wait_for(self._enough, self._commit_interval_s)
                items = [self._waiting.popleft() for _ in range(min(_BATCH, len(self._waiting)))]
                gap, self._gap = self._gap, 0
                closing = self._closing
            if not items and not gap:
                if closing:
                    return
                continue
            events = [self._event(item) for item in items]
            if gap:
                events.append(
                    gap_event(self._station, count=gap, reason="the queue to the journal was full")
                )
            if not self._append(events):
                with self._condition:
                    self.lost += len(items)
                return
            if gap:
                self.register.gap_told(gap)
            for item in items:
                if isinstance(item, _Marked):
                    item.stored()

    def _give_account(self) -> bool:
        """Journal what the run before left; False when time has run out."""
        account = self._account
        if account is None:
            return True
        events: list[Event] = []
        if not self._try(lambda: events.extend(account.events())):
            return False
        for begin in range(0, len(events), _BATCH):
            if not self._append(events[begin : begin + _BATCH]):
                return False
        self.register.gap_told(account.gap)
        self.register.told()
        return True

    def _enough(self) -> bool:
        return len(self._waiting) >= _BATCH or self._closing

    def _append(self, events: list[Event]) -> bool:
        """Try until the journal takes them; False when time has run out."""
        rest = list(events)

        def store() -> None:
            try:
                self._journal.append(rest)
            except PartlyStoredError as error:
                del rest[: len(error.stored)]  # else they would be there twice
                raise

        if not self._try(store):
            return False
        for event in events:
            if isinstance(event, PartEvent):
                self.register.journalled(event.part_id)
            elif isinstance(event, ActuationEvent) and event.part_id is not None:
                self.register.done(event.part_id)
        return True

    def _try(self, step: Callable[[], object]) -> bool:
        failed = False
        while True:
            self._beat()
            self.register.save()
            try:
                step()
            except JournalError as error:
                if not failed:
                    _log.error("journal_refuses reason=%s", error)
                failed = True
                self.trouble = f"journal refuses: {error}"
                self.register.refused(True)
            else:
                if failed:
                    _log.warning("journal_takes_events_again")
                self.trouble = ""
                self.register.refused(False)
                return True
            with self._condition:
                if self._give_up:
                    return False
                self._condition.wait_for(lambda: self._give_up, timeout=_RETRY_S)

    def _event(self, item: _Judged | Actuated | _Marked | Made) -> Event:
        if isinstance(item, Made):
            return item
        if isinstance(item, _Judged):
            return part_event(self._station, self._bundle, item.verdict, item.triggered_ns)
        if isinstance(item, _Marked):
            return mark_event(self._station, item.mark, item.picture)
        return actuation_event(
            self._station,
            part_id=item.part_id or None,
            due_ns=item.due_ns,
            at_ns=item.at_ns,
            width_us=item.width_us,
            action=ActuationAction[item.action.name],
            cause=ActuationCause[item.cause.name],
        )
