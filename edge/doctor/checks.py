"""All checks, in the order in which a person mends things, each bounded in time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

from edge.doctor import delivery, devices, disk, drift, network, station, system
from edge.doctor.context import DiagnosticContext
from edge.doctor.finding import Finding, fail

Check = Callable[[DiagnosticContext], Finding | None]

CHECKS: tuple[Check, ...] = (
    station.service,
    station.restarts,
    station.rejector,
    station.bundle,
    station.engine,
    station.golden,
    station.commissioning,
    station.safe_state,
    devices.camera,
    devices.lines,
    devices.permissions,
    devices.watchdog,
    disk.parts,
    drift.self_test,
    drift.drift,
    disk.disk,
    disk.emptied,
    disk.journal,
    station.uplink_service,
    disk.uplink,
    delivery.trouble,
    delivery.undelivered,
    delivery.unheard,
    network.broker,
    network.certificates,
    network.secrets,
    system.realtime,
    system.memory,
    system.throttling_of_realtime,
    system.governor,
    system.throttled,
    system.temperature,
    system.clock,
)


def examine(context: DiagnosticContext, *, timeout_s: float) -> Iterator[Finding]:
    """A finding per check that applies. A check that takes longer than timeout_s is a FAIL, and is
    left behind on its daemon thread "doctor-NAME"."""
    for check in CHECKS:
        found = bounded(check, context, timeout_s=timeout_s)
        if found is not None:
            yield found


def bounded(check: Check, context: DiagnosticContext, *, timeout_s: float) -> Finding | None:
    """What the check finds within the time; a bug in it is a FAIL too, and ends no other check."""
    found: list[Finding | None] = []

    def run() -> None:
        try:
            found.append(check(context))
        except Exception as error:  # noqa: BLE001 - one check must not hide what the others find
            said = f"the check itself failed: {type(error).__name__}: {error}"
            found.append(fail(name, said, "report it"))

    name = check.__name__
    thread = threading.Thread(target=run, name=f"doctor-{name}", daemon=True)
    thread.start()
    thread.join(timeout_s)
    if not found:
        return fail(name, f"hangs: nothing within {timeout_s:g} s", "a driver, disk or network")
    return found[0]
