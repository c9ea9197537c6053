"""Checks of real-time rights, processor, temperature and clock."""

from __future__ import annotations

from edge.doctor.context import DiagnosticContext
from edge.doctor.finding import DiagnosticFinding, fail, fine, warn
from edge.doctor.station_process import MEMLOCK, RTPRIO, limit_of

_HOT_C, _TOO_HOT_C = 75.0, 84.0  # a Raspberry Pi reduces its clock at 80 °C, and further at 85 °C
_UNIT = "set LimitRTPRIO= in outfeed-station.service"
# Bits of get_throttled for the present state (Raspberry Pi, documentation of vcgencmd). The bits
# for the time since the boot are 16 higher.
_THROTTLED = {0: "undervoltage", 1: "frequency capped", 2: "throttled", 3: "too hot"}


def realtime(context: DiagnosticContext) -> DiagnosticFinding | None:
    """Check that the rejector may use output.realtime_priority."""
    wanted = context.config.output.realtime_priority
    if not wanted:
        return None
    limit, source = limit_of(context.machine, context.running, RTPRIO)
    if limit < 0 or limit >= wanted:
        return fine("real time", f"priority {wanted} is allowed by {source}")
    message = (
        f"priority {wanted} is configured, {source} allows {limit}: ejector pulses may be ms late"
    )
    return warn("real time", message, _UNIT)


def memory(context: DiagnosticContext) -> DiagnosticFinding:
    """Check that the rejector may lock its memory."""
    limit, source = limit_of(context.machine, context.running, MEMLOCK)
    if limit < 0 or limit >= 64 << 20:
        return fine("locked memory", f"allowed by {source}")
    message = f"{source} allows {limit >> 10} KiB: an ejector pulse may wait for the disk"
    return warn("locked memory", message, "set LimitMEMLOCK=infinity in outfeed-station.service")


def throttling_of_realtime(context: DiagnosticContext) -> DiagnosticFinding | None:
    """Check the share of time that the kernel gives to real-time tasks."""
    runtime = context.machine.number("/proc/sys/kernel/sched_rt_runtime_us")
    if runtime is None:
        return None
    if runtime == 0:
        advice = "set kernel.sched_rt_runtime_us = 950000 (sysctl.d/60-outfeed.conf)"
        return fail("real-time share", "real-time tasks get no time", advice)
    period = context.machine.number("/proc/sys/kernel/sched_rt_period_us") or 1_000_000
    message = "unlimited" if runtime < 0 else f"{100 * runtime / period:g} % of a core"
    return fine("real-time share", message)


def governor(context: DiagnosticContext) -> DiagnosticFinding | None:
    """Check the frequency governor. Cores that change their frequency raise p99.9."""
    paths = context.machine.paths("/sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_governor")
    names = {context.machine.text(context.machine.name(path)) or "?" for path in paths}
    if not names:
        return None
    shown = ", ".join(sorted(names))
    if names == {"performance"}:
        return fine("cpu governor", shown)
    advice = "echo performance | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor"
    return warn("cpu governor", f"{shown}: times vary with the load", advice)


def throttled(context: DiagnosticContext) -> DiagnosticFinding | None:
    """Report undervoltage and overheating of a Raspberry Pi."""
    machine = context.machine
    value = None
    for path in machine.paths("/sys/devices/platform/soc*/*/get_throttled"):
        value = machine.number(machine.name(path), 16)
    if value is None:
        output = machine.run(["vcgencmd", "get_throttled"]) or ""
        _, _, number = output.strip().partition("throttled=")
        value = int(number, 16) if number.startswith("0x") else None
    if value is None:
        return None
    now = [name for bit, name in _THROTTLED.items() if value >> bit & 1]
    since = [name for bit, name in _THROTTLED.items() if value >> (bit + 16) & 1]
    advice = "use a supply of 5.1 V and 3 A (Pi 5: 5 A), a short cable and a heat sink"
    if now:
        return fail("power and heat", f"{', '.join(now)} now", advice)
    if since:
        return warn("power and heat", f"{', '.join(since)} since the boot", advice)
    return fine("power and heat", "never throttled since the boot")


def temperature(context: DiagnosticContext) -> DiagnosticFinding | None:
    """Report the temperature of the hottest thermal zone."""
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
    message, advice = (
        f"{zones[zone]:.0f} °C ({zone})",
        "improve the air flow; use a heat sink or a fan",
    )
    if zones[zone] >= _TOO_HOT_C:
        return fail("temperature", message, advice)
    return (
        warn("temperature", message, advice)
        if zones[zone] >= _HOT_C
        else fine("temperature", message)
    )


def clock(context: DiagnosticContext) -> DiagnosticFinding | None:
    """Check the system clock, which gives the time in events. No ejector pulse depends on it."""
    synchronised = context.machine.synchronised()
    if synchronised is None:
        return None
    if synchronised:
        return fine("clock", "synchronised")
    return warn("clock", "not synchronised: events have a wrong time", "run chronyc tracking")
