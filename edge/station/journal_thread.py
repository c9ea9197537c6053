"""The thread that writes the station's events to the journal."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from logging import getLogger

from edge.errors import JournalError
from edge.events.command import command_event
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
from edge.events.system_update import system_update_event
from edge.events.update import update_event
from edge.inbox import InboxItem, Mark
from edge.journal.writer import PartlyStoredError
from edge.line.outcome import Action, Cause
from edge.records import Verdict
from edge.rejector.messages import Actuated
from edge.station.collaborators import JournalPort, OnStored
from edge.station.part_numbers import RunEnd
from edge.station.previous_run import LastRunAccount
from edge.station.recent_parts import PartRegister, temporary_register
from edge.update_notes import SystemNote, UpdateNote

_log = getLogger(__name__)

_CAPACITY = 2048  # 68 s of a disk that does not answer, at 10 parts a second and 3 events each
_BATCH = 64  # one fsync per batch: at 1,000 parts a second there are 30 of them
_RETRY_S = 0.5
_WAIT_S = 0.1  # the longest wait of the loop between two heartbeats
# The outcome of a part that passed is journalled for these causes only: for the others the verdict
# event already contains it.
_JOURNALLED_PASSES = (Cause.ABSENT, Cause.UNANNOUNCED, Cause.POSITION_LOST)


@dataclass(frozen=True, slots=True)
class _PartItem:
    verdict: Verdict
    triggered_ns: int
    bundle: str


@dataclass(frozen=True, slots=True)
class _MarkItem:
    mark: InboxItem
    picture: str | None
    on_stored: OnStored


ReadyEvent = DriftEvent | SelfTestEvent
"""An event that arrives complete, as it contains the time of the observation."""


class JournalWriter:
    """Accepts events from any thread without waiting, and writes them to the journal in batches.

    Overflow rule: an event that finds the queue full is lost and counted. A gap event with the
    count is written when the journal accepts events again. A batch that the journal refuses is
    tried again until ``close`` runs out of time.
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
        """commit_interval_s: the time that an event waits for others, so that they share the
        disk's pages and one fsync.

        beat: called at each iteration of the thread. A journal that refuses events does not stop
        the heartbeats; one whose ``append`` does not return does.
        account: journalled before everything else. register: records which events are on the disk
        and how many are lost.
        """
        self.lost = 0
        self.fault = ""
        """One line for a person while the journal refuses events; else empty."""
        self._journal = journal
        self._station = station
        self._bundle = bundle
        self._capacity = capacity
        self._commit_interval_s = commit_interval_s
        self._beat = beat
        self._account = account
        self.register = register or temporary_register()
        self._waiting: deque[_PartItem | Actuated | _MarkItem | ReadyEvent] = deque()
        self._gap = 0  # lost since the last gap event
        self._closing = False
        self._give_up = False
        self._condition = threading.Condition()
        self._thread = threading.Thread(target=self._write, name="journal", daemon=True)

    @property
    def stuck(self) -> bool:
        """Return whether ``append`` has not returned by the end of ``close``. Another call of the
        journal would wait too."""
        return self._closing and self._thread.is_alive()

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def use_bundle(self, bundle: str) -> None:
        """Name this bundle in the verdicts from now on. Any thread."""
        self._bundle = bundle

    def put_verdict(self, verdict: Verdict, triggered_ns: int) -> None:
        """Journal a verdict. Never waits for the disk."""
        self.register.record_verdict(verdict.part_id, verdict.decision)
        self._put(_PartItem(verdict, triggered_ns, self._bundle))

    def put_actuation(self, actuated: Actuated) -> None:
        """Journal the ejector's action on a part. Never waits for the disk.

        The action on a part that passed is left out where its verdict event contains it.
        """
        if actuated.action is Action.NO_PART:
            self.register.mark_void(actuated.part_id)
        if actuated.action is not Action.PASSED or actuated.cause in _JOURNALLED_PASSES:
            self._put(actuated)
        else:
            self.register.mark_done(actuated.part_id)

    def put_event(self, event: ReadyEvent) -> None:
        """Journal a complete event. Never waits for the disk."""
        self._put(event)

    def put_mark(self, mark: InboxItem, picture: str | None, on_stored: OnStored) -> bool:
        """Journal an item of the inbox. Never waits for the disk.

        Return False if the queue is full; it does not count as lost.
        """
        with self._condition:
            if len(self._waiting) >= self._capacity or self._closing:
                return False
            self._waiting.append(_MarkItem(mark, picture, on_stored))
            self._condition.notify()
            return True

    def close(self, timeout_s: float, end: RunEnd = RunEnd.STOPPED) -> int:
        """Write the waiting events within timeout_s, end the thread and close the register.

        Return the number of events that were lost in this run.
        """
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

    def _put(self, item: _PartItem | Actuated | ReadyEvent) -> None:
        with self._condition:
            if len(self._waiting) >= self._capacity or self._closing:
                self.lost += 1
                self._gap += 1
                self.register.count_lost(
                    item.verdict.part_id if isinstance(item, _PartItem) else None
                )
                return
            self._waiting.append(item)
            self._condition.notify()

    def _write(self) -> None:
        if not self._write_account():
            return
        while True:
            self._beat()
            self.register.save()
            with self._condition:
                if not (self._waiting or self._gap or self._closing):
                    self._condition.wait(_WAIT_S)
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
                self.register.mark_gap_journalled(gap)
            for item in items:
                if isinstance(item, _MarkItem):
                    item.on_stored()

    def _write_account(self) -> bool:
        """Journal the account of the previous run. Return False if ``close`` ran out of time."""
        account = self._account
        if account is None:
            return True
        events: list[Event] = []
        if not self._try(lambda: events.extend(account.events())):
            return False
        for begin in range(0, len(events), _BATCH):
            if not self._append(events[begin : begin + _BATCH]):
                return False
        self.register.mark_gap_journalled(account.gap)
        self.register.mark_account_journalled()
        return True

    def _enough(self) -> bool:
        return len(self._waiting) >= _BATCH or self._closing

    def _append(self, events: list[Event]) -> bool:
        """Append events, and try again until it succeeds. Return False if ``close`` ran out of
        time."""
        rest = list(events)

        def store() -> None:
            try:
                self._journal.append(rest)
            except PartlyStoredError as error:
                del rest[: len(error.stored)]  # else they would be stored twice
                raise

        if not self._try(store):
            return False
        for event in events:
            if isinstance(event, PartEvent):
                self.register.mark_journalled(event.part_id)
            elif isinstance(event, ActuationEvent) and event.part_id is not None:
                self.register.mark_done(event.part_id)
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
                self.fault = f"journal refuses: {error}"
                self.register.set_refused(True)
            else:
                if failed:
                    _log.warning("journal_takes_events_again")
                self.fault = ""
                self.register.set_refused(False)
                return True
            with self._condition:
                if self._give_up:
                    return False
                self._condition.wait_for(lambda: self._give_up, timeout=_RETRY_S)

    def _event(self, item: _PartItem | Actuated | _MarkItem | ReadyEvent) -> Event:
        if isinstance(item, ReadyEvent):
            return item
        if isinstance(item, _PartItem):
            return part_event(self._station, item.bundle, item.verdict, item.triggered_ns)
        if isinstance(item, _MarkItem):
            if isinstance(item.mark, Mark):
                return mark_event(self._station, item.mark, item.picture)
            if isinstance(item.mark, UpdateNote):
                return update_event(self._station, item.mark)
            if isinstance(item.mark, SystemNote):
                return system_update_event(self._station, item.mark)
            return command_event(self._station, item.mark)
        return actuation_event(
            self._station,
            part_id=item.part_id or None,
            due_ns=item.due_ns,
            at_ns=item.at_ns,
            width_us=item.width_us,
            action=ActuationAction[item.action.name],
            cause=ActuationCause[item.cause.name],
        )
