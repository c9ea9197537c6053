"""Everything in a station that can be killed or can hang, one after the other, for real.

The rejector process, its output, the journal and the whole of `outfeed run` are real; what plays
systemd is the test, which reads the heartbeats. tests/firmware does the same under a real systemd.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from edge.bundle import read_bundle
from tests.hangs.conftest import CLOCK, Unit
from tests.hangs.line import MS, SILENCE_MS, STAGE_S, TRAVEL_MS, Dead, pulse_is_over
from tests.hangs.progress import S, eventually, goes_on, heartbeats_since, live
from tests.support.bundles import small_bundle

# Beyond what is promised, for a machine that does other things too.
BUSY_NS = 1 * S


def rejector_gone(pid: int) -> bool:
    try:
        return ") Z " in Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    except OSError:
        return True


def recovers(unit: Unit, began_ns: int, rejector: int) -> Dead:
    """As the units have it: the rejector settles, the next station starts, parts have verdicts."""
    eventually(lambda: rejector_gone(rejector))
    dead = Dead(began_ns, CLOCK.now_ns())
    before = len(unit.history().parts)
    unit.heal()
    unit.start()
    eventually(lambda: len(unit.history().parts) >= before + 10)
    unit.stop()
    return dead


def test_a_quiet_life(unit: Unit) -> None:
    """Ready after the golden frames, a heartbeat a second, stopping; the output as it should be."""
    unit.start()
    goes_on(unit, 15)
    unit.manager.wait("WATCHDOG", 3)
    unit.stop()
    unit.manager.wait("STOPPING")
    said = [notice.said for notice in unit.manager.notices]
    assert said[0] == {"STATUS": "proving small.outfeed on its golden frames"}
    assert said[1]["READY"] == "1"
    assert said[1]["STATUS"].startswith("dark-spots-1.0-")
    assert {"WATCHDOG"} < set(said[2])
    assert said[-1]["STOPPING"] == "1"
    history = unit.history()
    history.obeys()
    assert history.spans


STAGES = ["trigger", "camera", "inspector", "deadline", "rejector-link", "journal"]


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_that_hangs_ends_the_process_with_the_line_safe(unit: Unit, stage: str) -> None:
    unit.start()
    goes_on(unit)
    rejector = unit.rejector
    began_ns = unit.hang(stage)
    bound_s = 2.0 if stage == "journal" else STAGE_S
    assert unit.running.wait(60) == 1
    ended_ns = CLOCK.now_ns()
    # The bound, and a second each for trigger, open parts, rejector and journal, where they hang.
    assert ended_ns - began_ns < bound_s * S + 4 * S + BUSY_NS
    limit_s = began_ns / 1e9 + bound_s + 0.5 + BUSY_NS / 1e9
    assert all(at_s < limit_s for at_s in heartbeats_since(unit, began_ns))
    name = stage.removesuffix("-link")
    last = unit.manager.notices[-1].said
    assert last["STATUS"].startswith("hung: ")
    assert name in last["STATUS"]
    assert "READY" not in last
    log = unit.log()
    assert "process_ends reason=hung" in log
    assert "Thread 0x" in log  # where each of them was
    dead = recovers(unit, began_ns, rejector)
    history = unit.history()
    # Until the process ends, parts are announced and UNKNOWN, so ejected; then it is safe. Where it
    # is the trigger that hangs, none is announced, and the rejector notices by itself.
    history.obeys(dead)

    limit_ns = SILENCE_MS * MS if stage == "trigger" else ended_ns - began_ns + SILENCE_MS * MS
    history.safe_within(limit_ns + TRAVEL_MS * MS + BUSY_NS, dead)
    if stage in ("camera", "inspector"):
        between = [p for p in history.parts if began_ns < p.triggered_ns < began_ns + S]
        assert len(between) > 5, "the line stood still"
        assert {part.decision for part in between[1:]} == {"UNKNOWN"}


# tests/station/test_crashes.py has every thread; all of them here take 50 s.
@pytest.mark.parametrize("thread", ["pictures", "MainThread"])
def test_a_thread_that_crashes_ends_the_process_with_the_line_safe(unit: Unit, thread: str) -> None:
    """No goodbye, exit status 1, the stack in the log; and the next station goes on."""
    unit.start()
    goes_on(unit)
    rejector = unit.rejector
    began_ns = unit.crash(thread)
    assert unit.running.wait(60) == 1
    ended_ns = CLOCK.now_ns()
    # A second each for trigger, open parts, rejector, journal and pictures, where they hang.
    assert ended_ns - began_ns < 5 * S + BUSY_NS
    log = unit.log()
    name = "main" if thread == "MainThread" else thread
    assert f"process_ends reason=crashed: {name}: ZeroDivisionError: a bug, scripted" in log
    assert "in hang_if_told" in log
    assert "Thread 0x" in log  # where each of them was
    assert not unit.manager.said("STOPPING")
    dead = recovers(unit, began_ns, rejector)
    history = unit.history()
    history.obeys(dead)
    history.safe_within(ended_ns - began_ns + (SILENCE_MS + TRAVEL_MS) * MS + BUSY_NS, dead)


def test_a_main_thread_that_hangs_gives_no_heartbeat(unit: Unit) -> None:
    """No thread of the process notices; systemd does (SIGABRT), and the log shows every thread."""
    unit.start()
    goes_on(unit)
    rejector = unit.rejector
    began_ns = unit.hang("MainThread")
    live(3.0)
    assert all(at_s < began_ns / 1e9 + 0.5 for at_s in heartbeats_since(unit, began_ns))
    goes_on(unit)  # the line runs on meanwhile
    killed_ns = CLOCK.now_ns()
    unit.running.send_signal(signal.SIGABRT)
    assert unit.running.wait(30) == -signal.SIGABRT
    assert "Fatal Python error: Aborted" in unit.log()
    assert "_follow_trigger" in unit.log()
    dead = recovers(unit, killed_ns, rejector)
    history = unit.history()
    history.obeys(dead)
    history.safe_within(TRAVEL_MS * MS + BUSY_NS, dead)


def test_a_station_that_is_killed(unit: Unit) -> None:
    unit.start()
    goes_on(unit)
    rejector = unit.rejector
    unit.kill()
    dead = recovers(unit, CLOCK.now_ns(), rejector)
    history = unit.history()
    history.obeys(dead)
    history.safe_within(TRAVEL_MS * MS + BUSY_NS, dead)


def test_a_station_that_is_frozen_and_killed_by_its_manager(unit: Unit) -> None:
    unit.start()
    goes_on(unit)
    rejector = unit.rejector
    unit.running.send_signal(signal.SIGSTOP)
    began_ns = CLOCK.now_ns()
    live(2.5)
    assert heartbeats_since(unit, began_ns) == []
    # Long before its manager acts, the rejector does: no kill was needed for the line to be safe.
    history = unit.history()
    frozen = Dead(began_ns, CLOCK.now_ns())
    history.safe_within((SILENCE_MS + TRAVEL_MS) * MS + BUSY_NS, frozen)
    unit.kill()
    dead = recovers(unit, began_ns, rejector)
    unit.history().obeys(dead)


def test_a_station_that_was_frozen_for_a_while_comes_back(unit: Unit) -> None:
    unit.start()
    goes_on(unit)
    unit.running.send_signal(signal.SIGSTOP)
    began_ns = CLOCK.now_ns()
    eventually(lambda: CLOCK.now_ns() - began_ns > (SILENCE_MS + TRAVEL_MS) * MS)
    unit.running.send_signal(signal.SIGCONT)
    goes_on(unit, 20)
    # What the belt sent meanwhile is late by then: UNKNOWN, and gone by when it is announced.
    late_ns = CLOCK.now_ns()
    goes_on(unit)
    unit.stop()
    history = unit.history()
    history.obeys(Dead(began_ns, late_ns))
    numbers = sorted(part.part_id for part in history.parts)
    assert numbers == list(range(1, len(numbers) + 1))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_rejector_that_is_killed_or_frozen_is_replaced_without_the_station(
    unit: Unit, number: signal.Signals
) -> None:
    unit.start()
    goes_on(unit)
    first = unit.rejector
    eventually(lambda: pulse_is_over(unit.state))
    os.kill(first, number)
    began_ns = CLOCK.now_ns()
    eventually(lambda: rejector_gone(first))
    if number is signal.SIGSTOP:
        assert CLOCK.now_ns() - began_ns < (SILENCE_MS + 200) * MS + BUSY_NS
    goes_on(unit, 20)
    eventually(lambda: heartbeats_since(unit, CLOCK.now_ns() - 2 * S))
    second = unit.rejector
    unit.stop()
    assert second != first
    history = unit.history()
    history.obeys()  # exactly the parts due meanwhile are journalled as missed
    numbers = sorted(part.part_id for part in history.parts)
    assert numbers == list(range(1, len(numbers) + 1))
    assert unit.log().count("rejector_exited") == 1


@pytest.mark.parametrize("fault", ["golden", "output"])
def test_it_is_never_ready_before_the_bundle_is_proven_and_the_output_claimed(
    unit: Unit, fault: str
) -> None:
    if fault == "golden":
        path = unit.folder / "small.outfeed"
        golden = read_bundle(path).manifest.golden
        wrong = tuple(
            frame.model_copy(update={"grid": tuple((6.0,) * len(row) for row in frame.grid)})
            for frame in golden
        )
        small_bundle(path, expected=wrong)
        said = "does not reproduce its golden frame"
    else:
        (unit.state / "edges").mkdir()  # in place of the file that stands for the line
        said = "rejector: did not become ready"
    done = subprocess.run(
        [sys.executable, "-m", "edge", "run", "--config", str(unit.config)],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "NOTIFY_SOCKET": str(unit.manager.path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    assert said in done.stderr
    assert unit.manager.said("STATUS")
    assert unit.manager.said("READY") == unit.manager.said("WATCHDOG") == []
