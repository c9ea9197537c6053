"""The folder of a training run: the record of its data and settings, and its results.

run.json          recipe, data, split, kinds: written first, never changed
detector.ckpt     checkpoints, from which a killed run continues; teacher-detector.ckpt of efficientad
classifier.ckpt
detector.pt       trained weights; detector.bin: the file of a method without a network
classifier.pt
detector-loss.json  written after the detector, so a detector with it is completely trained
export-steps/     finished steps of an export that was stopped (export/kept_steps.py)
result.json       T, the rules, metrics: written last, so a run with it is complete
validation.txt    paths of the validation pictures, one a line, for `outfeed inspect`
quarantine/       the marked parts that the run was retrained with (models/feedback)
train.log
"""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
import json
from pathlib import Path
from typing import Any, TypeVar

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from torch import nn

from edge.bundle import AlignmentManifest, ChainManifest
from edge.validation_messages import describe
from edge.errors import BundleError, QuarantineError
from models.data.dataset import DataError, DataSet, Sample
from models.data.layouts import open_dataset
from models.data.quarantined import FOLDER, quarantined
from models.data.split import select
from models.distillation.record import TeacherRecord
from models.ladder.record import BudgetRecord
from models.methods.file_detector import FileDetector
from edge.files import write_atomically
from models.training.fit import save_atomically
from models.methods.registry import METHODS
from models.evaluation.metrics import known
from models.evaluation.promise import FalseRejectPromise
from models.networks import BlockClassifier, DetectorNetwork
from models.training.recipe import Recipe, SplitRecipe

RECORD = "run.json"
VALIDATION = "validation.txt"
COMPARISON = "comparison.json"  # in a folder of several runs, one for each candidate

_Model = TypeVar("_Model", bound=BaseModel)


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RunRecord(_Part):
    """The data and settings of a run, recorded before it is trained.

    train, validation: names of pictures. unmasked: names of defective pictures without a mask.
    alignment: of the parts; None where the detector sees whole frames. begun_from: SHA-256 of the
    weights that the training began from; None for those of the recipe. teacher: the teacher that the
    detector learned from; None without one. budget: the time budget by which the network was
    chosen; None where none was given.
    """

    recipe: Recipe
    data: str
    layout: str
    kinds: tuple[str, ...]
    channels: int
    train: tuple[str, ...]
    validation: tuple[str, ...]
    unmasked: tuple[str, ...]
    alignment: AlignmentManifest | None = None
    begun_from: str | None = None
    teacher: TeacherRecord | None = None
    budget: BudgetRecord | None = None


class CurvePoint(_Part):
    """The figures at one T of the search.

    mean_iou: over annotated parts, None without one. false_alarms: share of good parts with an
    alarm, None without one.
    """

    threshold: float
    mean_iou: float | None
    false_alarms: float | None

    @model_validator(mode="before")
    @classmethod
    def _without_strays(cls, values: Any) -> Any:
        """Ignore a figure of earlier versions."""
        if isinstance(values, dict):
            return {key: value for key, value in values.items() if key != "strays"}
        return values


class RunResult(_Part):
    """The result of a run.

    reject_severity: from which a defect rejects; None where each does. part_threshold: of the
    decision head; None without one, or where no rule by the score helps. promise: of false rejects;
    None where the run decides without a limit of them, or without a good part. metrics: by chain
    ('float', 'float without classifier'), then by name. training_s: seconds of the last call, which
    finished the run; None where it was not recorded.
    """

    threshold: float
    join_px: float
    keep_severity: float
    frame_height: int
    frame_width: int
    curve: tuple[CurvePoint, ...]
    metrics: dict[str, dict[str, float]]
    detector_loss: tuple[tuple[int, float], ...]
    classifier_loss: tuple[tuple[int, float], ...]
    training_s: float | None = None
    part_threshold: float | None = None
    reject_severity: float | None = None
    promise: FalseRejectPromise | None = None

    def chain(self, threshold: float | None = None) -> ChainManifest:
        """Return the parameters of the run's chain, or of one with another T.

        The reject severity was searched beside the run's T, so another T has none.
        """
        is_own = threshold is None or threshold == self.threshold
        return ChainManifest(
            threshold=self.threshold if threshold is None else threshold,
            join_px=self.join_px,
            reject_severity=self.reject_severity if is_own else None,
            part_threshold=self.part_threshold,
        )

    @field_validator("metrics")
    @classmethod
    def _known(cls, metrics: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
        return {chain: known(values) for chain, values in metrics.items()}


class _Pointer(BaseModel):
    """The part of comparison.json that names the recommended run."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    recommended: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")


def open_data(folder: Path, settings: SplitRecipe, layout: str = "auto") -> DataSet:
    """Return the part of a data folder that a recipe uses. Raises DataError."""
    dataset = open_dataset(folder, layout, settings.groups)
    return select(dataset, settings.names, defective_only=settings.defective_only)


class Run:
    """Paths and contents of the folder of one run.

    The folder of a comparison (models/candidates) stands for the recommended run.
    """

    def __init__(self, folder: Path) -> None:
        folder = _recommended(folder)
        self.folder = folder
        self.record_path = folder / RECORD
        self.result_path = folder / "result.json"
        self.detector_checkpoint = folder / "detector.ckpt"
        self.classifier_checkpoint = folder / "classifier.ckpt"
        self.detector_path = folder / "detector.pt"
        self.detector_file = folder / "detector.bin"
        self.detector_loss = folder / "detector-loss.json"
        self.classifier_path = folder / "classifier.pt"
        self.validation_list = folder / VALIDATION
        self.quarantine = folder / FOLDER

    def begin(self, record: RunRecord) -> None:
        """Write run.json. If it exists with the same record, the run continues.

        Raises DataError when the folder holds another run.
        """
        if self.record_path.exists():
            if self.record() != record:
                raise DataError(
                    f"{self.folder}: holds a run of another recipe or other data; "
                    "name another OUT or delete it"
                )
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        _write(self.record_path, record)

    def record(self) -> RunRecord:
        """Return run.json. Raises DataError if it is missing or cannot be read."""
        return _read(self.record_path, RunRecord, "a training run (make train)")

    def result(self) -> RunResult:
        """Return result.json. Raises DataError if the run is not complete."""
        return _read(self.result_path, RunResult, "a completed training run (make train)")

    def finish(self, result: RunResult) -> None:
        _write(self.result_path, result)

    def open_data(self) -> tuple[DataSet, dict[str, Sample]]:
        """Return the data of the run, with the marked parts of its retraining, and samples by name.

        Raises DataError, also if the data has changed since.
        """
        record = self.record()
        dataset = open_data(Path(record.data), record.recipe.split, record.layout)
        try:
            marked = quarantined(self.quarantine)
        except QuarantineError as error:
            raise DataError(str(error)) from error
        dataset = replace(dataset, samples=(*dataset.samples, *marked))
        by_name = {sample.name: sample for sample in dataset.samples}
        missing = [name for name in (*record.train, *record.validation) if name not in by_name]
        if missing or dataset.kinds != record.kinds:
            raise DataError(
                f"{record.data}: has changed since the run was trained"
                + (f": {missing[0]} is gone" if missing else ": other kinds of defect")
            )
        return dataset, by_name

    def save_detector(self, detector: DetectorNetwork | FileDetector) -> None:
        if isinstance(detector, FileDetector):
            write_atomically(self.detector_file, detector.data)
        else:
            save_atomically(detector.state_dict(), self.detector_path)

    def finish_detector(self, loss: list[tuple[int, float]]) -> None:
        """Note that the saved detector is completely trained. loss: by step."""
        write_atomically(self.detector_loss, json.dumps(loss) + "\n")

    def trained_detector(
        self,
    ) -> tuple[DetectorNetwork | FileDetector, list[tuple[int, float]]] | None:
        """Return the detector as it was saved, with its loss; None where it is not complete.

        The weights keep their order in memory, by which results differ in the last bits. Raises
        DataError.
        """
        if not self.detector_loss.exists():
            return None
        loss = json.loads(self.detector_loss.read_text(encoding="utf-8"))
        detector = self.load_detector(as_saved=True)
        return detector, [(int(step), float(value)) for step, value in loss]

    def save_classifier(self, network: BlockClassifier) -> None:
        save_atomically(network.state_dict(), self.classifier_path)

    def load_detector(self, *, as_saved: bool = False) -> DetectorNetwork | FileDetector:
        """Return the trained detector; a network is in eval mode. Raises DataError without a file.

        as_saved: keep the order in memory of the weights.
        """
        record = self.record()
        build = METHODS[record.recipe.method].build
        if build is None:
            return self._load_file(record)
        network = build(record.recipe, record.channels)
        _fill(network, self.detector_path, as_saved=as_saved)
        return network.eval()

    def weights_sha256(self) -> str:
        """Return the SHA-256 of the detector's weights. Raises DataError without them."""
        try:
            return sha256(self.detector_path.read_bytes()).hexdigest()
        except OSError as error:
            raise DataError(f"{self.detector_path}: cannot be read: {error.strerror}") from error

    def _load_file(self, record: RunRecord) -> FileDetector:
        kind = record.recipe.method
        try:
            data = self.detector_file.read_bytes()
            detector = FileDetector(kind, data)
            detector.detector(record.channels)
        except (OSError, BundleError) as error:
            raise DataError(
                f"{self.detector_file}: cannot be read; expected a trained {kind}"
            ) from error
        return detector

    def load_classifier(self) -> BlockClassifier | None:
        """Return the trained classifier in eval mode; None if the recipe has none."""
        record = self.record()
        if not record.recipe.classifier.enabled:
            return None
        network = BlockClassifier(record.channels, len(record.kinds))
        _fill(network, self.classifier_path)
        return network.eval()


def _recommended(folder: Path) -> Path:
    comparison = folder / COMPARISON
    if (folder / RECORD).exists() or not comparison.is_file():
        return folder
    return folder / _read(comparison, _Pointer, "a comparison of candidates").recommended


def _fill(network: nn.Module, path: Path, *, as_saved: bool = False) -> None:
    try:
        weights: dict[str, torch.Tensor] = torch.load(path, weights_only=True)
    except (OSError, RuntimeError) as error:
        raise DataError(f"{path}: cannot be read; expected trained weights") from error
    try:
        network.load_state_dict(weights, assign=as_saved)
    except RuntimeError as error:
        raise DataError(
            f"{path}: holds weights that do not fit {type(network).__name__}; "
            "train again"
        ) from error


def _write(path: Path, part: BaseModel) -> None:
    write_atomically(path, part.model_dump_json(indent=1) + "\n")


def _read(path: Path, model: type[_Model], expected: str) -> _Model:
    try:
        return model.model_validate_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{path}: cannot be read; expected {expected}") from error
    except ValidationError as error:
        raise DataError(f"{path}: {describe(error)}") from error
