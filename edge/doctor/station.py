"""Checks of the station: service, rejector, bundle, engine, golden frames, commissioning."""

from __future__ import annotations

from edge.commission.fingerprint import fingerprints
from edge.commission.gate import invalid_reason
from edge.commission.record import read_record
from edge.commission.record import versions as record_versions
from edge.commission.steps.safe_state import REMEDY, accepted_result, undriven_risk
from edge.doctor.context import DiagnosticContext
from edge.doctor.finding import DiagnosticFinding, fail, fine, warn
from edge.doctor.machine import MachineState
from edge.doctor.station_process import is_realtime, rejectors, unit
from edge.errors import BundleError, ConfigError, FrameError

_STATUS = "read systemctl status outfeed-station and journalctl -u outfeed-station -n 50"


def service(context: DiagnosticContext) -> DiagnosticFinding:
    """Check that the station runs, and report its state from systemd."""
    properties = unit(context.machine)
    state = (
        f"{properties.get('ActiveState', '')} ({properties.get('SubState', '')})"
        if properties
        else ""
    )
    if context.running is not None:
        status = f"; {properties['StatusText']}" if properties.get("StatusText") else ""
        return fine("station", f"runs, pid {context.running.pid}{status}")
    if not properties:
        return warn("station", "does not run, and there is no service", "outfeed run --config …")
    if properties.get("ActiveState") == "failed":
        status = properties.get("ExecMainStatus", "?")
        return fail("station", f"failed with exit status {status}", _STATUS)
    return fail("station", f"does not run: {state}", "systemctl start outfeed-station")


def restarts(context: DiagnosticContext) -> DiagnosticFinding | None:
    """Report the number of restarts by systemd."""
    count = unit(context.machine).get("NRestarts", "")
    if not count.isdigit():
        return None
    if int(count):
        return warn("restarts", f"{count} since the unit was started", _STATUS)
    return fine("restarts", "none")


def uplink_service(context: DiagnosticContext) -> DiagnosticFinding | None:
    """Check the service of the uplink, where it has its own."""
    properties = unit(context.machine, "outfeed-uplink")
    if not properties or context.config.uplink.start:
        return None
    if properties.get("ActiveState") == "active":
        return fine("uplink service", properties.get("StatusText") or "runs")
    state = f"{properties.get('ActiveState', '')} ({properties.get('SubState', '')})"
    return fail("uplink service", f"does not run: {state}", "systemctl status outfeed-uplink")


def rejector(context: DiagnosticContext) -> DiagnosticFinding | None:
    """Check the rejector process of the running station."""
    if context.running is None or not context.running.pid:
        return None
    pids = rejectors(context.machine, context.running)
    if not pids:
        return fail("rejector", "the station runs without its rejector", _STATUS)
    realtime = is_realtime(context.machine, pids[0])
    if realtime is False and context.config.output.realtime_priority:
        message = f"runs, pid {pids[0]}, without real-time priority"
        return warn("rejector", message, "set LimitRTPRIO= in its unit")
    return fine("rejector", f"runs, pid {pids[0]}" + (", real-time" if realtime else ""))


def bundle(context: DiagnosticContext) -> DiagnosticFinding:
    """Check the bundle: content, signature, type of station and version."""
    try:
        admitted = context.admit()
    except (BundleError, ConfigError) as error:
        return fail("bundle", str(error), "run outfeed bundle verify; check the keys in [trust]")
    return fine("bundle", f"{admitted.id}, signed by a trusted key")


def engine(context: DiagnosticContext) -> DiagnosticFinding | None:
    """Check that the choice of ``outfeed bench --select`` is still valid."""
    try:
        admitted = context.admit()
    except (BundleError, ConfigError):
        return None  # the check "bundle" reports it
    try:
        return fine("engine", context.engine(admitted))
    except ConfigError as error:
        level = warn if context.config.engine.kind == "auto" else fail
        return level("engine", str(error), "run outfeed bench --select --config …")


def golden(context: DiagnosticContext) -> DiagnosticFinding | None:
    """Run the golden frames.

    While a station runs, they are not run: it has reproduced them at its start, and needs the
    processor.
    """
    if not context.golden or context.running is not None:
        return None
    try:
        context.prove(context.admit())
    except (BundleError, ConfigError, FrameError) as error:
        return fail("golden frames", str(error), "try another engine or another bundle")
    return fine("golden frames", "reproduced")


def commissioning(context: DiagnosticContext) -> DiagnosticFinding | None:
    """Check that ``outfeed commission`` gave GO for this station as it is now."""
    level = fail if context.config.line.require_commission else warn
    advice = "run outfeed commission --config …"
    try:
        record = read_record(context.config.paths.commissioning)
        complaint = invalid_reason(record, context.config, context.admit())
    except BundleError:
        return None
    except ConfigError as error:
        return level("commissioning", str(error), advice)
    if complaint is not None:
        return level("commissioning", complaint, advice)
    assert record is not None  # otherwise there is a complaint
    rate = f", at most {record.greatest_rate_hz:.4g} parts/s" if record.greatest_rate_hz else ""
    return fine("commissioning", f"GO on {record.utc[:10]}{rate}")


def safe_state(context: DiagnosticContext) -> DiagnosticFinding | None:
    """Report parts that pass while no process drives the output, and the acceptance of this."""
    message = undriven_risk(context.config)
    if message is None:
        output, line = context.config.output, context.config.line
        return fine("safe state", f"{output.safe_state}, on_unknown is {line.on_unknown}")
    try:
        record = read_record(context.config.paths.commissioning)
        result = accepted_result(record, fingerprints(context.config, context.admit()))
    except (BundleError, ConfigError):
        result = None
    if result is None:
        return warn("safe state", message, REMEDY)
    return fine("safe state", f"accepted on {result.utc[:10]}: {message}")


def versions(machine: MachineState) -> DiagnosticFinding:
    """Report the versions of Outfeed, its libraries and the kernel."""
    texts = {**record_versions(), "kernel": machine.text("/proc/sys/kernel/osrelease") or "?"}
    return fine("versions", ", ".join(f"{name} {one}" for name, one in texts.items()))
