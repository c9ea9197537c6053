"""The station itself: its service, bundle, engine, commissioning and what it judged lately."""

from __future__ import annotations

from edge.commission.fingerprint import subject
from edge.commission.gate import complaint_of
from edge.commission.record import read_record
from edge.commission.record import versions as record_versions
from edge.commission.steps.safe_state import REMEDY, accepted, undriven
from edge.doctor.context import DiagnosticContext
from edge.doctor.finding import Finding, fail, fine, warn
from edge.doctor.machine import MachineState
from edge.doctor.station_process import is_realtime, rejectors, unit
from edge.errors import BundleError, ConfigError, FrameError

_STATUS = "systemctl status outfeed-station; journalctl -u outfeed-station -n 50"


def service(context: DiagnosticContext) -> Finding:
    """Whether it runs, and what systemd says of it."""
    said = unit(context.machine)
    state = f"{said.get('ActiveState', '')} ({said.get('SubState', '')})" if said else ""
    if context.running is not None:
        status = f"; {said['StatusText']}" if said.get("StatusText") else ""
        return fine("station", f"runs, pid {context.running.pid}{status}")
    if not said:
        return warn("station", "does not run, and is no service here", "outfeed run --config …")
    if said.get("ActiveState") == "failed":
        status = said.get("ExecMainStatus", "?")
        return fail("station", f"failed with exit status {status}", _STATUS)
    return fail("station", f"does not run: {state}", "systemctl start outfeed-station")


def restarts(context: DiagnosticContext) -> Finding | None:
    """Crashes that systemd has mended."""
    count = unit(context.machine).get("NRestarts", "")
    if not count.isdigit():
        return None
    if int(count):
        return warn("restarts", f"{count} since it was started", _STATUS)
    return fine("restarts", "none")


def uplink_service(context: DiagnosticContext) -> Finding | None:
    """The uplink where it is a service of its own."""
    said = unit(context.machine, "outfeed-uplink")
    if not said or context.config.uplink.start:
        return None
    if said.get("ActiveState") == "active":
        return fine("uplink service", said.get("StatusText") or "runs")
    state = f"{said.get('ActiveState', '')} ({said.get('SubState', '')})"
    return fail("uplink service", f"does not run: {state}", "systemctl status outfeed-uplink")


def rejector(context: DiagnosticContext) -> Finding | None:
    """The process that owns the output, of a station that runs."""
    if context.running is None or not context.running.pid:
        return None
    found = rejectors(context.machine, context.running)
    if not found:
        return fail("rejector", "none runs beside the station", _STATUS)
    realtime = is_realtime(context.machine, found[0])
    if realtime is False and context.config.output.realtime_priority:
        said = f"runs, pid {found[0]}, without real-time priority"
        return warn("rejector", said, "LimitRTPRIO= of its unit")
    return fine("rejector", f"runs, pid {found[0]}" + (", real-time" if realtime else ""))


def bundle(context: DiagnosticContext) -> Finding:
    """Every byte, the signature, whom it is for, no downgrade."""
    try:
        found = context.admit()
    except (BundleError, ConfigError) as error:
        return fail("bundle", str(error), "outfeed bundle verify; keys are in [trust]")
    return fine("bundle", f"{found.id}, signed by a trusted key")


def engine(context: DiagnosticContext) -> Finding | None:
    """Whether the choice of ``outfeed bench --select`` still holds."""
    try:
        found = context.admit()
    except (BundleError, ConfigError):
        return None
    try:
        return fine("engine", context.engine(found))
    except ConfigError as error:
        level = warn if context.config.engine.kind == "auto" else fail
        return level("engine", str(error), "outfeed bench --select --config …")


def golden(context: DiagnosticContext) -> Finding | None:
    """The golden frames, on this machine, now. Left out beside a station that runs: it has proven
    itself at its start, and needs the processor."""
    if not context.golden or context.running is not None:
        return None
    try:
        context.prove(context.admit())
    except (BundleError, ConfigError, FrameError) as error:
        return fail("golden frames", str(error), "another engine, or another bundle")
    return fine("golden frames", "reproduced")


def commissioning(context: DiagnosticContext) -> Finding | None:
    """Whether ``outfeed commission`` found this very station to be GO."""
    level = fail if context.config.line.require_commission else warn
    advice = "outfeed commission --config …"
    try:
        record = read_record(context.config.paths.commissioning)
        complaint = complaint_of(record, context.config, context.admit())
    except BundleError:
        return None
    except ConfigError as error:
        return level("commissioning", str(error), advice)
    if complaint is not None:
        return level("commissioning", complaint, advice)
    assert record is not None  # or there would be a complaint
    rate = f", at most {record.greatest_rate_hz:.4g} parts/s" if record.greatest_rate_hz else ""
    return fine("commissioning", f"GO on {record.utc[:10]}{rate}")


def safe_state(context: DiagnosticContext) -> Finding | None:
    """Return a finding on parts that pass while nobody drives the output, and on its acceptance."""
    said = undriven(context.config)
    if said is None:
        output, line = context.config.output, context.config.line
        return fine("safe state", f"{output.safe_state}, on_unknown is {line.on_unknown}")
    try:
        record = read_record(context.config.paths.commissioning)
        result = accepted(record, subject(context.config, context.admit()))
    except (BundleError, ConfigError):
        result = None
    if result is None:
        return warn("safe state", said, REMEDY)
    return fine("safe state", f"accepted on {result.utc[:10]}: {said}")


def versions(machine: MachineState) -> Finding:
    """What runs here."""
    found = {**record_versions(), "kernel": machine.text("/proc/sys/kernel/osrelease") or "?"}
    return fine("versions", ", ".join(f"{name} {one}" for name, one in found.items()))
