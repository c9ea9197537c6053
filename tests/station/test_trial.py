"""The trial of another bundle at the station: frames for the shadow, switch, revert, acceptance.

The station is real; its devices are scripted. The test is the process for updates.
"""

from __future__ import annotations

import mmap
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from edge.errors import BundleError
from edge.events.event import PartEvent
from edge.records import Decision, Frame, Timings, Verdict
from edge.station.collaborators import ActiveChain, NoMonitor
from edge.station.trial import BundleTrial
from edge.update_notes import TrialFigures
from edge.updates.channel import (
    SLOTS,
    Accept,
    Accepted,
    Channel,
    Free,
    Memory,
    NotSwitched,
    Offered,
    ProbationFigures,
    Revert,
    Reverted,
    Shadow,
    Switch,
    Switched,
    TrialHello,
    socket_pair,
)
from edge.updates.desired import ProbationLimits
from tests.support.station import PIXELS, TIMING, P, R, StationHarness, U

NEW = "ab" * 32
BUDGET_MS = TIMING.budget_ns / 1e6


class Inspector:
    """Passes every part, until a test changes that."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.step: Callable[[int], Decision] = lambda part: P

    def inspect(self, frame: Frame) -> Verdict:
        decision = self.step(frame.part_id)
        return Verdict(frame.part_id, decision, self.name, (), 1.0, Timings(1, 2, 3, 4, 5))


class FaultyMonitor(NoMonitor):
    status = "SELF-TEST FAILED, golden frame"

    def doubt(self) -> str | None:
        return "self-test failed"


class DriftingMonitor(NoMonitor):
    status = "drift of focus"


class Updates:
    """The side of the process for updates."""

    def __init__(self, end: socket.socket) -> None:
        self.channel = Channel(end)
        self.got: list[Any] = []
        self.memory: mmap.mmap | None = None

    def turn(self) -> None:
        while (received := self.channel.receive()) is not None:
            message, descriptor = received
            if isinstance(message, Memory):
                assert descriptor is not None
                self.memory = mmap.mmap(descriptor, SLOTS * message.slot_bytes)
                os.close(descriptor)
            self.got.append(message)

    def wait(self, kind: type[Any], count: int = 1) -> Any:
        deadline_s = time.monotonic() + 30
        while True:
            self.turn()
            found = [each for each in self.got if isinstance(each, kind)]
            if len(found) >= count:
                return found[count - 1]
            assert time.monotonic() < deadline_s, self.got
            time.sleep(0.005)

    def switch(self, limits: ProbationLimits | None = None) -> None:
        self.channel.send(
            Switch(
                sha256=NEW,
                allow_downgrade=False,
                limits=limits or ProbationLimits(parts=20),
                shadow=TrialFigures(),
                figures=TrialFigures(),
            )
        )


class World:
    """A running station. The next part comes when the one before has its verdict."""

    def __init__(self) -> None:
        self.new = Inspector("new")
        self.monitor: Any = NoMonitor()
        self.fault: Exception | None = None
        self.trial = BundleTrial(self.load, BUDGET_MS)
        self.harness = StationHarness(10**9, trial=self.trial)
        self.harness.trigger.gate = self.is_next

    def is_next(self, number: int) -> bool:
        time.sleep(0.002)
        return len(self.harness.verdicts) >= number - 1

    def load(self, sha256: str, allow_downgrade: bool) -> ActiveChain:
        if self.fault is not None:
            raise self.fault
        return ActiveChain("new-1.1", self.new, self.monitor)

    @property
    def parts(self) -> list[PartEvent]:
        return [each for each in self.harness.journal.events if isinstance(each, PartEvent)]

    def wait_parts(self, more: int) -> None:
        wanted = len(self.harness.verdicts) + more
        deadline_s = time.monotonic() + 30
        while len(self.harness.verdicts) < wanted:
            assert time.monotonic() < deadline_s
            time.sleep(0.005)


@contextmanager
def running(world: World) -> Iterator[Updates]:
    own, other = socket_pair()
    world.trial.attach(own)
    thread = threading.Thread(target=world.harness.station.run)
    thread.start()
    updates = Updates(other)
    try:
        assert updates.wait(TrialHello).running == "b1"
        world.wait_parts(5)
        yield updates
    finally:
        world.harness.station.stop()
        thread.join(30)
        updates.channel.close()
    assert not thread.is_alive()


def bundles(world: World) -> list[str]:
    """The bundles that decided, in order, without repeats."""
    found: list[str] = []
    for event in world.parts:
        if not found or found[-1] != event.bundle:
            found.append(event.bundle)
    return found


def unknown(world: World) -> int:
    return sum(event.decision is U for event in world.parts)


def test_frames_are_offered_while_the_shadow_asks_for_them() -> None:
    world = World()
    with running(world) as updates:
        world.wait_parts(5)
        assert not [each for each in updates.got if isinstance(each, Offered)]
        updates.channel.send(Shadow(is_on=True))
        for number in range(1, 3 * SLOTS):
            offered = updates.wait(Offered, number)
            assert updates.memory is not None
            size = PIXELS.nbytes
            seen = np.frombuffer(updates.memory, np.uint8)[: size * SLOTS].reshape(SLOTS, size)
            assert np.array_equal(seen[offered.slot], PIXELS.reshape(-1))
            assert (offered.decision, tuple(offered.shape)) == (P, PIXELS.shape)
            updates.channel.send(Free(slot=offered.slot))
        # Without free slots frames are dropped, and the line runs on.
        world.wait_parts(20)
        updates.turn()
        count = len([each for each in updates.got if isinstance(each, Offered)])
        assert count <= 4 * SLOTS
        updates.channel.send(Shadow(is_on=False))
        world.wait_parts(5)
    assert bundles(world) == ["b1"]
    assert unknown(world) == 0


def test_a_bundle_decides_on_probation_and_then_for_good() -> None:
    world = World()
    with running(world) as updates:
        updates.switch()
        assert updates.wait(Switched).running == "new-1.1"
        deadline_s = time.monotonic() + 30
        count = 1
        while not updates.wait(ProbationFigures, count).is_complete:
            assert time.monotonic() < deadline_s
            count += 1
        updates.channel.send(Accept(sha256=NEW))
        assert updates.wait(Accepted).running == "new-1.1"
        world.wait_parts(10)
        updates.channel.send(Revert(reason="too late"))
        world.wait_parts(10)
    assert bundles(world) == ["b1", "new-1.1"]
    assert unknown(world) == 0
    assert world.harness.rejector.orders[-1] == ("close",)


def hang(part: int) -> Decision:
    time.sleep(3)
    return P


def fail(part: int) -> Decision:
    raise RuntimeError("scripted")


@pytest.mark.parametrize(
    ("step", "monitor", "reason"),
    [
        (hang, NoMonitor(), "1 of the last 1 parts are UNKNOWN"),
        (fail, NoMonitor(), "UNKNOWN"),
        (lambda part: P, FaultyMonitor(), "SELF-TEST FAILED"),
        (lambda part: R, DriftingMonitor(), "drift of focus"),
    ],
    ids=["hangs", "fails", "self-test", "drift"],
)
def test_a_bad_bundle_reverts_by_itself_within_two_seconds(
    step: Callable[[int], Decision], monitor: Any, reason: str
) -> None:
    world = World()
    world.new.step, world.monitor = step, monitor
    with running(world) as updates:
        updates.switch()
        began_s = time.monotonic()
        reverted = updates.wait(Reverted)
        assert time.monotonic() - began_s < 2
        assert reason in reverted.reason
        assert reverted.running == "b1"
        before = len(world.harness.verdicts)
        world.wait_parts(10)
        assert all(each.reason == "scripted" for each in world.harness.verdicts[before + 2 :])
    assert bundles(world) in (["b1", "new-1.1", "b1"], ["b1"])
    if monitor.status == "":
        assert unknown(world) <= 1


def test_a_share_of_rejects_that_was_not_predicted_reverts() -> None:
    world = World()
    world.new.step = lambda part: R
    with running(world) as updates:
        updates.channel.send(
            Switch(
                sha256=NEW,
                allow_downgrade=False,
                limits=ProbationLimits(parts=10_000),
                shadow=TrialFigures(parts=3000, bundle_rejects=30),
                figures=TrialFigures(),
            )
        )
        reverted = updates.wait(Reverted)
        assert "the shadow predicted 1 %" in reverted.reason
        assert reverted.figures.bundle_rejects == reverted.figures.parts


def test_a_person_reverts_it() -> None:
    world = World()
    with running(world) as updates:
        updates.switch(ProbationLimits(parts=100_000))
        updates.wait(Switched)
        updates.channel.send(Revert(reason="an operator"))
        assert updates.wait(Reverted).reason == "an operator"
        world.wait_parts(5)
    assert bundles(world)[-1] == "b1"
    assert unknown(world) == 0


def test_without_its_process_a_bad_bundle_reverts_too() -> None:
    world = World()
    bad = threading.Event()
    world.new.step = lambda part: U if bad.is_set() else P
    with running(world) as updates:
        updates.switch(ProbationLimits(parts=100_000))
        updates.wait(Switched)
        updates.channel.close()
        world.wait_parts(5)
        world.new.step = fail
        deadline_s = time.monotonic() + 10
        while world.harness.station._inspect.chain.bundle_id != "b1":
            assert time.monotonic() < deadline_s
            time.sleep(0.01)
        own, other = socket_pair()
        world.trial.attach(own)
        updates.channel = Channel(other)
        again = updates.wait(TrialHello, 2)
        assert (again.running, again.probation) == ("b1", "")


@pytest.mark.parametrize("fault", [BundleError("is for another station"), ValueError("a bug")])
def test_a_bundle_that_cannot_be_loaded_changes_nothing(fault: Exception) -> None:
    world = World()
    world.fault = fault
    with running(world) as updates:
        updates.switch()
        assert str(fault) in updates.wait(NotSwitched).reason
        world.wait_parts(5)
    assert bundles(world) == ["b1"]


def test_a_message_that_cannot_be_read_ends_the_connection_and_nothing_else() -> None:
    world = World()
    with running(world) as updates:
        updates.channel._end.send(b"{}")
        world.wait_parts(10)
    assert bundles(world) == ["b1"]
    assert unknown(world) == 0


def test_the_inspector_s_thread_stores_one_reference_and_copies_nothing() -> None:
    """The copy is made on the thread of the trial, which does not run here."""
    trial = BundleTrial(lambda sha256, allow: ActiveChain("new", Inspector("new")), BUDGET_MS)
    frames = [Frame(number, number, 0, 0, PIXELS) for number in (1, 2)]
    verdicts = [Verdict(each.part_id, P, "", (), 0.0, None) for each in frames]
    trial.record_inspection(frames[0], verdicts[0], 1.0)
    assert trial._waiting is None  # no process asks for frames
    trial._is_shadowing = True
    for frame, verdict in zip(frames, verdicts, strict=True):
        trial.record_inspection(frame, verdict, 1.0)
    assert trial._waiting is not None
    assert trial._waiting[0] is frames[0]
    assert trial._waiting[0].pixels is PIXELS
