"""The shipped units under a real systemd: user, sandbox, real-time, watchdog, restart, output."""

from __future__ import annotations

import re

import pytest

from edge.clock import MonotonicClock
from tests.firmware.conftest import Plant
from tests.firmware.machine import (
    FIRMWARE,
    STATION,
    UPLINK,
    Machine,
    end,
    goes_on,
    history,
    main_pid,
    rejector_pid,
    start,
)
from tests.hangs.line import MS, SILENCE_MS, TRAVEL_MS, Dead, pulse_is_over
from tests.support.brokers import wait_for
from tests.uplink.central import Central

CLOCK = MonotonicClock()
S = 1_000_000_000
STATE = "/var/lib/outfeed"


def restarted(machine: Machine, first: str, began_ns: int) -> Dead:
    """Wait until the next station is ready and return the time without a station."""
    machine.eventually(lambda: main_pid(machine) not in ("0", first), "another process")
    machine.eventually(
        lambda: machine.show(STATION, "ActiveState") == "active",
        f"ready again: {machine.log(STATION)}",
    )
    dead = Dead(began_ns, CLOCK.now_ns())
    print(f"ready again after {(dead.to_ns - began_ns) / 1e9:.2f} s")
    goes_on(machine)
    return dead


def test_it_works_in_its_sandbox_without_root(machine: Machine) -> None:
    start(machine)
    goes_on(machine, 15)
    pid = main_pid(machine)
    status = machine.run("cat", f"/proc/{pid}/status")
    user = machine.run("id", "-u", "outfeed")
    assert re.search(rf"^Uid:\t{user}\t{user}\t{user}\t{user}$", status, re.MULTILINE)
    assert re.search(r"^CapBnd:\t0+$", status, re.MULTILINE)
    assert re.search(r"^NoNewPrivs:\t1$", status, re.MULTILINE)
    assert re.search(r"^Seccomp:\t2$", status, re.MULTILINE)
    # Pictures are kept, by a thread that has given way to all others.
    machine.eventually(lambda: any((machine.state / "pictures").glob("*.png")), "a picture")
    nice = machine.run("ps", "-L", "-o", "ni=", "-p", pid).split()
    assert sorted(set(nice)) == ["0", "10"]
    assert nice.count("10") == 1
    groups = {machine.run("getent", "group", name).split(":")[2] for name in ("gpio", "video")}
    assert groups <= set(re.search(r"^Groups:\t(.*)$", status, re.MULTILINE)[1].split())  # type: ignore[index]
    text = machine.show(STATION, "StatusText")
    assert re.match(r"dark-spots-1\.0-\w+: \d+ parts, \d+ reject, 0 unknown, ", text), text
    log = machine.log(STATION)
    assert "manager_not_told" not in log
    # No other user of the machine can read its state, and it can write nowhere else.
    mode = machine.run("stat", "-c", "%U %G %a", STATE)
    assert mode == "outfeed outfeed 750"
    mounts = machine.run("grep", "-E", " (/|/etc) ", f"/proc/{pid}/mounts")
    assert re.search(r" / overlay ro,", mounts), mounts
    machine.run("systemctl", "stop", STATION)
    print(machine.log(STATION)[-6000:])
    assert machine.show(STATION, "Result") == "success"
    history(machine).obeys()
    # An orderly end: the last level is inactive, not the safe state "active".
    assert history(machine).spans[-1].to_ns < 1 << 62


def test_the_uplinks_user_can_do_the_station_no_harm(machine: Machine) -> None:
    """An attacker who controls the process that faces the network cannot harm the station."""
    start(machine)
    goes_on(machine)
    station, rejector = main_pid(machine), rejector_pid(machine)
    machine.eventually((machine.state / "bundles.json").exists, "what was accepted")

    def tried(command: str) -> str:
        words = ("runuser", "-u", "outfeed-uplink", "-g", "outfeed", "--", "sh", "-c")
        return machine.run(*words, f"{command} && echo it can")

    for command in (
        f"kill -KILL {station}",
        f"kill -STOP {rejector}",
        f"rm -f {STATE}/bundles.json",
        f"mv {STATE}/bundles.json {STATE}/old",
        f"rm -f {STATE}/proven.json",
        f"touch {STATE}/inbox/20260101T000000Z-{'0' * 32}.json",
        f"ln -s /etc {STATE}/pictures/x.png",
        f": >> {STATE}/journal.sqlite",
        f": >> {STATE}/journal.sqlite-shm",
        f"rm -rf {STATE}/pictures",
        f"flock --nonblock {STATE}/journal.lock true",
        "touch /etc/outfeed/station.toml /etc/outfeed/small.outfeed",
        "cat /etc/shadow",
    ):
        assert "it can" not in tried(command), command
    assert tried(f"test -r {STATE}/journal.sqlite") == "it can"
    assert tried("touch /var/lib/outfeed-uplink/mine") == "it can"
    groups = machine.run("id", "-nG", "outfeed-uplink")
    assert groups == "outfeed"
    goes_on(machine)
    assert (main_pid(machine), rejector_pid(machine)) == (station, rejector)


# Tries to open devices as the station would, and prints the result of each.
_PROBE = """
import errno, sys
for path in sys.argv[1:]:
    try:
        open(path, "r+b", buffering=0).close()
        print("opened")
    except OSError as error:
        print(errno.errorcode[error.errno])
"""


def test_devices_are_reached_by_group_and_list_and_no_others(machine: Machine) -> None:
    """Neither a camera nor a gpiochip is here: the processor's cpuid device stands for one, added
    to the unit's own list. PrivateUsers= must not take the group away."""
    devices = {
        "allowed": ("203", "video", "660"),
        "not-its-group": ("203", "root", "660"),
        "not-on-the-list": ("7", "video", "660"),  # a virtual console
    }
    for name, (major, group, mode) in devices.items():
        path = f"/dev/outfeed-{name}"
        words = f"rm -f {path} && mknod {path} c {major} 0 && chgrp {group} {path}"
        said = machine.run("sh", "-c", f"{words} && chmod {mode} {path}")
        if said:
            pytest.skip(f"no devices can be made here: {said}")
    unit = (FIRMWARE / f"systemd/{STATION}.service").read_text()
    service = unit[unit.index("[Service]") : unit.index("[Install]")]
    lines = [line for line in service.splitlines() if re.match(r"[A-Za-z]+=", line)]
    lines = [
        line for line in lines if not re.match(r"Exec|Type|Notify|Restart|Watchdog|Kill", line)
    ]
    given = [word for line in (*lines, "DeviceAllow=char-cpu/cpuid rw") for word in ("-p", line)]
    probe = ("/opt/outfeed/bin/python", "-c", _PROBE)
    paths = [f"/dev/outfeed-{name}" for name in devices]
    said = machine.run("systemd-run", "--pipe", "--wait", "-q", *given, *probe, *paths)
    assert said.splitlines() == ["opened", "EACCES", "EPERM"]


def test_the_rejector_has_real_time_and_locked_memory_without_root(machine: Machine) -> None:
    start(machine)
    limits = machine.run("cat", f"/proc/{main_pid(machine)}/limits")
    if not re.search(r"^Max realtime priority +50 ", limits, re.MULTILINE):
        pytest.skip("root of this machine may not raise limits (no CAP_SYS_RESOURCE)")
    rejector = rejector_pid(machine)
    policy = machine.run("chrt", "-p", rejector)
    assert "SCHED_FIFO" in policy
    assert "priority: 50" in policy
    locked = machine.run("grep", "VmLck", f"/proc/{rejector}/status")
    assert int(locked.split()[1]) > 1000
    assert "realtime=True" in machine.log(STATION)


@pytest.mark.parametrize("number", ["KILL", "ABRT"])
def test_a_station_that_exits_is_started_again_after_its_rejector_has_settled(
    machine: Machine, number: str
) -> None:
    start(machine)
    goes_on(machine)
    first, rejector = main_pid(machine), rejector_pid(machine)
    began_ns = CLOCK.now_ns()
    machine.run("kill", f"-{number}", first)
    dead = restarted(machine, first, began_ns)
    # The old rejector was let live, and gone before the new one claimed the line.
    assert rejector_pid(machine) != rejector
    assert "left after" not in machine.log(STATION)
    assert dead.to_ns - dead.from_ns < 20 * S
    made = end(machine)
    made.obeys(dead)
    made.safe_within((TRAVEL_MS + 1000) * MS, dead)


def test_a_frozen_station_is_safe_at_once_and_restarted_by_the_watchdog(machine: Machine) -> None:
    start(machine)
    goes_on(machine)
    first = main_pid(machine)
    began_ns = CLOCK.now_ns()
    machine.run("kill", "-STOP", first)
    dead = restarted(machine, first, began_ns)
    log = machine.log(STATION)
    assert "Watchdog timeout" in log
    assert "station_silent" in log
    # WatchdogSec=10 after the last heartbeat, then settling, RestartSec and the golden frames.
    assert 8 * S < dead.to_ns - dead.from_ns < 30 * S
    made = end(machine)
    made.obeys(dead)
    took_ns = made.safe_within((SILENCE_MS + TRAVEL_MS + 1000) * MS, dead)
    print(f"safe after {took_ns / 1e9:.2f} s")


def test_a_camera_that_hangs(machine: Machine) -> None:
    """A pipe in place of a picture: whoever opens it waits for ever."""
    machine.run("sh", "-c", "cd /etc/outfeed && cp -r frames frames.bak")
    picture = "/etc/outfeed/frames/05.png"
    try:
        start(machine)
        first = main_pid(machine)
        # Decoded pictures are kept, so it has to be there before the camera comes by.
        machine.run("sh", "-c", f"rm {picture} && mkfifo {picture} && chmod 644 {picture}")
        began_ns = CLOCK.now_ns()
        machine.eventually(lambda: main_pid(machine) != first, "its end")
        machine.run("sh", "-c", f"rm {picture} && cp /etc/outfeed/frames.bak/05.png {picture}")
        dead = restarted(machine, first, began_ns)
    finally:
        machine.run("sh", "-c", "cd /etc/outfeed && rm -rf frames && mv frames.bak frames")
    log = machine.log(STATION)
    assert re.search(r"process_ends reason=hung: camera for 1\.[5-9] s", log), log
    assert "Thread 0x" in log
    assert machine.show(STATION, "NRestarts") != "0"
    made = end(machine)
    made.obeys(dead)


@pytest.mark.parametrize("number", ["KILL", "STOP"])
def test_a_rejector_that_exits_or_hangs_costs_no_restart_of_the_station(
    machine: Machine, number: str
) -> None:
    start(machine)
    goes_on(machine)
    first, rejector = main_pid(machine), rejector_pid(machine)
    machine.eventually(lambda: pulse_is_over(machine.state), "a pulse and its end")
    machine.run("kill", f"-{number}", rejector)
    machine.eventually(lambda: rejector_pid(machine) not in ("", rejector), "another rejector")
    goes_on(machine, 15)
    assert main_pid(machine) == first
    assert machine.show(STATION, "ActiveState") == "active"
    end(machine).obeys()


def test_a_rejector_that_hangs_when_its_station_is_dead_is_killed_before_the_next_claims(
    machine: Machine,
) -> None:
    """For this one the half minute that the unit gives is cut to two seconds."""
    drop_in = "/run/systemd/system/outfeed-station.service.d"
    settle = "/opt/outfeed/bin/python -m edge.rejector.wait_for_end --timeout-s 2"
    text = f"[Service]\nExecStopPost=\nExecStopPost={settle}\n"
    machine.run("sh", "-c", f"mkdir -p {drop_in} && cat > {drop_in}/short.conf", input=text)
    machine.run("systemctl", "daemon-reload")
    try:
        start(machine)
        goes_on(machine)
        first, rejector = main_pid(machine), rejector_pid(machine)
        began_ns = CLOCK.now_ns()
        machine.run("kill", "-STOP", rejector)
        machine.run("kill", "-KILL", first)
        dead = restarted(machine, first, began_ns)
        # It and its guard, which does what a stopped rejector would do with a pulse, and no more.
        assert "settle: 2 left after 2 s, killed" in machine.log(STATION)
        assert "No such process" in machine.run("kill", "-0", rejector)
        end(machine).obeys(dead)
    finally:
        machine.run("rm", "-r", drop_in)
        machine.run("systemctl", "daemon-reload")


def test_a_wrong_configuration_is_not_tried_again(machine: Machine) -> None:
    toml = "/etc/outfeed/station.toml"
    machine.run("sed", "-i.bak", "s/^travel_ms/travel/", toml)
    try:
        machine.run("systemctl", "start", STATION)
        assert machine.show(STATION, "ActiveState") == "failed"
        assert machine.show(STATION, "ExecMainStatus") == "78"
        assert machine.show(STATION, "NRestarts") == "0"
        assert "unknown key 'line.travel'" in machine.log(STATION)
    finally:
        machine.run("mv", f"{toml}.bak", toml)


def test_both_units_and_a_tls_broker_with_the_uplink_killed_and_frozen(
    machine: Machine, plant: Plant
) -> None:
    """The whole of it: a sandboxed station, its certificate, the broker's access list, central.
    WatchdogSec of the uplink is cut from 90 s to 3 s by a drop-in."""
    drop_in = "/run/systemd/system/outfeed-uplink.service.d"
    text = "[Service]\nWatchdogSec=3\n"
    machine.run("sh", "-c", f"mkdir -p {drop_in} && cat > {drop_in}/short.conf", input=text)
    machine.run("systemctl", "daemon-reload")
    # tmpfiles.d has given the key to the service.
    key = machine.run("stat", "-c", "%U %G %a", "/etc/outfeed/station.key")
    assert key == "root outfeed 640"
    with plant.broker:
        central = Central(plant.central)
        with central.listening():
            start(machine)
            said = machine.run("systemctl", "start", UPLINK)
            assert said == "", machine.log(UPLINK)
            wait_for(lambda: len(central.received) > 20, "20 events", 60)
            status = machine.show(UPLINK, "StatusText")
            assert status.startswith(f"connected to 127.0.0.1:{plant.broker.port}; "), status
            station = main_pid(machine)
            for number in ("KILL", "STOP"):
                first = machine.show(UPLINK, "MainPID")
                before, began_ns = len(central.received), CLOCK.now_ns()
                machine.run("kill", f"-{number}", first)
                machine.eventually(
                    lambda first=first: machine.show(UPLINK, "MainPID") not in ("0", first),  # type: ignore[misc]
                    "another uplink",
                )
                wait_for(lambda before=before: len(central.received) > before + 20, "more", 60)  # type: ignore[misc]
                print(f"events again {(CLOCK.now_ns() - began_ns) / 1e9:.1f} s after SIG{number}")
            assert "Watchdog timeout" in machine.log(UPLINK)
            assert main_pid(machine) == station  # it never noticed
            made = end(machine)
            made.obeys()
            events = made.events
            wait_for(lambda: central.has(events), "the last event", 60)
            machine.run("systemctl", "stop", UPLINK)
            wait_for(lambda: central.causes[-1] == "stopped", "the farewell", 30)
    assert central.sequences == list(range(1, events + 1))
    machine.run("rm", "-r", drop_in)
    machine.run("systemctl", "daemon-reload")
