"""The process that decides about desired states and their trials, beside the station."""

from __future__ import annotations

import logging
import os
import select
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import replace

from edge.active_bundle import file_digest, read_active
from edge.bundle.keys import read_trusted
from edge.clock import utc_now
from edge.commands.delivery import JournalDelivery, RefusalLimit
from edge.commands.spool import read_messages
from edge.config.station import StationConfig
from edge.errors import BundleError, OutfeedError
from edge.inbox import Inbox
from edge.journal.reader import JournalReader
from edge.trial.link import StationLink
from edge.trial.steps import TrialSteps
from edge.update_notes import UpdateNote
from edge.updates.channel import CHANNEL_VARIABLE, Channel
from edge.updates.desired import MAX_MESSAGE_BYTES, DesiredBundle
from edge.updates.files import Fetch, read_fetch, write_fetch
from edge.updates.judge import UpdateJudgement, UpdateMoment, UpdateRules, judge
from edge.updates.state import MAX_OUTBOX, UpdateState, read_state, write_state
from edge.watchdog import SILENT, Notifier

_log = logging.getLogger(__name__)

TURN_S = 0.25
"""Time between two looks at the folders."""

# A desired state of the future is examined again this often: the clock may have been set.
LATER_S = 60.0


class UpdateProcess:
    """Reads desired states, decides, has bundles tried, and brings each change to the journal.

    A decision is on the disk before it has an effect, so that a kill at any moment neither loses
    nor repeats one. For one thread. ``step`` blocks on the disk and for the proof of a bundle,
    never on the network.
    """

    def __init__(
        self,
        config: StationConfig,
        channel: Channel | None = None,
        *,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        """Open nothing yet. config: as in station.toml. channel: to the station; None: there is
        none. now_s: the wall clock, seconds since 1970."""
        self._config = config
        self._paths = config.paths
        self._now_s = now_s
        self.link = StationLink(channel)
        self.steps = TrialSteps(config, self.link, now_s)
        self._reader = JournalReader(self._paths.journal)
        self._delivery = JournalDelivery(Inbox(self._paths.inbox), self._reader)
        self._refusals = RefusalLimit()
        self._state: UpdateState | None = None
        self._operators: frozenset[str] | None = None
        self._configured: tuple[tuple[int, int], str] | None = None
        self._fetch: Fetch | None = None
        self._later_s = 0.0
        self._warned = ""

    @property
    def state(self) -> UpdateState | None:
        """Return the state after the last step; None before the first."""
        return self._state

    def run(self, stop: threading.Event, notifier: Notifier = SILENT) -> None:
        """Work until ``stop`` is set. Continues after every fault of the disk."""
        notifier.ready("waiting for a desired state")
        while not stop.is_set():
            try:
                self.step()
                self._warned = ""
            except OutfeedError as error:
                if str(error) != self._warned:
                    _log.warning("updates_wait reason=%s", error)
                self._warned = str(error)
            notifier.heartbeat(self._status())
            self._wait(stop)
        self.close()

    def close(self) -> None:
        """End the shadow, and close the journal and the connection."""
        self.steps.close()
        self._reader.close()
        self.link.close()

    def step(self) -> None:
        """Do what is to be done now. Raises OutfeedError for a fault that may pass."""
        if self._state is None:
            self._state = read_state(self._paths.updates)
            self._fetch = read_fetch(self._paths.fetch)
            self.steps.clean(self._state)
        self.link.receive()
        self._read_messages()
        self._read_revert()
        self._change(self.steps.advance(self._state))
        self._write_fetch()
        self._deliver()

    def _wait(self, stop: threading.Event) -> None:
        """Wait for the station, the shadow, or the next look at the folders."""
        shadow = self.steps.shadow
        wanted = (self.link.fileno(), None if shadow is None else shadow.fileno())
        descriptors = [each for each in wanted if each is not None]
        if descriptors:
            select.select(descriptors, [], [], TURN_S)
        else:
            stop.wait(TURN_S)

    def _read_messages(self) -> None:
        assert self._state is not None
        folder = self._paths.received_desired
        for number, payload in read_messages(folder, self._state.taken, MAX_MESSAGE_BYTES):
            if len(self._state.outbox) >= MAX_OUTBOX:
                return
            state = self._judged(self._state, payload)
            self._change(state.model_copy(update={"taken": number}))
        later = self._state.later
        if later and time.monotonic() - self._later_s >= LATER_S:
            self._later_s = time.monotonic()
            state = self._state.model_copy(update={"later": ""})
            self._change(self._judged(state, later.encode()))

    def _judged(self, state: UpdateState, payload: bytes) -> UpdateState:
        judged: UpdateJudgement = judge(
            state, self._rules(), payload, UpdateMoment(self._now_s(), utc_now())
        )
        refused = judged.refused
        if refused is None:
            return judged.state
        more = self._refusals.admit(refused.desired_id)
        if more is None:
            return judged.state
        return judged.state.with_refusal(replace(refused, more=more))

    def _rules(self) -> UpdateRules:
        """Return the rules. Raises OutfeedError for a key, or a bundle that cannot be read."""
        config = self._config
        if self._operators is None:
            try:
                self._operators = read_trusted(config.trust.operator_keys)
            except BundleError as error:
                raise OutfeedError(f"key 'trust.operator_keys': {error}") from error
        updates = config.updates
        return UpdateRules(
            station=config.id,
            operators=self._operators,
            signers=updates.signers,
            plant=updates.plant,
            line=updates.line,
            active=self._active(),
            running=self.link.running,
        )

    def _active(self) -> str:
        """Return the sha256 of the accepted bundle, or of the one of station.toml."""
        path = self._config.bundle
        try:
            status = path.stat()
            stamp = (status.st_mtime_ns, status.st_size)
            if self._configured is None or self._configured[0] != stamp:
                self._configured = (stamp, file_digest(path))
            configured = self._configured[1]
        except OSError:
            configured = ""
        active = read_active(self._paths.active_bundle)
        if active is not None and configured in ("", active.configured):
            return active.sha256
        return configured

    def _read_revert(self) -> None:
        """Follow the word of a person at the station."""
        assert self._state is not None
        if not self._paths.revert.exists():
            return
        state = self.steps.revert(self._state)
        if state is None:
            return
        self._change(state)
        try:
            self._paths.revert.unlink(missing_ok=True)
        except OSError as error:
            raise OutfeedError(f"{self._paths.revert}: {error.strerror}") from error

    def _change(self, state: UpdateState) -> None:
        """Store a state, and log its new changes. Raises OutfeedError; then nothing has changed."""
        assert self._state is not None
        if state == self._state:
            return
        write_state(self._paths.updates, state)
        known = {each.id for each in self._state.outbox}
        for note in state.outbox:
            if note.id not in known:
                _log_note(note)
        had_trial, self._state = self._state.trial is not None, state
        if had_trial and state.trial is None:
            self.steps.clean(state)

    def _deliver(self) -> None:
        """Bring the outbox to the journal as far as possible now."""
        assert self._state is not None
        while self._state.outbox and self._delivery.deliver(self._state.outbox[0]):
            self._change(self._state.model_copy(update={"outbox": self._state.outbox[1:]}))

    def _write_fetch(self) -> None:
        assert self._state is not None
        trial = self._state.trial
        wanted: DesiredBundle | None = None
        if trial is not None and trial.phase in ("downloading", "checking"):
            wanted = trial.body.bundle
        fetch = Fetch(taken=self._state.taken, bundle=wanted)
        if fetch == self._fetch:
            return
        try:
            write_fetch(self._paths.fetch, fetch)
        except OSError as error:
            raise OutfeedError(f"{self._paths.fetch}: {error.strerror}") from error
        self._fetch = fetch

    def _status(self) -> str:
        trial = None if self._state is None else self._state.trial
        if trial is None or trial.body.bundle is None:
            return "no bundle on trial"
        return f"{trial.body.bundle.name} {trial.body.bundle.version}: {trial.phase}"


def run_trial(config: StationConfig, stop: threading.Event, notifier: Notifier = SILENT) -> None:
    """Work until ``stop`` is set. Blocks, and starts no thread."""
    number = os.environ.get(CHANNEL_VARIABLE, "")
    channel = Channel(socket.socket(fileno=int(number))) if number.isdigit() else None
    UpdateProcess(config, channel).run(stop, notifier)


def _log_note(note: UpdateNote) -> None:
    level = logging.WARNING if note.state in ("refused", "reverted") else logging.INFO
    name = f"{note.name}-{note.version}" if note.name else "?"
    _log.log(level, "update_%s bundle=%s reason=%s", note.state, name, note.reason)
