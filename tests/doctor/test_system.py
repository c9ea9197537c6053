"""The findings on real-time rights, processor, temperature and clock."""

from pathlib import Path

import pytest

from edge.doctor.finding import Level
from edge.doctor.machine import clock_is_synchronised
from edge.doctor.system import (
    clock,
    governor,
    memory,
    realtime,
    temperature,
    throttled,
    throttling_of_realtime,
)
from tests.doctor.contexts import STATION, Programs, context, put, unit

LIMITS = """\
Limit                     Soft Limit           Hard Limit           Units
Max locked memory         {memory}             unlimited            bytes
Max realtime priority     {priority}           50
"""


def limited(folder: Path, pid: str, *, memory: object, priority: object, caps: str = "0") -> None:
    put(folder / "root", f"proc/{pid}/limits", LIMITS.format(memory=memory, priority=priority))
    put(folder / "root", f"proc/{pid}/status", f"Name:\tx\nCapEff:\t{caps}\n")


def wanted(folder: Path, **how):
    return context(folder, text=("realtime_priority = 0", "realtime_priority = 50"), **how)


def test_real_time_of_a_running_station(tmp_path: Path) -> None:
    one = wanted(tmp_path, running=STATION, limit=lambda name: 0)
    limited(tmp_path, "4711", memory="unlimited", priority=50)
    assert str(realtime(one)) == "OK real time: priority 50 is allowed by the station"
    assert memory(one).level is Level.OK
    limited(tmp_path, "4711", memory=8 << 20, priority=10)
    finding = realtime(one)
    assert finding is not None
    assert (finding.level, "the station allows 10" in finding.message) == (Level.WARN, True)
    assert str(memory(one)) == (
        "WARN locked memory: the station allows 8192 KiB: an ejector pulse may wait for the disk"
    )
    limited(tmp_path, "4711", memory=8 << 20, priority=0, caps="0000000000804000")
    assert realtime(one).level is memory(one).level is Level.OK  # type: ignore[union-attr]


def test_real_time_by_the_unit_and_by_this_shell(tmp_path: Path) -> None:
    one = wanted(tmp_path, run=unit(LimitRTPRIO=50, LimitMEMLOCK="infinity"))
    assert "outfeed-station.service" in str(realtime(one))
    assert memory(one).level is Level.OK
    shell = context(tmp_path, limit=lambda name: {"RLIMIT_RTPRIO": 0, "RLIMIT_MEMLOCK": -1}[name])
    assert "this shell allows 0" in str(realtime(shell))
    assert memory(shell).level is Level.OK
    text = ("realtime_priority = 50", "realtime_priority = 0")
    assert realtime(context(tmp_path, text=text)) is None  # no priority is configured


@pytest.mark.parametrize(
    ("runtime", "message"),
    [
        ("950000", "OK real-time share: 95 % of a core"),
        ("-1", "OK real-time share: unlimited"),
        ("0", "FAIL real-time share: real-time tasks get no time"),
    ],
)
def test_the_kernels_share_of_real_time(tmp_path: Path, runtime: str, message: str) -> None:
    one = context(tmp_path)
    assert throttling_of_realtime(one) is None
    put(tmp_path / "root", "proc/sys/kernel/sched_rt_runtime_us", f"{runtime}\n")
    put(tmp_path / "root", "proc/sys/kernel/sched_rt_period_us", "1000000\n")
    assert str(throttling_of_realtime(one)) == message


def test_the_governor(tmp_path: Path) -> None:
    one = context(tmp_path)
    assert governor(one) is None
    for cpu, name in ((0, "performance"), (1, "performance"), (1, "powersave")):
        put(tmp_path / "root", f"sys/devices/system/cpu/cpu{cpu}/cpufreq/scaling_governor", name)
        finding = governor(one)
        assert finding is not None
        assert finding.level is (Level.WARN if name == "powersave" else Level.OK)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("0", "OK power and heat: never throttled since the boot"),
        ("50005", "FAIL power and heat: undervoltage, throttled now"),
        ("80000", "WARN power and heat: too hot since the boot"),
    ],
)
def test_a_pi_that_is_throttled(tmp_path: Path, value: str, message: str) -> None:
    one = context(tmp_path)
    assert throttled(one) is None  # no Pi
    by_tool = context(tmp_path, run=Programs(vcgencmd_get_throttled=f"throttled=0x{value}\n"))
    assert str(throttled(by_tool)) == message
    put(tmp_path / "root", "sys/devices/platform/soc/soc:firmware/get_throttled", f"{value}\n")
    assert str(throttled(one)) == message


def test_temperature(tmp_path: Path) -> None:
    one = context(tmp_path)
    assert temperature(one) is None
    put(tmp_path / "root", "sys/class/thermal/thermal_zone0/temp", "45000\n")
    put(tmp_path / "root", "sys/class/thermal/thermal_zone0/type", "cpu-thermal\n")
    assert str(temperature(one)) == "OK temperature: 45 °C (cpu-thermal)"
    put(tmp_path / "root", "sys/class/thermal/thermal_zone1/temp", "76500\n")
    assert str(temperature(one)) == "WARN temperature: 76 °C (thermal_zone1)"
    put(tmp_path / "root", "sys/class/thermal/thermal_zone1/temp", "85000\n")
    assert str(temperature(one)) == "FAIL temperature: 85 °C (thermal_zone1)"
    put(tmp_path / "root", "sys/class/thermal/thermal_zone1/temp", "nonsense\n")
    assert str(temperature(one)) == "OK temperature: 45 °C (cpu-thermal)"


def test_the_clock(tmp_path: Path) -> None:
    for synchronised, level in ((True, Level.OK), (False, Level.WARN)):
        finding = clock(context(tmp_path, synchronised=lambda value=synchronised: value))
        assert finding is not None
        assert finding.level is level
    assert clock(context(tmp_path, synchronised=lambda: None)) is None
    assert clock_is_synchronised() in (True, False, None)  # the state of this machine
