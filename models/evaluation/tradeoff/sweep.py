"""The results of the whole chain at many limits, with each network run once."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence, Sized
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from edge.bundle import ChainManifest, KindManifest
from edge.chain.classify import BlockVote, Classifier, SingleKindClassifier
from edge.chain.detect import Detector
from edge.chain.inspector import Inspector
from edge.records import Box, Defect, Dropped, Region, SeverityMap
from models.evaluation.evaluate import evaluate
from models.evaluation.float_chain import TorchBlocks, detector_of
from models.evaluation.metrics import PictureOutcome, summarise
from models.evaluation.reject_severity import above_threshold
from models.evaluation.tradeoff.point import OperatingPoint, operating_point
from models.runs.run import Run
from models.training.patches import Picture
from models.training.progress import track

GRID: tuple[float, ...] = tuple(np.round(np.arange(0.3, 11.8, 0.3), 1).tolist())


def sweep(
    detector: Detector,
    classifier: Classifier,
    chains: Sequence[ChainManifest],
    kinds: tuple[KindManifest, ...],
    pictures: Iterable[Picture],
    total: int | None = None,
) -> tuple[tuple[PictureOutcome, ...], ...]:
    """Return the outcomes by chain, then by picture. Blocks.

    chains: differ in T, reject severity and part threshold. kinds: in the order of the kind maps.
    total: number of pictures, where they have no length. The detector runs once for each picture,
    the classifier once for each region. Its result must depend on pixels, box and peak only, as
    that of BlockVote does.
    """
    names = tuple(kind.name for kind in kinds)
    found: list[list[PictureOutcome]] = [[] for _ in chains]
    count = len(pictures) if isinstance(pictures, Sized) else total
    text = f"trying {len(chains)} limits on the held-back pictures"
    for picture in track(pictures, text, count):
        detected = _Detected(detector.detect(picture.pixels))
        named = _Named(classifier)
        for outcomes, chain in zip(found, chains, strict=True):
            inspector = Inspector(detected, named, chain, kinds, time.perf_counter_ns)
            outcomes += evaluate(inspector, (picture,), names)
    return tuple(tuple(outcomes) for outcomes in found)


def sweep_run(
    run: Run, pictures: Iterable[Picture] | None = None, part_threshold: float | None = None
) -> dict[float, tuple[PictureOutcome, ...]]:
    """Return the outcomes of the float chain of a run at GRID and at the run's T, by ascending T.

    The reject severity of the run holds at its own T alone. keep_severity is that of the run.
    pictures: the validation pictures by default. part_threshold: of the decision head, by default
    that of the run. Blocks for about a minute. Raises DataError.
    """
    result = run.result()
    thresholds = sorted({*GRID, result.threshold})
    chains = [result.chain(threshold) for threshold in thresholds]
    outcomes = _swept(run, chains, pictures, part_threshold)
    return dict(zip(thresholds, outcomes, strict=True))


def sweep_severities(
    run: Run, pictures: Iterable[Picture] | None = None, part_threshold: float | None = None
) -> dict[float, tuple[PictureOutcome, ...]]:
    """Return the outcomes at the run's T, by ascending reject severity: T, and GRID above it.

    Parameters and errors are those of ``sweep_run``.
    """
    chain = run.result().chain()
    own = chain.reject_severity
    severities = sorted(
        {chain.threshold, *(some for some in (*GRID, own) if some and some > chain.threshold)}
    )
    chains = [
        chain.model_copy(update={"reject_severity": above_threshold(severity, chain.threshold)})
        for severity in severities
    ]
    outcomes = _swept(run, chains, pictures, part_threshold)
    return dict(zip(severities, outcomes, strict=True))


def points_of(outcomes: Mapping[float, tuple[PictureOutcome, ...]]) -> tuple[OperatingPoint, ...]:
    """Return one operating point for each T of ``sweep_run``. Raises ValueError without a part."""
    return tuple(operating_point(t, summarise(some).as_dict()) for t, some in outcomes.items())


def severity_points(
    outcomes: Mapping[float, tuple[PictureOutcome, ...]], threshold: float
) -> tuple[OperatingPoint, ...]:
    """Return one operating point for each reject severity of ``sweep_severities``.

    threshold: T of the run. Raises ValueError without a part.
    """
    return tuple(
        replace(
            operating_point(threshold, summarise(some).as_dict()),
            reject_severity=above_threshold(severity, threshold),
        )
        for severity, some in outcomes.items()
    )


def _swept(
    run: Run,
    chains: Sequence[ChainManifest],
    pictures: Iterable[Picture] | None,
    part_threshold: float | None,
) -> tuple[tuple[PictureOutcome, ...], ...]:
    """Return the outcomes of the float networks of a run by chain, then by picture."""
    record, result = run.record(), run.result()
    if pictures is None:
        dataset, by_name = run.open_data()
        samples = (by_name[name] for name in record.validation)
        pictures = (Picture(sample, *dataset.load_pair(sample)) for sample in samples)
    kinds = tuple(KindManifest(name=kind) for kind in record.kinds)
    network = run.load_classifier()
    classifier: Classifier = SingleKindClassifier(kinds)
    if network is not None:
        classifier = BlockVote(
            TorchBlocks(network, record.channels),
            network.size_px,
            record.channels,
            kinds,
            keep_severity=result.keep_severity,
        )
    detector = detector_of(run.load_detector(), record.channels, record.alignment)
    if part_threshold is not None:
        chains = [chain.model_copy(update={"part_threshold": part_threshold}) for chain in chains]
    return sweep(detector, classifier, chains, kinds, pictures, len(record.validation))


class _Detected:
    """A Detector that returns the same stored map at every threshold."""

    def __init__(self, severity: SeverityMap) -> None:
        self._severity = severity

    def detect(self, pixels: npt.NDArray[np.uint8]) -> SeverityMap:
        return self._severity


class _Named:
    """A Classifier that stores its results for one picture by box and peak."""

    def __init__(self, classifier: Classifier) -> None:
        self._classifier = classifier
        self._known: dict[tuple[Box, float], Defect | Dropped] = {}

    def classify(
        self, pixels: npt.NDArray[np.uint8], regions: tuple[Region, ...]
    ) -> tuple[Defect | Dropped, ...]:
        keys = [(region.box, region.peak_severity) for region in regions]
        new = {key: r for key, r in zip(keys, regions, strict=True) if key not in self._known}
        if new:
            answers = self._classifier.classify(pixels, tuple(new.values()))
            self._known.update(zip(new, answers, strict=True))
        pairs = zip(keys, regions, strict=True)
        return tuple(replace(self._known[key], region=region) for key, region in pairs)
