"""The real process with real signals and kills. Every wait has a deadline."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.clock import MonotonicClock
from edge.devices.output_simulated import pulses, read_record
from edge.line.outcome import Action, Cause, Counters
from edge.rejector.client import RejectorClient
from edge.rejector.messages import VERSION, Announce, Hello, Resolve, decode_report
from edge.rejector.options import RejectorOptions

CLOCK = MonotonicClock()
MS = 1_000_000
# How punctual a pulse must be for a test: loose, as the machine is shared. bench/ measures it.
SLACK_NS = 75 * MS
ROOT = Path(__file__).parents[2]


def eventually(holds: Callable[[], bool], within_s: float = 10.0) -> None:
    limit = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < limit, "did not come true in time"
        time.sleep(0.005)


@pytest.fixture
def start(tmp_path):
    """A rejector by the options given; stopped at the end of the test."""
    clients = []

    def one(**given) -> tuple[RejectorClient, list, Path]:
        record = tmp_path / f"edges{len(clients)}"
        options = RejectorOptions(**{"pulse_us": 80_000, "record": record, **given})
        client, reports = RejectorClient(options, clock=CLOCK), []
        client.start(reports.append)
        clients.append(client)
        return client, reports, record

    yield one
    for client in clients:
        client.close(2.0)


def fate(reports) -> list[tuple[int, str, str]]:
    return [(r.part_id, r.action.name, r.cause.name) for r in reports]


def test_parts_are_dealt_with_as_ordered_at_their_time(start):
    client, reports, record = start()
    first_ns = CLOCK.now_ns() + 150 * MS
    due = {number: first_ns + number * 120 * MS for number in range(4)}
    for number, due_ns in due.items():
        client.announce(number, due_ns)
    client.resolve(0, True)
    client.resolve(1, False)
    client.resolve(3, True)
    counted = client.close(5.0)
    assert fate(reports) == [
        (0, "EJECTED", "VERDICT"),
        (1, "PASSED", "VERDICT"),
        (2, "EJECTED", "UNKNOWN"),
        (3, "EJECTED", "VERDICT"),
    ]
    assert counted.queue == Counters(announced=4, ejected=3, passed=1, unknown=1)
    assert counted.unreported == 0
    began = [pulse.at_ns for pulse in pulses(read_record(record))]
    assert len(began) == 3
    for at_ns, number in zip(began, (0, 2, 3), strict=True):
        assert 0 <= at_ns - due[number] < SLACK_NS
    assert read_record(record)[-1].active is False


def test_what_is_on_the_belt_at_the_start_leaves_it_also_over_a_restart(start):
    client, reports, record = start(pulse_us=5_000, clear_ns=1_500 * MS)
    eventually(lambda: [edge.active for edge in read_record(record)] == [True])
    os.kill(client.pid, signal.SIGKILL)
    eventually(lambda: [edge.active for edge in read_record(record)] == [True, False] * 2, 20.0)
    (first, second) = pulses(read_record(record))
    assert second.at_ns + second.width_us * 1_000 >= first.at_ns + 1_400 * MS
    client.announce(1, CLOCK.now_ns() + 100 * MS)
    client.resolve(1, False)
    assert client.close(5.0).queue.passed == 1
    assert fate(reports) == [(1, "PASSED", "VERDICT")]


def test_a_stop_does_not_wait_for_the_belt_to_be_cleared(start):
    client, _, record = start(clear_ns=60_000 * MS)
    eventually(lambda: [edge.active for edge in read_record(record)] == [True])
    assert client.close(5.0) is not None
    assert [edge.active for edge in read_record(record)] == [True, False]


def test_nothing_is_cleared_where_unknown_parts_pass(start):
    client, _, record = start(clear_ns=60_000 * MS, on_unknown="pass")
    assert client.close(5.0) is not None
    assert read_record(record) == []


def test_start_and_stop_without_parts_make_no_edge(start):
    client, reports, record = start(safe_state="active")
    assert client.close(5.0).queue == Counters()
    assert (reports, read_record(record)) == ([], [])


def test_the_process_ends_and_its_thread_is_joined(start):
    client, _, _ = start()
    pid = client.pid
    client.close(5.0)
    assert client.pid is None
    assert not Path(f"/proc/{pid}").exists()


def test_sigint_and_sigterm_do_not_end_it(start):
    client, reports, _ = start()
    for number in (signal.SIGINT, signal.SIGTERM):
        os.kill(client.pid, number)
    client.announce(1, CLOCK.now_ns() + 50 * MS)
    eventually(lambda: fate(reports) == [(1, "EJECTED", "UNKNOWN")])
    assert client.restarts == 0


def test_a_killed_rejector_is_restarted_and_what_went_by_is_reported(start):
    client, reports, _ = start(pulse_us=5_000)
    now_ns = CLOCK.now_ns()
    client.announce(1, now_ns + 1 * MS)
    eventually(lambda: len(reports) == 1)
    os.kill(client.pid, signal.SIGKILL)
    now_ns = CLOCK.now_ns()
    client.announce(2, now_ns + 1 * MS)  # no process is running
    client.announce(3, now_ns + 2 * MS)
    client.resolve(3, False)
    client.announce(4, now_ns + 3_000 * MS)  # the next process will be
    client.announce(5, now_ns + 3_050 * MS)
    client.resolve(5, False)
    eventually(lambda: len(reports) == 5)
    assert client.restarts == 1
    assert fate(reports) == [
        (1, "EJECTED", "UNKNOWN"),
        (2, "MISSED", "REJECTOR_DOWN"),
        (3, "PASSED", "REJECTOR_DOWN"),
        (4, "EJECTED", "UNKNOWN"),
        (5, "PASSED", "VERDICT"),
    ]


def test_a_new_rejector_never_ejects_a_part_that_has_its_pass_already(start):
    """The windows of many parts are open when it starts: none may be taken for unknown."""
    client, reports, record = start(pulse_us=500_000)
    first_ns = CLOCK.now_ns() + 200 * MS
    for number in range(130):  # 260 orders fit into the socket even if they are not read
        client.announce(number, first_ns + number * 5 * MS)
        client.resolve(number, False)
    eventually(lambda: len(reports) > 20)
    os.kill(client.pid, signal.SIGKILL)
    client.close(5.0)
    assert sorted(report.part_id for report in reports) == list(range(130))
    assert {report.action for report in reports} == {Action.PASSED}
    assert {report.cause for report in reports} <= {Cause.VERDICT, Cause.REJECTOR_DOWN}
    assert read_record(record) == []
    assert client.restarts == 1


def test_a_rejector_killed_after_the_goodbye_still_sees_the_last_parts_by(start):
    client, reports, _ = start()
    client.announce(1, CLOCK.now_ns() + 2_000 * MS)
    os.kill(client.pid, signal.SIGKILL)
    assert client.close(5.0).queue.ejected == 1
    assert fate(reports) == [(1, "EJECTED", "UNKNOWN")]


def test_a_rejector_that_hangs_is_killed_and_orders_never_wait(start):
    client, _, _ = start()
    first = client.pid
    os.kill(first, signal.SIGSTOP)
    longest_s, number = 0.0, 0
    while client.pid == first and number < 20_000:
        began = time.monotonic()
        client.announce(number, CLOCK.now_ns() + 60_000 * MS)
        longest_s = max(longest_s, time.monotonic() - began)
        number += 1
    assert number < 20_000
    assert longest_s < 0.5
    eventually(lambda: client.pid not in (None, first))
    assert client.restarts == 1
    client._announced.clear()  # the test does not wait a minute for its parts
    client._kill()


def by_hand(
    record: Path, *more: str, program: tuple[str, ...] = ("-m", "edge.rejector")
) -> tuple[subprocess.Popen, socket.socket]:
    """A rejector whose station is the test itself."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    options = RejectorOptions(pulse_us=80_000, record=record).arguments(theirs.fileno())
    process = subprocess.Popen(
        [sys.executable, *program, *options, *more],
        pass_fds=[theirs.fileno()],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
    )
    theirs.close()
    ours.settimeout(10.0)
    return process, ours


@pytest.mark.parametrize(
    ("policy", "safe", "ejected", "last"),
    [("reject", "inactive", [1, 2], False), ("pass", "active", [1], True)],
)
def test_end_of_file_without_goodbye_is_a_dead_station(tmp_path, policy, safe, ejected, last):
    process, ours = by_hand(tmp_path / "edges", f"--on-unknown={policy}", f"--safe-state={safe}")
    ours.send(Hello(3).encode())
    assert decode_report(ours.recv(128)).version == VERSION
    now_ns = CLOCK.now_ns()
    due = {1: now_ns + 100 * MS, 2: now_ns + 200 * MS, 3: now_ns + 300 * MS}
    for number, due_ns in due.items():
        ours.send(Announce(number, due_ns).encode())
    ours.send(Resolve(1, True).encode())
    ours.send(Resolve(3, False).encode())
    ours.close()
    _, complaint = process.communicate(timeout=10)
    assert process.returncode == 3
    assert "station_exited parts_announced=" in complaint
    edges = read_record(tmp_path / "edges")
    began = [pulse.at_ns for pulse in pulses(edges)]
    assert len(began) == len(ejected)
    for at_ns, number in zip(began, ejected, strict=True):
        assert 0 <= at_ns - due[number] < SLACK_NS
    assert edges[-1].active is last
    if last:  # the safe state is taken after the last part, not on its way
        assert edges[-1].at_ns >= due[3]


def test_a_station_of_another_version_is_refused(tmp_path):
    process, ours = by_hand(tmp_path / "edges")
    ours.send(Hello(99).encode())
    _, complaint = process.communicate(timeout=10)
    assert process.returncode == 1
    assert f"wrong_version station=99 rejector={VERSION}" in complaint
    ours.close()


def test_a_record_that_cannot_be_written_is_one_line(tmp_path):
    process, ours = by_hand(tmp_path / "none" / "edges")
    _, complaint = process.communicate(timeout=10)
    assert process.returncode == 1
    assert complaint.count("\n") == 1
    assert "cannot be written" in complaint
    ours.close()


STATION = """
import sys, time
from pathlib import Path
from edge.clock import MonotonicClock
from edge.rejector.client import RejectorClient
from edge.rejector.options import RejectorOptions
clock = MonotonicClock()
options = RejectorOptions(pulse_us=80_000, safe_state="active", record=Path(sys.argv[1]))
client = RejectorClient(options, clock=clock)
client.start(lambda report: None)
due_ns = clock.now_ns() + 400_000_000
client.announce(1, due_ns)
print(client.pid, due_ns, flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_station_that_is_killed_leaves_its_parts_to_the_rejector(tmp_path, number):
    station = subprocess.Popen(
        [sys.executable, "-c", STATION, str(tmp_path / "edges")],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    pid, due_ns = map(int, station.stdout.readline().split())
    station.send_signal(number)
    station.communicate(timeout=10)
    eventually(lambda: not Path(f"/proc/{pid}").exists() or _is_zombie(pid))
    edges = read_record(tmp_path / "edges")
    assert [edge.active for edge in edges] == [True, False, True]
    assert 0 <= edges[0].at_ns - due_ns < SLACK_NS


def _is_zombie(pid: int) -> bool:
    try:
        return ") Z " in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return True


def test_the_process_imports_no_heavy_library():
    code = (
        "import sys, edge.rejector.__main__; print(sorted(m for m in sys.modules if '.' not in m))"
    )
    names = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert not {"numpy", "cv2", "pydantic", "asyncio", "multiprocessing"} & set(names.split())


# A tracker that breaks in the middle of the first pulse. It first holds the loop for some
# milliseconds: at 300 the guard has ended the pulse by then.
BREAKS = """
import sys, time
from edge.line.tracker import BeltTracker
from edge.rejector.__main__ import main

due = BeltTracker.due

def broken(tracker, now_ns):
    step = due(tracker, now_ns)
    if tracker.queue.counters.ejected and not step.outcomes:
        time.sleep({held_ms} / 1000)
        raise RuntimeError("a fault that nobody foresaw")
    return step

BeltTracker.due = broken
sys.exit(main())
"""


@pytest.mark.parametrize("held_ms", [0, 300])
@pytest.mark.parametrize(("safe", "last"), [("inactive", False), ("active", True)])
def test_an_unforeseen_exception_leaves_the_output_safe(tmp_path, safe, last, held_ms):
    breaks = BREAKS.format(held_ms=held_ms)
    process, ours = by_hand(tmp_path / "edges", f"--safe-state={safe}", program=("-c", breaks))
    ours.send(Hello(VERSION).encode())
    assert decode_report(ours.recv(128)).version == VERSION
    ours.send(Announce(1, CLOCK.now_ns() + 100 * MS, True).encode())
    assert process.wait(10.0) == 1
    complaint = process.stderr.read()
    process.stderr.close()
    ours.close()
    assert "RuntimeError: a fault that nobody foresaw" in complaint
    assert f"rejector_failed: the output is {safe}, its safe state" in complaint
    edges = read_record(tmp_path / "edges")
    assert edges[0].active
    assert edges[-1].active is last
