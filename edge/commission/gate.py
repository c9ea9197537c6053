"""The checks of the commissioning record at the start of a station."""

from __future__ import annotations

from logging import getLogger

from edge.active_bundle import read_active
from edge.bundle import Bundle
from edge.commission.fingerprint import bundle_fingerprint, changed_names, fingerprints
from edge.commission.record import CommissionRecord, read_record
from edge.commission.result import StepOutcome
from edge.commission.steps.safe_state import REMEDY, accepted_result, undriven_risk
from edge.commission.steps.speed import configured_gap_ms
from edge.config.station import StationConfig
from edge.errors import ConfigError, OutfeedError

_log = getLogger(__name__)


def check_commission(config: StationConfig, bundle: Bundle) -> None:
    """Check that the commissioning covers this station.

    It does not where it is missing or NO-GO, where the configuration has changed, or where the
    configured speed is too high. With line.require_commission this raises ConfigError, one line.
    Otherwise it is a warning in the log; a missing record is not even that, because a line without
    commissioning is a trial.
    """
    is_missing = False
    try:
        record = read_record(config.paths.commissioning)
        is_missing = record is None
        complaint = invalid_reason(record, config, bundle)
    except ConfigError as error:
        complaint = str(error)
    if complaint is None:
        return
    message = f"{complaint}; run `outfeed commission`"
    if config.line.require_commission:
        raise ConfigError(f"key 'line.require_commission': {message}")
    if not is_missing:
        _log.warning("commissioning_does_not_hold reason=%s", message)


def warn_undriven(config: StationConfig, bundle: Bundle) -> None:
    """Log a warning where parts pass while no process drives the output.

    It is one line at each start. It contains the date on which an operator accepted this.
    """
    risk = undriven_risk(config)
    if risk is None:
        return
    try:
        result = accepted_result(
            read_record(config.paths.commissioning), fingerprints(config, bundle)
        )
    except ConfigError:
        result = None
    by = f"accepted on {result.utc[:10]}" if result else f"not accepted: {REMEDY}"
    _log.warning("parts_pass_undriven reason=%s; %s", risk, by)


def invalid_reason(
    record: CommissionRecord | None, config: StationConfig, bundle: Bundle
) -> str | None:
    """Return the reason why the commissioning does not cover this station, or None if it does."""
    if record is None:
        return "this station was never commissioned"
    if record.station != config.id:
        return f"the commissioning belongs to station '{record.station}'"
    other = changed_names(record.holds_for, _fingerprints(config, bundle))
    gap_ms = configured_gap_ms(config)
    greatest_hz = record.greatest_rate_hz
    if gap_ms is not None and greatest_hz is not None and 1e3 / gap_ms > greatest_hz:
        return (
            f"{1e3 / gap_ms:.4g} parts per second are configured, "
            f"the measured limit is {greatest_hz:.4g}"
        )
    if other:
        return f"changed since the commissioning of {record.utc[:10]}: {', '.join(other)}"
    if record.outcome is not StepOutcome.GO:
        return f"the commissioning of {record.utc[:10]} ended NO-GO: {_first(record)}"
    return None


def _fingerprints(config: StationConfig, bundle: Bundle) -> dict[str, str]:
    """Return the fingerprints of the station.

    A bundle that was accepted after its trial on the live line has the fingerprint of the bundle
    with which the station was commissioned (decision 73).
    """
    now = fingerprints(config, bundle)
    try:
        active = read_active(config.paths.active_bundle)
    except OutfeedError:
        active = None
    if active is not None and active.commissioned and active.bundle == bundle.id:
        now["bundle"] = bundle_fingerprint(active.commissioned)
    return now


def _first(record: CommissionRecord) -> str:
    """Return the first reason, as one line; the record holds the others."""
    first, _, more = record.reason.partition("; ")
    return f"{first} (and more)" if more else first
