"""A station or a rejector that sends nothing: real processes, real signals."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edge.clock import MonotonicClock
from edge.devices.output_simulated import read_record
from edge.rejector.client import RejectorClient
from edge.rejector.messages import (
    MAX_BYTES,
    VERSION,
    Announce,
    Goodbye,
    Hello,
    Ping,
    Pong,
    Ready,
    decode_report,
)
from edge.rejector.options import RejectorOptions

CLOCK = MonotonicClock()
MS = 1_000_000
ROOT = Path(__file__).parents[2]
SILENCE_MS = 400
# The machine is shared: what must come soon may come this much later.
SLACK_NS = 300 * MS


def eventually(holds: Callable[[], Any], within_s: float = 15.0) -> None:
    limit = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < limit, "did not come true in time"
        time.sleep(0.005)


@contextmanager
def station(record: Path) -> Iterator[tuple[subprocess.Popen[str], socket.socket]]:
    """A rejector with safe_state "active" whose station is the test itself."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    options = RejectorOptions(
        pulse_us=80_000, safe_state="active", record=record, silence_ms=SILENCE_MS
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "edge.rejector", *options.arguments(theirs.fileno())],
        pass_fds=[theirs.fileno()],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
    )
    theirs.close()
    ours.settimeout(10.0)
    try:
        ours.send(Hello(VERSION).encode())
        assert isinstance(decode_report(ours.recv(MAX_BYTES)), Ready)
        yield process, ours
    finally:
        ours.close()
        process.communicate(timeout=10)


def edges(record: Path) -> list[bool]:
    return [edge.active for edge in read_record(record)]


def test_a_silent_station_puts_the_output_into_its_safe_state_until_it_speaks(
    tmp_path: Path,
) -> None:
    record = tmp_path / "edges"
    with station(record) as (process, ours):
        for _ in range(8):  # twice the bound: pings keep it as it is
            ours.send(Ping().encode())
            assert isinstance(decode_report(ours.recv(MAX_BYTES)), Pong)
            time.sleep(0.1)
        assert edges(record) == []
        last_ns = CLOCK.now_ns()
        eventually(lambda: edges(record) == [True])
        waited_ns = read_record(record)[0].at_ns - last_ns
        assert (SILENCE_MS - 150) * MS <= waited_ns <= SILENCE_MS * MS + SLACK_NS
        # A word or two of a process that is woken to be killed change nothing.
        for _ in range(2):
            ours.send(Ping().encode())
        began_ns = CLOCK.now_ns()
        ours.send(Announce(1, began_ns - 100 * MS, True).encode())  # too late for an ejector pulse
        while edges(record) == [True]:
            ours.send(Ping().encode())
            time.sleep(0.05)
            assert CLOCK.now_ns() - began_ns < 10_000 * MS
        assert CLOCK.now_ns() - began_ns >= SILENCE_MS * MS
        ours.send(Goodbye().encode())
        assert process.wait(10) == 0
        said = process.stderr.read() if process.stderr else ""
    # The part of its past is one more reason to doubt it, and no edge.
    assert said.count("station_silent") == said.count("station_answers_again") == 1
    assert edges(record) == [True, False]  # an orderly end leaves it inactive


def test_a_silent_stations_announced_parts_come_first(tmp_path: Path) -> None:
    record = tmp_path / "edges"
    with station(record) as (_, ours):
        due_ns = CLOCK.now_ns() + 2 * SILENCE_MS * MS
        ours.send(Announce(1, due_ns).encode())  # no verdict: ejected
        ours.send(Announce(2, due_ns + 200 * MS, False).encode())
        eventually(lambda: edges(record) == [True, False, True])
        eject, end, safe = read_record(record)
        assert 0 <= eject.at_ns - due_ns < SLACK_NS
        assert 0 <= end.at_ns - due_ns - 80 * MS < SLACK_NS
        assert safe.at_ns >= due_ns + 200 * MS  # not on the way of the part that passed


def beating(client: RejectorClient, stop: threading.Event) -> None:
    while not stop.wait(0.05):
        client.ping()


@contextmanager
def client_of(record: Path) -> Iterator[tuple[RejectorClient, list[Any]]]:
    options = RejectorOptions(pulse_us=80_000, record=record, silence_ms=SILENCE_MS)
    client, reports = RejectorClient(options, clock=CLOCK), []
    client.start(reports.append)
    stop = threading.Event()
    thread = threading.Thread(target=beating, args=(client, stop))
    thread.start()
    try:
        yield client, reports
    finally:
        stop.set()
        thread.join()
        client.close(2.0)


def test_a_rejector_that_hangs_is_killed_within_the_bound_and_started_anew(tmp_path: Path) -> None:
    with client_of(tmp_path / "edges") as (client, reports):
        first = client.pid
        assert first is not None
        os.kill(first, signal.SIGSTOP)
        began_ns = CLOCK.now_ns()
        client.announce(1, began_ns + 100 * MS)  # is due while the rejector hangs
        client.announce(2, began_ns + 3_000 * MS)
        eventually(lambda: client.pid not in (None, first))
        # Found hung, killed, and another one ready: 0.4 s, and Python's start on a busy machine.
        assert CLOCK.now_ns() - began_ns < SILENCE_MS * MS + 2_500 * MS
        eventually(lambda: len(reports) == 2)
        assert [(r.part_id, r.action.name, r.cause.name) for r in reports] == [
            (1, "MISSED", "REJECTOR_DOWN"),
            (2, "EJECTED", "UNKNOWN"),
        ]
        assert client.restarts == 1


def test_pings_cost_a_rejector_that_answers_nothing(tmp_path: Path) -> None:
    with client_of(tmp_path / "edges") as (client, _):
        first, answered_ns = client.pid, client.ping()
        eventually(lambda: client.ping() > answered_ns + 2 * SILENCE_MS * MS)
        assert (client.pid, client.restarts) == (first, 0)


def test_an_abandoned_rejector_deals_with_what_is_announced_and_takes_its_safe_state(
    tmp_path: Path,
) -> None:
    options = RejectorOptions(
        pulse_us=80_000, safe_state="active", record=tmp_path / "edges", silence_ms=SILENCE_MS
    )
    client, reports = RejectorClient(options, clock=CLOCK), []
    client.start(reports.append)
    client.announce(1, CLOCK.now_ns() + 300 * MS)
    client.announce(2, CLOCK.now_ns() + 500 * MS)
    client.resolve(2, False)
    client.abandon(5.0)
    assert [(r.part_id, r.action.name) for r in reports] == [(1, "EJECTED"), (2, "PASSED")]
    assert client.pid is None
    assert edges(tmp_path / "edges") == [True, False, True]
    assert client.restarts == 0


def test_an_abandoned_rejector_that_hangs_is_killed(tmp_path: Path) -> None:
    options = RejectorOptions(pulse_us=80_000, record=tmp_path / "edges")
    client = RejectorClient(options, clock=CLOCK)
    client.start(lambda report: None)
    assert client.pid is not None
    os.kill(client.pid, signal.SIGSTOP)
    client.abandon(0.3)
    assert client.pid is None
