"""The process that decides about received commands and has them executed, beside the station."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace

from edge.bundle.keys import read_trusted
from edge.clock import utc_now
from edge.commands.delivery import TAIL_ROWS, JournalDelivery, RefusalLimit
from edge.commands.judge import CommandRules, Judgement, Moment, finish, judge
from edge.commands.spool import Orders, read_messages, read_orders, read_reports, write_orders
from edge.commands.state import MAX_OUTBOX, CommandState, read_state, write_state
from edge.config.station import StationConfig
from edge.errors import BundleError, OutfeedError
from edge.events.event import PartEvent
from edge.inbox import Inbox, StationAnswer
from edge.journal.reader import JournalReader
from edge.watchdog import SILENT, Notifier

_log = logging.getLogger(__name__)

TURN_S = 0.25
"""Time between two looks at the folders."""

# Repeats of a command are not reported for this time after its answer. A central system that has
# not committed the answer yet publishes the command again, with the next one.
REPEAT_GRACE_S = 60.0

# Rows in which the latest part is looked for first. A part has one to three events.
_PART_ROWS = 64
_PART = f'"type":"{PartEvent.model_fields["type"].default}"'


class CommandProcess:
    """Reads messages, decides, and brings marks and answers to the journal.

    A decision is on the disk before it has an effect. Marks and answers go to the inbox of the
    station, one after the other; the next one when the journal has the one before. After a crash,
    the journal shows which of them it has.

    For one thread. ``step`` blocks on the disk, never on the network.
    """

    def __init__(
        self,
        config: StationConfig,
        *,
        now_s: Callable[[], float] = time.time,
        repeat_grace_s: float = REPEAT_GRACE_S,
    ) -> None:
        """Open nothing yet. now_s: the wall clock, seconds since 1970."""
        self._config = config
        self._paths = config.paths
        self._now_s = now_s
        self._grace_s = repeat_grace_s
        self._reader = JournalReader(self._paths.journal)
        self._delivery = JournalDelivery(Inbox(self._paths.inbox), self._reader)
        self._refusals = RefusalLimit()
        self._state: CommandState | None = None
        self._operators: frozenset[str] | None = None
        self._orders = Orders()
        self._answered_s: dict[str, float] = {}
        self._warned = ""

    def run(self, stop: threading.Event, notifier: Notifier = SILENT) -> None:
        """Work until ``stop`` is set. Continues after every fault of the disk."""
        notifier.ready("waiting for commands")
        while not stop.is_set():
            try:
                self.step()
                self._warned = ""
            except OutfeedError as error:
                self._warn(str(error))
            notifier.heartbeat("waiting for commands")
            stop.wait(TURN_S)
        self._reader.close()

    def step(self) -> None:
        """Do what is to be done now. Raises OutfeedError for a fault that may pass."""
        if self._state is None:
            self._state = read_state(self._paths.commands)
            known = self._state.answered
            self._answered_s = {each.id: time.monotonic() for each in known}
            self._orders = read_orders(self._paths.orders) or Orders()
        self._read_messages(self._state)
        self._finish_orders(self._state)
        self._deliver()
        self._write_orders(self._state)

    def _read_messages(self, state: CommandState) -> None:
        for number, payload in read_messages(self._paths.received_commands, state.taken):
            rules = self._rules()
            if rules is None or len(state.outbox) >= MAX_OUTBOX:
                return
            latest = self._reader.latest(1)
            if latest:
                state = state.with_run(latest[0].run)
            judged = judge(state, rules, payload, self._moment())
            state = self._with_unsigned(judged).model_copy(update={"taken": number})
            self._change(state)

    def _rules(self) -> CommandRules | None:
        """Return the rules; None while there is no journal. Raises OutfeedError for a key."""
        journal = self._reader.journal()
        if not journal:
            return None
        if self._operators is None:
            try:
                self._operators = read_trusted(self._config.trust.operator_keys)
            except BundleError as error:
                raise OutfeedError(f"key 'trust.operator_keys': {error}") from error
        return CommandRules(
            self._config.id,
            journal,
            self._operators,
            self._config.commands.accept,
            self._last_part(),
        )

    def _last_part(self) -> int | None:
        """Return the number of the latest part in the journal; None if there is none near its end.

        Raises JournalError.
        """
        for limit in (_PART_ROWS, TAIL_ROWS):
            for stored in self._reader.latest(limit):
                if _PART in stored.body:
                    return int(json.loads(stored.body)["part_id"])
        return None

    def _moment(self) -> Moment:
        now_s = time.monotonic()
        silent = {
            number for number, at_s in self._answered_s.items() if now_s - at_s < self._grace_s
        }
        return Moment(self._now_s(), utc_now(), silent)

    def _with_unsigned(self, judged: Judgement) -> CommandState:
        """Return the state with refusals of what no operator signed, as far as is permitted."""
        state = judged.state
        for answer in judged.unsigned:
            more = self._refusals.admit(answer.command_id)
            if more is not None:
                state = state.with_answers(replace(answer, more=more))
        return state

    def _change(self, state: CommandState) -> None:
        """Store a state, and log its new answers. Raises OutfeedError; then nothing has changed."""
        assert self._state is not None
        if state == self._state:
            return
        write_state(self._paths.commands, state)
        known = set(self._state.outbox)
        for each in state.outbox:
            if each not in known and each.answer is not None:
                _log_answer(each.answer)
                self._answered_s[each.answer.command_id] = time.monotonic()
        numbers = {each.id for each in state.answered}
        self._answered_s = {
            number: at_s for number, at_s in self._answered_s.items() if number in numbers
        }
        self._state = state

    def _finish_orders(self, state: CommandState) -> None:
        if not state.orders:
            return
        reports = {
            each.id: each
            for path in (self._paths.uplink_reports, self._paths.upload_reports)
            for each in read_reports(path)
        }
        for order in state.orders:
            report = reports.get(order.order.id)
            if report is not None:
                state = finish(state, order, report.text, utc_now(), is_done=report.is_done)
            elif self._now_s() > order.expires:
                text = "it was not executed before it expired"
                state = finish(state, order, text, utc_now(), is_done=False)
        self._change(state)

    def _deliver(self) -> None:
        """Bring the outbox to the journal as far as possible now."""
        assert self._state is not None
        while self._state.outbox and self._delivery.deliver(self._state.outbox[0].item):
            self._change(self._state.model_copy(update={"outbox": self._state.outbox[1:]}))

    def _write_orders(self, state: CommandState) -> None:
        assert self._state is not None
        orders = Orders(
            taken=self._state.taken, orders=tuple(each.order for each in self._state.orders)
        )
        if orders == self._orders:
            return
        try:
            write_orders(self._paths.orders, orders)
        except OSError as error:
            raise OutfeedError(f"{self._paths.orders}: {error.strerror}") from error
        self._orders = orders

    def _warn(self, reason: str) -> None:
        if reason != self._warned:
            _log.warning("commands_wait reason=%s", reason)
        self._warned = reason


def run_commands(config: StationConfig, stop: threading.Event, notifier: Notifier = SILENT) -> None:
    """Work until ``stop`` is set. Blocks, and starts no thread."""
    CommandProcess(config).run(stop, notifier)


def _log_answer(answer: StationAnswer) -> None:
    number, kind, key = answer.command_id, answer.kind or "?", answer.key or "?"
    if answer.state == "accepted":
        _log.info("command_accepted id=%s kind=%s key=%s", number, kind, key)
    elif answer.state == "done":
        _log.info("command_done id=%s kind=%s key=%s result=%s", number, kind, key, answer.reason)
    elif answer.state == "failed":
        _log.warning(
            "command_failed id=%s kind=%s key=%s reason=%s", number, kind, key, answer.reason
        )
    else:
        _log.warning(
            "command_refused id=%s kind=%s key=%s reason=%s", number, kind, key, answer.reason
        )
