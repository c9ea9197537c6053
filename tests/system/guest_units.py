"""Run as a service inside the emulated machine by tests/system/units.py: what only the machine
itself can say of the shipped units.

It prints its findings as PASS or FAIL on the console, for the host. The host requests there when
to stop the units and when to switch off. The units are not changed.
"""

from __future__ import annotations

import re
import subprocess
import time
from pathlib import Path

from edge.journal.reader import JournalReader

STATION, UPLINK = "outfeed-station", "outfeed-uplink"
CONSOLE = Path("/dev/ttyAMA0")
START_S, RESTARTS = 900.0, 5


def tell(words: str) -> None:
    Path("/dev/console").write_text(f"\nSYSTEM {words}\n")


def finding(fine: object, what: str) -> None:
    tell(f"{'PASS' if fine else 'FAIL'}  {what}")


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return (done.stdout + done.stderr).strip()


def show(unit: str, key: str) -> str:
    return run("systemctl", "show", "--value", "-p", key, unit)


def log(unit: str) -> str:
    run("journalctl", "--sync")
    return run("journalctl", "--no-pager", "-o", "short-monotonic", "-u", unit)


def become_active() -> bool:
    """Both units say READY."""
    limit_s = time.monotonic() + START_S
    for unit in (STATION, UPLINK):
        while True:
            state, restarts = show(unit, "ActiveState"), int(show(unit, "NRestarts"))
            over = state == "failed" or restarts > RESTARTS or time.monotonic() > limit_s
            if state == "active" or over:
                break
            time.sleep(1.0)
        text = show(unit, "StatusText")
        finding(state == "active", f"{unit} is {state}, restarts: {restarts}; it says: {text}")
        if state != "active":
            return False
    return True


def sandbox(unit: str) -> None:
    """The shipped options are in force on this kernel."""
    pid = show(unit, "MainPID")
    status = Path(f"/proc/{pid}/status").read_text()
    user = run("id", "-u", "outfeed")
    lines = (
        rf"Uid:\t{user}\t{user}\t{user}\t{user}",
        r"CapBnd:\t0+",
        r"NoNewPrivs:\t1",
        r"Seccomp:\t2",
    )
    missing = [line for line in lines if not re.search(f"^{line}$", status, re.MULTILINE)]
    wanted = ("mnt", "user", "net") if unit == STATION else ("mnt", "user")
    for name in wanted:
        if Path(f"/proc/{pid}/ns/{name}").readlink() == Path(f"/proc/1/ns/{name}").readlink():
            missing.append(f"a {name} namespace of its own")
    what = f"user outfeed, no capability, seccomp, own namespaces ({', '.join(wanted)})"
    finding(not missing, f"{unit} in its sandbox: {what}{f'; not {missing}' if missing else ''}")


def devices() -> None:
    """Check the files made by the shipped udev rules, sysusers and tmpfiles."""
    found = run("stat", "-c", "%n %G %a", "/dev/gpiochip0", "/dev/video0").splitlines()
    wanted = ["/dev/gpiochip0 gpio 660", "/dev/video0 video 660"]
    finding(found == wanted, f"devices by their groups: {', '.join(found)}")
    state = run("stat", "-c", "%U %G %a", "/var/lib/outfeed", "/etc/outfeed/station.key")
    wanted = ["outfeed outfeed 750", "root outfeed 640"]
    finding(state.splitlines() == wanted, f"state folder and key: {', '.join(state.splitlines())}")


def realtime() -> None:
    said = "realtime=True" in log(STATION)
    rejector = run("sh", "-c", f"cat /proc/{show(STATION, 'MainPID')}/task/*/children").split()
    policies = [run("chrt", "-p", pid) for pid in rejector]
    fifo = any("SCHED_FIFO" in each and "priority: 50" in each for each in policies)
    locked = [
        re.search(r"VmLck:\s+(\d+)", Path(f"/proc/{pid}/status").read_text()) for pid in rejector
    ]
    locked_kb = max((int(each[1]) for each in locked if each), default=0)
    what = f"the rejector has SCHED_FIFO 50 without root, {locked_kb} kB locked"
    finding(said and fifo and locked_kb > 1000, what)


def stop() -> None:
    run("systemctl", "stop", STATION)
    result, state = show(STATION, "Result"), show(STATION, "ActiveState")
    finding((result, state) == ("success", "inactive"), f"systemctl stop: {result}, {state}")
    time.sleep(2.0)  # the host has seen the pin by then
    with JournalReader(Path("/var/lib/outfeed/journal.sqlite")) as reader:
        sequences = [row.sequence for row in reader.read(None, 1 << 30)]
    whole = sequences == list(range(1, len(sequences) + 1))
    finding(sequences and whole, f"the journal has {len(sequences)} events, without a hole")
    tell(f"stopped {len(sequences)}")


def main() -> None:
    tell(f"booted {run('uname', '-rm')}, {run('systemctl', '--version').splitlines()[0]}")
    with CONSOLE.open() as console:
        if become_active():
            devices()
            for unit in (STATION, UPLINK):
                sandbox(unit)
            realtime()
            tell("ready")
            while (asked := console.readline().strip()) != "stop":
                tell(f"heard {asked!r}")
            stop()
            while console.readline().strip() != "off":
                pass
            run("systemctl", "stop", UPLINK)
            finding(show(UPLINK, "Result") == "success", "the uplink stopped in order")
    for unit in (STATION, UPLINK):
        print(log(unit), flush=True)
    print("warnings of this boot:", flush=True)
    print(run("journalctl", "--no-pager", "-p", "warning", "-o", "short-monotonic"), flush=True)
    Path("/proc/sysrq-trigger").write_text("o")
    time.sleep(60)


if __name__ == "__main__":
    main()
