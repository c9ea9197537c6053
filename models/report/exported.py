"""RUN/export.json: the record of the last export of a run."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from edge.bundle import Measure
from edge.files import write_atomically
from edge.validation_messages import describe
from models.data.dataset import DataError
from models.evaluation.metrics import known
from models.ladder.record import BudgetVerdict

EXPORT = "export.json"
# The figures of parity as texts of a page, in order.
PARITY_WORDS = {
    "frames": "validation pictures",
    "severity_error_mean": "difference in severity (0 to 12), mean",
    "severity_error_p99": "… 99th percentile where either is at T / 2 or above",
    "severity_error_max": "… largest",
    "mask_iou": "IoU of the masks",
    "regions": "defects that both report",
    "kinds": "… and name alike",
    "verdict_agreement": "equal verdicts",
    "found": "defective parts that torch rejects",
    "missed": "… and the build passes",
    "missed_bound": "… with 95% confidence at most (share)",
    "new_rejects": "good parts that only the build rejects",
}


class TriedRecord(BaseModel):
    """A way to quantise. figures: of parity, by name. fault: the exceeded limit; "" if none."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    network: str
    way: str
    figures: dict[str, Measure]
    fault: str


class BuildFailureRecord(BaseModel):
    """A build that was requested and is not packed. remedy: the option that helps, or ""."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    build: str
    reason: str
    remedy: str


class ExportRecord(BaseModel):
    """The last bundle that was exported from a run.

    Attributes:
        bundle: id of the bundle.
        file: path of the bundle, relative to the run's folder.
        precision: precision of the first build.
        threshold: T.
        keep_severity: the keep severity; None without a classifier.
        reject_severity: the reject severity; None where every reported defect rejects.
        max_false_rejects: the limit by which T was chosen, 0 to 1; None for the T of the run.
        metrics: by chain ("torch-float32", "onnx-int8"), then by name, on the validation pictures
            at the T of the bundle.
        parity: figures of the comparison with torch in float, by build, then by name.
        tried: the ways to quantise.
        latency_ms: of the detector on one core of the exporting machine, by build.
        builds: bytes of the networks of the packed builds; the first gives the bundle's metrics.
        unknown: sentences on facts that the validation pictures cannot show.
        failures: the builds that were requested and are not packed.
        budget: the time of the bundle against the budget of the run; None without a budget.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    bundle: str
    file: str
    precision: str
    threshold: float
    keep_severity: float | None
    reject_severity: float | None = None
    max_false_rejects: float | None
    metrics: dict[str, dict[str, Measure]]
    parity: dict[str, dict[str, Measure]]
    tried: tuple[TriedRecord, ...] = ()
    latency_ms: dict[str, float] = {}
    builds: dict[str, int] = {}
    unknown: tuple[str, ...] = ()
    failures: tuple[BuildFailureRecord, ...] = ()
    budget: BudgetVerdict | None = None

    @property
    def limits(self) -> str:
        """T, and the reject severity where there is one, as text."""
        text = f"T = {self.threshold:g}"
        if self.reject_severity is None:
            return text
        return f"{text}, reject severity {self.reject_severity:g}"

    def bundle_path(self, folder: Path) -> Path:
        """Return the path of the bundle that was exported from the run in ``folder``."""
        return folder / self.file

    @field_validator("metrics")
    @classmethod
    def _known(cls, metrics: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
        return {chain: known(values) for chain, values in metrics.items()}


def write_export(folder: Path, record: ExportRecord) -> None:
    """Write export.json into the run's folder, whole or not at all. Raises OSError."""
    write_atomically(folder / EXPORT, record.model_dump_json(indent=1) + "\n")


def read_export(folder: Path) -> ExportRecord | None:
    """Read the run's export.json; None where nothing was exported. Raises DataError."""
    path = folder / EXPORT
    try:
        return ExportRecord.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    except ValidationError as error:
        raise DataError(f"{path}: {describe(error)}") from error
