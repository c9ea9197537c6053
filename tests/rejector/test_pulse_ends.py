"""Real processes stopped and killed in the middle of a pulse, against the output's own record."""

import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edge.clock import MonotonicClock
from edge.devices.output_simulated import read_record
from edge.line.outcome import Action, Cause
from edge.rejector.client import RejectorClient
from edge.rejector.messages import Actuated
from edge.rejector.options import RejectorOptions
from tests.rejector.wire import Judged, judge, longest_us

CLOCK = MonotonicClock()
MS = 1_000_000
PULSE_US = 4_000
GAP_NS = 10 * MS
STOP_S = 0.03
EVERY = 12  # parts between two stops
TRIES = 3  # belts, for a machine that holds up all processes between two stops


def children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    return [int(one) for one in text.split()]


def sleep_until(at_ns: int) -> None:
    while (left_ns := at_ns - CLOCK.now_ns()) > 0:
        time.sleep(left_ns / 1e9)


@contextmanager
def stopped(pids: list[int]) -> Iterator[None]:
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    yield
    for pid in pids:
        os.kill(pid, signal.SIGCONT)


class Belt:
    """A hundred parts a second, every third to be ejected, and what was reported of them."""

    def __init__(self, record: Path, parts: int) -> None:
        self.record, self.reports = record, list[Actuated]()
        options = RejectorOptions(pulse_us=PULSE_US, record=record, realtime_priority=50)
        self.client = RejectorClient(options, clock=CLOCK)
        self.client.start(self.reports.append)
        first_ns = CLOCK.now_ns() + 100 * MS
        self.due = {part: first_ns + part * GAP_NS for part in range(1, parts + 1)}
        self.good = {part for part in self.due if part % 3}
        self._announced = 0

    def feed(self, up_to: int) -> None:
        """Announce up to this part, with the verdict; not more than the socket takes."""
        for part in range(self._announced + 1, min(up_to, len(self.due)) + 1):
            self.client.announce(part, self.due[part])
            self.client.resolve(part, part not in self.good)
            self._announced = part

    def close(self) -> Judged:
        """Let all parts pass. What the record and the reports make of them."""
        self.client.close(5.0)
        assert sorted(one.part_id for one in self.reports) == sorted(self.due)
        return judge(self.record, self.reports, self.due, self.good)

    def causes(self, part_ids: list[int]) -> set[tuple[str, str]]:
        fates = {one.part_id: (one.action.name, one.cause.name) for one in self.reports}
        return {fates[part] for part in part_ids}


@pytest.fixture
def start(tmp_path):
    """A belt of so many parts; its rejector is ended after the test, whatever happened."""
    made = []

    def one(parts: int) -> Belt:
        made.append(Belt(tmp_path / f"edges{len(made)}", parts))
        return made[-1]

    yield one
    for belt in made:
        belt.client.close(1.0)


def run(belt: Belt, *, guard_too: bool) -> list[tuple[int, int]]:
    """Stop the loop, or all its processes, for 30 ms, somewhere around a pulse, again and again.

    Return the begin and end of each stop, ns.
    """
    chance, spans = random.Random(7), []
    stops = len(belt.due) // EVERY - 1
    for stop in range(1, stops + 1):
        belt.feed(EVERY * stop + EVERY)
        loop = belt.client.pid
        assert loop is not None
        pids = [loop, *children(loop)] if guard_too else [loop]
        sleep_until(belt.due[EVERY * stop] + chance.randint(-500, PULSE_US) * 1_000)
        begin_ns = CLOCK.now_ns()
        with stopped(pids):
            time.sleep(STOP_S)
        spans.append((begin_ns, CLOCK.now_ns()))
    return spans


def test_a_pulse_ends_while_the_loop_is_stopped_and_no_good_part_is_ejected(start):
    """A good part in a stop is never hit. Between two stops nothing that is tested here can delay
    a pulse, and such a delay is the machine's: then another belt is tried."""
    for _ in range(TRIES):
        belt = start(16 * EVERY)
        stops = run(belt, guard_too=False)
        judged = belt.close()
        assert (judged.silent, judged.invented) == ([], [])
        assert belt.causes(judged.hit) <= {("EJECTED", "OVERRUN")}
        assert belt.client.restarts == 0
        dues = {part: belt.due[part] for part in judged.hit}
        in_stops = [n for n, due in dues.items() if any(a <= due < b for a, b in stops)]
        # Without the guard a pulse would last for the stop, three parts long.
        assert in_stops == []
        if judged.hit == [] and longest_us(belt.record) < PULSE_US + 5_000:
            return
    pytest.fail("a good part was in a pulse, or a pulse was too long, on each belt")


def test_good_parts_in_a_pulse_that_could_not_be_ended_are_reported_as_ejected(start):
    belt = start(16 * EVERY)
    run(belt, guard_too=True)
    judged = belt.close()
    assert len(judged.hit) >= 10  # else nothing was tried
    # Processes stopped within the call that switches do not know when the edge was: then parts may
    # be reported as ejected that were not, never the other way.
    assert judged.silent == []
    assert belt.causes(judged.hit) == {("EJECTED", "OVERRUN")}


def test_the_reported_edges_are_those_of_the_line(start):
    belt = start(4 * EVERY)
    run(belt, guard_too=True)
    belt.close()
    edges = read_record(belt.record)
    falls = [edge.at_ns for edge in edges if not edge.active]
    for report in belt.reports:
        if report.action is Action.EJECTED:
            end_ns = report.at_ns + report.width_us * 1_000
            # The stamp of the report is read after the one of the record.
            assert min(abs(end_ns - fall) for fall in falls) < 2 * MS
            assert report.at_ns >= report.due_ns


def test_a_loop_killed_in_mid_pulse_leaves_a_whole_pulse_and_true_reports(start):
    belt = start(60)
    belt.feed(60)
    sleep_until(belt.due[12] + 1 * MS)
    pid = belt.client.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    judged = belt.close()
    assert belt.client.restarts == 1
    assert (judged.silent, judged.invented) == ([], [])
    (hit,) = [one for one in belt.reports if one.part_id == 12]
    assert (hit.action, hit.cause) == (Action.EJECTED, Cause.VERDICT)
    assert PULSE_US - 2_000 <= hit.width_us < PULSE_US + 5_000
    levels = [edge.active for edge in read_record(belt.record)]
    assert levels == [True, False] * (len(levels) // 2)  # each pulse has an end


def test_a_guard_that_crashes_is_replaced_and_the_pulses_go_on(start):
    belt = start(3)
    loop = belt.client.pid
    assert loop is not None
    (guard,) = children(loop)
    time.sleep(1.1)  # one guard a second, not more
    os.kill(guard, signal.SIGKILL)
    limit = time.monotonic() + 10.0
    while not (found := children(loop)) or found == [guard]:
        assert time.monotonic() < limit, "no new guard"
        time.sleep(0.01)
    first_ns = CLOCK.now_ns() + 100 * MS
    belt.due = {part: first_ns + part * GAP_NS for part in belt.due}
    belt.feed(3)
    sleep_until(belt.due[3] + 1 * MS)
    with stopped([loop]):
        time.sleep(STOP_S)
    judged = belt.close()
    assert (judged.hit, judged.silent) == ([], [])
    assert longest_us(belt.record) < PULSE_US + 5_000
    assert belt.client.restarts == 0


@pytest.mark.parametrize("signals", [(signal.SIGKILL,), (signal.SIGSTOP, signal.SIGKILL)])
def test_no_process_is_left_behind_by_a_killed_loop(start, signals):
    belt = start(3)
    loop = belt.client.pid
    assert loop is not None
    (guard,) = children(loop)
    for number in signals[:-1]:
        os.kill(guard, number)  # it cannot even end itself
    os.kill(loop, signal.SIGKILL)
    limit = time.monotonic() + 20.0
    while belt.client.restarts == 0 or belt.client.pid in (None, loop):
        assert time.monotonic() < limit, "no new rejector"
        time.sleep(0.01)
    stat = Path(f"/proc/{guard}/stat")
    assert not stat.exists() or stat.read_text(encoding="ascii").split()[2] == "Z"
    belt.feed(3)
    belt.close()
