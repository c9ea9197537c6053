"""Processor, real time, temperature and clock."""

from __future__ import annotations

from edge.doctor.context import DiagnosticContext
from edge.doctor.finding import Finding, fail, fine, warn
from edge.doctor.station_process import MEMLOCK, RTPRIO, limit_of

_HOT_C, _TOO_HOT_C = 75.0, 84.0  # a Pi slows down at 80 °C, and hard at 85 °C
_UNIT = "LimitRTPRIO= in outfeed-station.service"
# Bits of get_throttled (Raspberry Pi, documentation of vcgencmd): now; since the boot 16 higher.
_THROTTLED = {0: "undervoltage", 1: "frequency capped", 2: "throttled", 3: "too hot"}


def realtime(context: DiagnosticContext) -> Finding | None:
    """Whether the rejector may take output.realtime_priority."""
    wanted = context.config.output.realtime_priority
    if not wanted:
        return None
    limit, who = limit_of(context.machine, context.running, RTPRIO)
    if limit < 0 or limit >= wanted:
        return fine("real time", f"priority {wanted} is allowed to {who}")
    said = f"priority {wanted} is wanted, {who} may take {limit}: ejector pulses may be ms late"
    return warn("real time", said, _UNIT)


def memory(context: DiagnosticContext) -> Finding:
    """Whether the rejector may lock its memory."""
    limit, who = limit_of(context.machine, context.running, MEMLOCK)
    if limit < 0 or limit >= 64 << 20:
        return fine("locked memory", f"allowed to {who}")
    said = f"{who} may lock {limit >> 10} KiB: an ejector pulse may wait for the disk"
    return warn("locked memory", said, "LimitMEMLOCK=infinity in outfeed-station.service")


def throttling_of_realtime(context: DiagnosticContext) -> Finding | None:
    """kernel.sched_rt_runtime_us."""
    runtime = context.machine.number("/proc/sys/kernel/sched_rt_runtime_us")
    if runtime is None:
        return None
    if runtime == 0:
        advice = "kernel.sched_rt_runtime_us = 950000 (sysctl.d/60-outfeed.conf)"
        return fail("real-time share", "real-time tasks get no time at all", advice)
    period = context.machine.number("/proc/sys/kernel/sched_rt_period_us") or 1_000_000
    said = "without bound" if runtime < 0 else f"{100 * runtime / period:g} % of a core"
    return fine("real-time share", said)


def governor(context: DiagnosticContext) -> Finding | None:
    """A core that sleeps deep or runs slow is what p99.9 is made of."""
    paths = context.machine.paths("/sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_governor")
    found = {context.machine.text(context.machine.name(path)) or "?" for path in paths}
    if not found:
        return None
    names = ", ".join(sorted(found))
    if found == {"performance"}:
        return fine("cpu governor", names)
    advice = "echo performance | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor"
    return warn("cpu governor", f"{names}: times vary with the load", advice)


def throttled(context: DiagnosticContext) -> Finding | None:
    """A Raspberry Pi that was short of volts or too hot."""
    machine = context.machine
    value = None
    for path in machine.paths("/sys/devices/platform/soc*/*/get_throttled"):
        value = machine.number(machine.name(path), 16)
    if value is None:
        said = machine.run(["vcgencmd", "get_throttled"]) or ""
        _, _, number = said.strip().partition("throttled=")
        value = int(number, 16) if number.startswith("0x") else None
    if value is None:
        return None
    now = [name for bit, name in _THROTTLED.items() if value >> bit & 1]
    since = [name for bit, name in _THROTTLED.items() if value >> (bit + 16) & 1]
    advice = "a supply of 5.1 V and 3 A (Pi 5: 5 A), a short cable; a heat sink"
    if now:
        return fail("power and heat", f"{', '.join(now)} now", advice)
    if since:
        return warn("power and heat", f"{', '.join(since)} since the boot", advice)
    return fine("power and heat", "never throttled since the boot")


def temperature(context: DiagnosticContext) -> Finding | None:
    """The hottest thermal zone."""
    machine = context.machine
    zones = {}
    for path in machine.paths("/sys/class/thermal/thermal_zone[0-9]*/temp"):
        milli = machine.number(machine.name(path))
        if milli is not None and -40_000 < milli < 200_000:
            kind = machine.text(machine.name(path.parent / "type"))
            zones[kind or path.parent.name] = milli / 1e3
    if not zones:
        return None
    zone = max(zones, key=lambda name: zones[name])
    said, advice = f"{zones[zone]:.0f} °C ({zone})", "air, a heat sink, a fan"
    if zones[zone] >= _TOO_HOT_C:
        return fail("temperature", said, advice)
    return warn("temperature", said, advice) if zones[zone] >= _HOT_C else fine("temperature", said)


def clock(context: DiagnosticContext) -> Finding | None:
    """The wall clock, which stamps events; no reject depends on it."""
    synchronised = context.machine.synchronised()
    if synchronised is None:
        return None
    if synchronised:
        return fine("clock", "synchronised")
    return warn("clock", "not synchronised: events bear a wrong time", "chronyc tracking")
