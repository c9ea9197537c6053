"""The content of the report, collected once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from edge.bundle import KindManifest
from edge.chain.inspector import Inspector
from models.data.dataset import DataError, DataSet, Sample
from models.evaluation.evaluate import evaluate
from models.evaluation.float_chain import detector_of, float_inspector
from models.evaluation.metrics import PictureOutcome, summarise
from models.evaluation.score import score
from models.evaluation.tradeoff import OperatingPoint, points_of, sweep_run
from models.report.cases import Cases, find_cases
from models.report.exported import ExportRecord, read_export
from models.report.limits import unknowns
from models.runs.run import Run, RunRecord, RunResult
from models.training.patches import Picture
from models.training.progress import track

TRAINING_PICTURES = 48  # inspected again to detect overfitting


@dataclass(frozen=True, slots=True)
class InspectResults:
    """The output of `outfeed inspect`: results.jsonl and the folder of masks."""

    results: Path
    masks: Path


@dataclass(frozen=True, slots=True)
class Findings:
    """A run and its results on the validation pictures.

    outcomes: of the float chain at the run's T. points: operating points of this chain over T.
    trained: outcomes on some of the defective training pictures. station: outcomes of
    `outfeed inspect`, or empty. limit: of the false reject rate, 0 to 1. parts_per_shift: good
    parts for which false rejects are stated.
    """

    name: str
    record: RunRecord
    result: RunResult
    train: tuple[Sample, ...]
    validation: tuple[Sample, ...]
    outcomes: tuple[PictureOutcome, ...]
    points: tuple[OperatingPoint, ...]
    trained: tuple[PictureOutcome, ...]
    station: tuple[PictureOutcome, ...]
    exported: ExportRecord | None
    cases: Cases
    limit: float
    parts_per_shift: int

    @property
    def unknown(self) -> tuple[str, ...]:
        """The facts that the validation pictures cannot show."""
        return unknowns(self.validation, self.record.kinds)

    @property
    def metrics(self) -> dict[str, float]:
        """Return the metrics of ``outcomes``."""
        return summarise(self.outcomes).as_dict()


def gather(
    run: Run,
    limit: float,
    parts_per_shift: int,
    *,
    outcomes: Mapping[float, tuple[PictureOutcome, ...]] | None = None,
    station: InspectResults | None = None,
) -> Findings:
    """Collect the content of the report of a completed run. Blocks for about a minute.

    outcomes: the result of ``sweep_run``, where it exists already. Raises DataError.
    """
    record, result = run.record(), run.result()
    exported = read_export(run.folder)
    dataset, by_name = run.open_data()
    train = tuple(by_name[name] for name in record.train)
    validation = tuple(by_name[name] for name in record.validation)
    reported = () if station is None else _reported(dataset, record, station)
    swept = sweep_run(run, _pictures(dataset, validation)) if outcomes is None else outcomes
    if result.threshold not in swept:
        raise DataError(f"{run.folder}: the outcomes given lack the run's T {result.threshold:g}")
    inspector = _inspector(run, record, result)
    known = tuple(sample for sample in train if sample.kinds)
    known = known[:: -(-len(known) // TRAINING_PICTURES) or 1]
    at_t = swept[result.threshold]
    return Findings(
        name=run.folder.resolve().name,
        record=record,
        result=result,
        train=train,
        validation=validation,
        outcomes=at_t,
        points=points_of(swept),
        trained=evaluate(
            inspector,
            track(_pictures(dataset, known), "inspecting training pictures again", len(known)),
            record.kinds,
        ),
        station=reported,
        exported=exported,
        cases=find_cases(
            inspector,
            at_t,
            {sample.name: sample.group for sample in validation},
            lambda name: _picture(dataset, by_name[name]),
        ),
        limit=limit,
        parts_per_shift=parts_per_shift,
    )


def _inspector(run: Run, record: RunRecord, result: RunResult) -> Inspector:
    return float_inspector(
        detector_of(run.load_detector(), record.channels, record.alignment),
        run.load_classifier(),
        record.channels,
        result.chain(),
        tuple(KindManifest(name=kind) for kind in record.kinds),
        keep_severity=result.keep_severity,
    )


def _picture(dataset: DataSet, sample: Sample) -> Picture:
    return Picture(sample, *dataset.load_pair(sample))


def _pictures(dataset: DataSet, samples: Iterable[Sample]) -> Iterator[Picture]:
    return (_picture(dataset, sample) for sample in samples)


def _reported(
    dataset: DataSet, record: RunRecord, station: InspectResults
) -> tuple[PictureOutcome, ...]:
    """Return the outcomes of a station. Refuse training pictures, which give better results."""
    outcomes = score(dataset, station.results, station.masks)
    allowed = set(record.validation)
    for outcome in outcomes:
        if outcome.name not in allowed:
            raise DataError(
                f"{station.results}: {outcome.name} is no validation picture of the run; "
                "expected the results of outfeed inspect --list RUN/validation.txt"
            )
    return outcomes
