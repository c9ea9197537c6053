"""Writing measured values into a station.toml that only root may change (--apply)."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import ValidationError

from edge.commission.record import CommissionRecord
from edge.commission.toml_edit import write_proposals
from edge.config.station import StationConfig, load_config, parse_config
from edge.errors import ConfigError
from edge.files import read_regular_file
from edge.validation_messages import describe

_MAX_BYTES = 1024 * 1024
_KEYS = {("line", "travel_ms"), ("line", "travel_counts"), ("line", "pulse_ms")}


def may_write(path: Path) -> bool:
    """Return True where this user may replace the file, which needs write access to its folder."""
    real = path.resolve()
    return os.access(real.parent, os.W_OK, effective_ids=True)


def apply_measured(path: Path) -> list[str]:
    """Write the values proposed by the last commissioning into station.toml; return the lines.

    The list is empty where nothing was proposed. Raises ConfigError, and the file is unchanged.

    Root runs this without dropping privileges, but the station's user writes the record. So the
    record is read as a plain file of bounded size. Only numbers for the keys that commissioning
    measures are accepted, and the new text must be a valid configuration.
    """
    config = load_config(path)
    record = _record(config.paths.commissioning)
    if record.station != config.id:
        raise ConfigError(
            f"{config.paths.commissioning}: belongs to station '{record.station}', not "
            f"'{config.id}'"
        )
    proposals = [one for step in record.steps for one in step.proposals]
    for one in proposals:
        if (one.section, one.key) not in _KEYS:
            raise ConfigError(
                f"{config.paths.commissioning}: proposes a key that commissioning does not measure"
            )
    if proposals:
        write_proposals(path, proposals, lambda text: _checked(text, path))
    return [f"[{one.section}] {one.line}" for one in proposals]


def _checked(text: str, path: Path) -> StationConfig:
    try:
        return parse_config(text, path)
    except ConfigError as error:
        raise ConfigError(f"nothing was written: {error}") from error


def _record(path: Path) -> CommissionRecord:
    try:
        data = read_regular_file(path, _MAX_BYTES)
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be read: {error.strerror}; run `outfeed commission`"
        ) from error
    try:
        return CommissionRecord.model_validate_json(data)
    except ValidationError as error:
        raise ConfigError(f"{path}: is damaged: {describe(error)}") from error
