"""All checks, in the order in which faults are repaired, each with a time limit."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

from edge.doctor import delivery, devices, disk, drift, network, page, station, system
from edge.doctor.context import DiagnosticContext
from edge.doctor.finding import DiagnosticFinding, fail

Check = Callable[[DiagnosticContext], DiagnosticFinding | None]

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
    delivery.without_subscriber,
    network.broker,
    network.certificates,
    network.secrets,
    page.page,
    system.realtime,
    system.memory,
    system.throttling_of_realtime,
    system.governor,
    system.throttled,
    system.temperature,
    system.clock,
)


def examine(context: DiagnosticContext, *, timeout_s: float) -> Iterator[DiagnosticFinding]:
    """Yield one finding for each check that applies.

    A check that takes longer than ``timeout_s`` gives a FAIL. It is not stopped: it continues on
    its daemon thread ``doctor-NAME``.
    """
    for check in CHECKS:
        finding = bounded(check, context, timeout_s=timeout_s)
        if finding is not None:
            yield finding


def bounded(
    check: Check, context: DiagnosticContext, *, timeout_s: float
) -> DiagnosticFinding | None:
    """Run one check on its own thread, and return its finding; None if the check does not apply.

    A check that takes longer than ``timeout_s``, or that raises an exception, gives a FAIL, so that
    the other checks still run.
    """
    findings: list[DiagnosticFinding | None] = []

    def run() -> None:
        try:
            findings.append(check(context))
        except Exception as error:  # noqa: BLE001 - a bug in one check must not stop the others
            message = f"the check itself failed: {type(error).__name__}: {error}"
            findings.append(fail(name, message, "report it"))

    name = check.__name__
    thread = threading.Thread(target=run, name=f"doctor-{name}", daemon=True)
    thread.start()
    thread.join(timeout_s)
    if not findings:
        message = f"hangs: no result within {timeout_s:g} s"
        return fail(name, message, "look for a driver, disk or network that does not answer")
    return findings[0]
