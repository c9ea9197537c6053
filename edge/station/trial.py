"""The trial of another bundle: its shadow, its switch and its probation, at the station's side."""

from __future__ import annotations

import os
import select
import socket
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from logging import getLogger

from edge.errors import OutfeedError
from edge.records import Decision, Frame, Verdict
from edge.station.collaborators import ActiveChain, TrialHost
from edge.station.shared_frames import SharedFrames
from edge.updates.channel import (
    Accept,
    Accepted,
    Channel,
    ChannelClosedError,
    Free,
    Memory,
    NotSwitched,
    Offered,
    ProbationFigures,
    Revert,
    Reverted,
    Shadow,
    StationMessage,
    Switch,
    Switched,
    TrialHello,
    TrialMessage,
)
from edge.updates.probation import ProbationWatch
from edge.validation_messages import one_line

_log = getLogger(__name__)

_WAIT_S = 0.1
_FIGURES_S = 1.0
# Beginnings of the reasons of UNKNOWN for which the chain is responsible.
_CAUSED = ("late: ", "self-test failed", "drift of ")
_QUEUED = 4096  # verdicts that wait for the thread

LoadChain = Callable[[str, bool], ActiveChain]
"""Returns the chain of a bundle in the folder of updates, admitted and proven. Its arguments are
its sha256, and whether a lower version is permitted. Raises OutfeedError."""


@dataclass(slots=True)
class _Probation:
    """A bundle that decides, or will do so at the next idle moment.

    reason: why it is being reverted; empty: it is not. drifted: a drift was active before it.
    decided, unknown: parts since the switch.
    """

    sha256: str
    chain: ActiveChain
    watch: ProbationWatch
    drifted: bool
    reason: str = ""
    has_decided: bool = False
    told_s: float = 0.0
    decided: int = 0
    unknown: int = 0


class BundleTrial:
    """Offers frames to the shadow, and watches a bundle on probation.

    The process ``edge.trial`` decides about the steps. This class needs neither that process nor
    the network to revert: a failed self-test, a new drift, UNKNOWN parts, long inspections or an
    unpredicted share of rejects let the former chain decide again. The former chain stays loaded,
    so this is one assignment. After a restart the station has its accepted bundle, and the process
    decides whether the probation goes on.

    Synchronization: the ``record`` methods store one reference or append to a queue, and never
    wait. The thread ``trial`` copies frames and loads bundles. No other thread waits for it, and it
    has no heartbeat. An exception in it reverts the bundle and ends the thread.

    Overflow rule: a frame that finds another one waiting, or no free slot, is not offered.
    """

    def __init__(self, load: LoadChain, budget_ms: float) -> None:
        """Start nothing yet."""
        self.wanted: ActiveChain | None = None
        self._load = load
        self._budget_ms = budget_ms
        self._token = uuid.uuid4().hex
        self._host: TrialHost | None = None
        self._incoming: deque[socket.socket] = deque(maxlen=1)
        self._channel: Channel | None = None
        self._frames: SharedFrames | None = None
        self._is_shadowing = False
        self._waiting: tuple[Frame, Verdict] | None = None
        self._verdicts: deque[Decision | float] = deque(maxlen=_QUEUED)
        self._probation: _Probation | None = None
        self._closing = False
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._thread = threading.Thread(target=self._run, name="trial", daemon=True)

    def start(self, host: TrialHost) -> None:
        """Start the thread."""
        self._host = host
        self._thread.start()

    def attach(self, end: socket.socket) -> None:
        """Take the station's end of the connection to a new process. Any thread."""
        self._incoming.append(end)
        self._notify()

    def record_inspection(self, frame: Frame, verdict: Verdict, inspect_ms: float) -> None:
        """Take a frame and the chain's verdict on it, after it was settled."""
        probation = self._probation
        if probation is not None:
            self._verdicts.append(inspect_ms)
            if verdict.decision is Decision.UNKNOWN:
                self._count_unknown(probation)
            return
        if self._is_shadowing and self._waiting is None:
            self._waiting = (frame, verdict)
            self._notify()

    def record_verdict(self, verdict: Verdict) -> None:
        """Take the final verdict on a part. UNKNOWN counts where it is due to the chain.

        An exception of the chain is counted by ``record_inspection``, and a fault of the camera not
        at all.
        """
        probation = self._probation
        if probation is None:
            return
        if verdict.decision is not Decision.UNKNOWN:
            probation.decided += 1
            self._verdicts.append(verdict.decision)
        elif verdict.reason == "overload" or verdict.reason.startswith(_CAUSED):
            self._count_unknown(probation)

    def close(self, timeout_s: float) -> None:
        """End the thread within timeout_s."""
        self._closing = True
        self._notify()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
            if self._thread.is_alive():
                _log.warning("trial_given_up")
        probation, host = self._probation, self._host
        if probation is not None and host is not None:
            # The station closes the monitor of the chain that decides.
            for each in (host.base, probation.chain):
                if each is not host.chain():
                    each.monitor.close(0.0)

    def _count_unknown(self, probation: _Probation) -> None:
        """Count a part without a decision. Beyond the limit the former chain decides from the next
        part on; the thread then reports it."""
        self._verdicts.append(Decision.UNKNOWN)
        probation.unknown += 1
        parts = probation.decided + probation.unknown
        if self._host is not None and probation.unknown > probation.watch.unknown_limit * parts:
            self.wanted = self._host.base
        self._notify()

    def _notify(self) -> None:
        try:
            os.eventfd_write(self._wake, 1)
        except OSError:  # its counter is full: the thread will look anyway
            return

    def _run(self) -> None:
        try:
            while not self._closing:
                self._step()
        except Exception:  # noqa: BLE001 - a bug here must not end the inspection
            _log.exception("trial_failed")
            self.wanted = None if self._host is None else self._host.base
        finally:
            self._is_shadowing = False
            self._drop_channel()

    def _step(self) -> None:
        descriptors: list[int | Channel] = [self._wake]
        if self._channel is not None:
            descriptors.append(self._channel)
        busy = self._probation is not None
        if self._wake in select.select(descriptors, [], [], _WAIT_S / (2 if busy else 1))[0]:
            os.eventfd_read(self._wake)
        if self._incoming:
            self._greet(self._incoming.popleft())
        try:
            self._receive()
            self._offer()
        except ChannelClosedError:
            self._drop_channel()
        self._check_probation()

    def _greet(self, end: socket.socket) -> None:
        self._drop_channel()
        self._channel = Channel(end)
        assert self._host is not None
        sha256 = "" if self._probation is None else self._probation.sha256
        self._send(
            TrialHello(token=self._token, running=self._host.chain().bundle_id, probation=sha256)
        )

    def _drop_channel(self) -> None:
        self._is_shadowing = False
        self._waiting = None
        self._frames = None
        if self._channel is not None:
            self._channel.close()
        self._channel = None

    def _send(self, message: StationMessage) -> bool:
        if self._channel is None:
            return False
        try:
            return self._channel.send(message)
        except ChannelClosedError:
            self._drop_channel()
            return False

    def _receive(self) -> None:
        while self._channel is not None and (received := self._channel.receive()) is not None:
            message, descriptor = received
            if descriptor is not None:
                os.close(descriptor)
            if isinstance(message, TrialMessage):
                self._obey(message)

    def _obey(self, message: TrialMessage) -> None:
        if isinstance(message, Shadow):
            self._is_shadowing = message.is_on
            if not message.is_on:
                self._frames = None
        elif isinstance(message, Free):
            if self._frames is not None:
                self._frames.free(message.slot)
        elif isinstance(message, Switch):
            self._begin(message)
        elif isinstance(message, Revert):
            self._revert(message.reason)
        else:
            self._accept(message)

    def _offer(self) -> None:
        """Copy the waiting frame into the shared memory, and offer it."""
        waiting = self._waiting
        if waiting is None or self._channel is None or not self._is_shadowing:
            return
        frame, verdict = waiting
        if self._frames is None:
            self._frames = SharedFrames(frame.pixels.nbytes)
            self._channel.send(Memory(slot_bytes=self._frames.slot_bytes), self._frames.descriptor)
        slot = self._frames.put(frame.pixels)
        self._waiting = None
        if slot is None:
            return
        defect = verdict.defects[0].kind if verdict.defects else ""
        offered = Offered(
            slot=slot,
            part_id=frame.part_id,
            shape=frame.pixels.shape,
            decision=verdict.decision,
            defect=defect[:100],
        )
        if not self._channel.send(offered):
            self._frames.free(slot)

    def _begin(self, switch: Switch) -> None:
        """Load a bundle, and let it decide at the next idle moment. Blocks for seconds."""
        host = self._host
        assert host is not None
        if self._probation is not None:
            return
        try:
            chain = self._load(switch.sha256, switch.allow_downgrade)
            chain.monitor.start(host.on_event, host.last_part() + 1)
        except Exception as error:  # noqa: BLE001 - a bundle must not end the inspection
            if not isinstance(error, OutfeedError):
                _log.exception("bundle_not_loaded sha256=%s", switch.sha256[:12])
            reason = one_line(error)[:300]
            self._send(NotSwitched(sha256=switch.sha256, reason=reason))
            return
        self._verdicts.clear()
        watch = ProbationWatch(switch.limits, switch.shadow, self._budget_ms, switch.figures)
        drifted = host.chain().monitor.status.startswith("drift")
        self._probation = _Probation(switch.sha256, chain, watch, drifted)
        self.wanted = chain

    def _check_probation(self) -> None:
        probation, host = self._probation, self._host
        if probation is None or host is None:
            return
        if not probation.has_decided:
            # The chain may have decided a part, and been reverted, since the last look.
            if host.chain() is not probation.chain and self.wanted is not host.base:
                return
            probation.has_decided = True
            running = probation.chain.bundle_id
            self._send(Switched(sha256=probation.sha256, running=running))
        if probation.reason:
            self._finish_revert(probation, host)
            return
        while self._verdicts:
            item = self._verdicts.popleft()
            if isinstance(item, Decision):
                probation.watch.record(item)
            else:
                probation.watch.record_time(item)
        reason = _monitor_fault(probation) or probation.watch.fault() or self._hanging(host)
        if not reason and self.wanted is host.base:
            reason = f"{probation.unknown} parts are UNKNOWN"
        if reason:
            self._revert(reason)
        elif time.monotonic() - probation.told_s >= _FIGURES_S:
            probation.told_s = time.monotonic()
            watch = probation.watch
            self._send(
                ProbationFigures(
                    sha256=probation.sha256,
                    figures=watch.closed(),
                    is_complete=watch.is_complete,
                )
            )

    def _hanging(self, host: TrialHost) -> str | None:
        since_ns = host.busy_since_ns()
        busy_ms = (time.monotonic_ns() - since_ns) / 1e6 if since_ns else 0.0
        if busy_ms <= self._budget_ms:
            return None
        return f"one inspection takes longer than {self._budget_ms:g} ms (line.budget_ms)"

    def _revert(self, reason: str) -> None:
        """Let the former chain decide again, at once."""
        probation, host = self._probation, self._host
        if probation is None or host is None or probation.reason:
            return
        _log.error("bundle_reverts bundle=%s reason=%s", probation.chain.bundle_id, reason)
        probation.reason = reason[:300]
        self.wanted = host.base
        if not probation.has_decided:
            probation.has_decided = True
        self._finish_revert(probation, host)

    def _finish_revert(self, probation: _Probation, host: TrialHost) -> None:
        if host.chain() is not host.base:
            if self._hanging(host) is None:
                return
            host.replace(host.base)
        self._probation = None
        probation.chain.monitor.close(0.0)
        self._send(
            Reverted(
                sha256=probation.sha256,
                running=host.base.bundle_id,
                reason=probation.reason,
                figures=probation.watch.closed(),
            )
        )

    def _accept(self, message: Accept) -> None:
        """Keep the bundle on probation. The former chain and its monitor end."""
        probation, host = self._probation, self._host
        if probation is None or host is None or probation.sha256 != message.sha256:
            return
        if probation.reason or host.chain() is not probation.chain:
            return
        host.base.monitor.close(0.0)
        self._host = TrialHost(
            base=probation.chain,
            on_event=host.on_event,
            last_part=host.last_part,
            chain=host.chain,
            busy_since_ns=host.busy_since_ns,
            replace=host.replace,
        )
        self._probation = None
        self._send(Accepted(sha256=probation.sha256, running=probation.chain.bundle_id))


def _monitor_fault(probation: _Probation) -> str | None:
    """Return the fault that the monitor of the new bundle reports."""
    status = probation.chain.monitor.status
    if not status or (status.startswith("drift") and probation.drifted):
        return None
    return status
