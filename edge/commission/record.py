"""The commissioning record, commission.json: the measured figures and the verdict."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import metadata
from pathlib import Path

from pydantic import ValidationError

import edge
from edge.bounded_reads import read_small, whole_of
from edge.clock import utc_now
from edge.commission.fingerprint import changed_names
from edge.commission.remedies import remedy_of
from edge.commission.result import FrozenRecord, StepOutcome, StepReason, StepResult
from edge.engines.selection import processor
from edge.errors import ConfigError, OutfeedError
from edge.files import write_with_backup
from edge.validation_messages import describe

FORMAT = 1
_MAX_BYTES = 16 * 1024 * 1024
_PACKAGES = ("onnxruntime", "openvino", "ai-edge-litert", "opencv-python-headless", "gpiod")
STEPS = ("focus", "parts", "travel", "pulse", "safe-state", "timing", "speed")

# The parts of a station that each step depends on (edge/commission/fingerprint.py).
DEPENDS: Mapping[str, tuple[str, ...]] = {
    "focus": ("camera", "bundle", "machine"),
    "parts": ("camera", "trigger", "engine", "line", "bundle", "machine"),
    "travel": ("trigger", "output", "encoder", "ejector_eye", "travel"),
    "pulse": ("output", "pulse"),
    "safe-state": ("output", "line"),
    "timing": ("engine", "output", "line", "pulse", "bundle", "machine"),
    "speed": (
        *("camera", "trigger", "engine", "output", "encoder", "ejector_eye", "line"),
        *("travel", "pulse", "bundle", "machine"),
    ),
}


class CommissionRecord(FrozenRecord):
    """The last result of each step of one station, and the verdict.

    reasons, holds_for: as in StepResult, for the whole record. A station that requires a
    commissioning runs only with a record whose outcome is GO.
    """

    format: int = FORMAT
    station: str
    utc: str
    versions: dict[str, str]
    bundle: str
    machine: str
    outcome: StepOutcome
    reason: str
    reasons: tuple[StepReason, ...] = ()
    greatest_rate_hz: float | None
    greatest_counts_per_s: float | None
    steps: tuple[StepResult, ...]
    holds_for: dict[str, str]

    def result(self, step: str) -> StepResult | None:
        """Return the result of a step, or None where the step was not done."""
        return next((one for one in self.steps if one.step == step), None)


def conclude(
    station: str,
    bundle: str,
    results: Sequence[StepResult],
    holds_for: Mapping[str, str],
    *,
    may_skip: Sequence[str] = (),
) -> CommissionRecord:
    """Return the record of these results.

    Its outcome is GO where every step is GO, or is missing or skipped and listed in may_skip.
    """
    by_step = {result.step: result for result in results}
    wrong: list[StepReason] = []
    for step in STEPS:
        result = by_step.get(step)
        if result is None:
            if step not in may_skip:
                wrong.append(_undone(step, f"{step} was not done"))
        elif result.outcome is StepOutcome.NO_GO:
            reasons = result.reasons or (StepReason(what=result.reason, remedy=remedy_of(step)),)
            wrong += [StepReason(what=f"{step}: {one.what}", remedy=one.remedy) for one in reasons]
        elif result.outcome is StepOutcome.SKIPPED and step not in may_skip:
            wrong.append(_undone(step, f"{step} was skipped: {result.reason}"))
    speed = by_step.get("speed")
    return CommissionRecord(
        station=station,
        utc=utc_now(),
        versions=versions(),
        bundle=bundle,
        machine=processor(),
        outcome=StepOutcome.NO_GO if wrong else StepOutcome.GO,
        reason="; ".join(one.what for one in wrong)
        or (speed.reason if speed else "all requested steps"),
        reasons=tuple(wrong),
        greatest_rate_hz=speed.figure("greatest rate") if speed else None,
        greatest_counts_per_s=speed.figure("greatest speed") if speed else None,
        steps=tuple(by_step[step] for step in STEPS if step in by_step),
        holds_for=dict(holds_for),
    )


def _undone(step: str, what: str) -> StepReason:
    return StepReason(what=what, remedy=f"outfeed commission --step {step}, or --allow-skip {step}")


def versions() -> dict[str, str]:
    """Return the versions of Outfeed, Python, the kernel and the installed engine packages."""
    versions_by_name = {
        "outfeed": edge.__version__,
        "python": platform.python_version(),
        "kernel": platform.release(),
    }
    for package in _PACKAGES:
        with suppress(metadata.PackageNotFoundError):
            versions_by_name[package] = metadata.version(package)
    return versions_by_name


def valid_results(record: CommissionRecord | None, now: Mapping[str, str]) -> dict[str, StepResult]:
    """Return the results of an earlier commissioning that are still valid, by step."""
    if record is None:
        return {}
    return {one.step: one for one in record.steps if not changed_names(one.holds_for, now)}


def with_fingerprints(result: StepResult, now: Mapping[str, str]) -> StepResult:
    """Return the result with the fingerprints that its step depends on."""
    names = DEPENDS[result.step]
    return result.model_copy(update={"holds_for": {name: now[name] for name in names}})


def read_record(path: Path) -> CommissionRecord | None:
    """Read the record, or its copy where the file is empty. Return None where there is none.

    Raises ConfigError, one line, for a record that cannot be read.
    """
    path = whole_of(path)
    try:
        data = read_small(path, _MAX_BYTES)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    try:
        record = CommissionRecord.model_validate_json(data)
    except ValidationError as error:
        raise ConfigError(f"{path}: is damaged: {describe(error)}") from error
    if record.format != FORMAT:
        raise ConfigError(f"{path}: has format {record.format}, expected {FORMAT}")
    return record


def write_record(path: Path, record: CommissionRecord) -> None:
    """Replace the record and its copy, each in one step. Raises OutfeedError, one line."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_with_backup(path, record.model_dump_json(indent=1).encode() + b"\n")
    except OSError as error:
        raise OutfeedError(f"{path}: cannot be written: {error.strerror}") from error
