"""Whether a station may run as it is configured, by its commissioning."""

from __future__ import annotations

from logging import getLogger

from edge.bundle import Bundle
from edge.commission.fingerprint import changed, subject
from edge.commission.record import CommissionRecord, read_record
from edge.commission.result import StepOutcome
from edge.commission.steps.safe_state import REMEDY, accepted, undriven
from edge.commission.steps.speed import configured_gap_ms
from edge.config.station import StationConfig
from edge.errors import ConfigError

_log = getLogger(__name__)


def check_commission(config: StationConfig, bundle: Bundle) -> None:
    """Raises ConfigError, one line, where line.require_commission is true and the commissioning is
    missing, NO-GO, of another configuration, or below the configured speed. Otherwise all but a
    missing one is a warning in the log: a line that was never commissioned is a trial."""
    is_missing = False
    try:
        record = read_record(config.paths.commissioning)
        is_missing = record is None
        complaint = complaint_of(record, config, bundle)
    except ConfigError as error:
        complaint = str(error)
    if complaint is None:
        return
    said = f"{complaint}; run `outfeed commission`"
    if config.line.require_commission:
        raise ConfigError(f"key 'line.require_commission': {said}")
    if not is_missing:
        _log.warning("commissioning_does_not_hold reason=%s", said)


def warn_undriven(config: StationConfig, bundle: Bundle) -> None:
    """One line in the log at each start, where parts pass while nobody drives the output, and who
    has accepted that."""
    said = undriven(config)
    if said is None:
        return
    try:
        result = accepted(read_record(config.paths.commissioning), subject(config, bundle))
    except ConfigError:
        result = None
    by = f"accepted on {result.utc[:10]}" if result else f"not accepted: {REMEDY}"
    _log.warning("parts_pass_undriven reason=%s; %s", said, by)


def complaint_of(
    record: CommissionRecord | None, config: StationConfig, bundle: Bundle
) -> str | None:
    """Why the commissioning does not cover this station, in words; None: it does."""
    if record is None:
        return "this station was never commissioned"
    if record.station != config.id:
        return f"the commissioning is of station '{record.station}'"
    other = changed(record.holds_for, subject(config, bundle))
    gap_ms = configured_gap_ms(config)
    greatest_hz = record.greatest_rate_hz
    if gap_ms is not None and greatest_hz is not None and 1e3 / gap_ms > greatest_hz:
        return (
            f"{1e3 / gap_ms:.4g} parts a second are configured, "
            f"{greatest_hz:.4g} were found to be safe"
        )
    if other:
        return f"changed since the commissioning of {record.utc[:10]}: {', '.join(other)}"
    if record.outcome is not StepOutcome.GO:
        return f"the commissioning of {record.utc[:10]} ended NO-GO: {_first(record)}"
    return None


def _first(record: CommissionRecord) -> str:
    """What was wrong, as far as one line has room for it; the record has the rest."""
    first, _, more = record.reason.partition("; ")
    return f"{first} (and more)" if more else first
