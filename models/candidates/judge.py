"""Figures of every candidate on the same pictures, and the one to recommend."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
import torch

from edge.bundle import ChainManifest, KindManifest
from edge.bundle.manifest import DetectorKind
from edge.chain.detect import Detector
from edge.chain.filter import TOLERANCE
from edge.chain.inspector import Inspector
from edge.records import Decision, Frame
from models.candidates.pictures import JudgedPictures
from models.candidates.record import MethodCandidate
from models.candidates.resample import Floats, better, resampled_auroc
from models.evaluation.float_chain import detector_of, float_inspector
from models.evaluation.metrics import auroc, average_precision
from models.evaluation.threshold import GRID
from models.runs.run import Run
from models.training.patches import Picture
from models.training.progress import stage, track

ENOUGH_BAD = 8  # physical parts: below, painted flaws are ranked by as well
SURE = 0.95  # share of resamples in which a candidate is better
MOST_NEEDED = 10_000  # flaws: who needs more to tell two candidates apart has two alike
ROUNDS = 7  # of timing, of which the median counts
_ONE_SIDED = statistics.NormalDist().inv_cdf(SURE)


@dataclass(frozen=True, slots=True)
class Side:
    """What a chain makes of some pictures, in their order: peak severity, and whether rejected."""

    peaks: Floats
    rejected: npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Scores:
    """Of one candidate, at its T."""

    threshold: float
    good: Side
    bad: Side
    painted: Side


@dataclass(frozen=True, slots=True)
class Judgement:
    """candidates: the recommended one first. needed_bad: as in Comparison."""

    candidates: tuple[MethodCandidate, ...]
    ranked_by_bad: bool
    needed_bad: int | None


def scores_of(run: Run, pictures: JudgedPictures, limit: float) -> Scores:
    """What a run's detector makes of the pictures, on the float chain without a classifier, at the
    run's T where that keeps a limit of false rejects, else at the lowest that keeps ``limit``, 0 to
    1, on the good pictures. Blocks."""
    record, result = run.record(), run.result()
    detector = detector_of(run.load_detector(), record.channels)
    threshold = result.threshold
    if record.recipe.chain.max_false_rejects is None:
        good = track(pictures.good, f"{record.recipe.method}: searching for T on good pictures")
        peaks = [detector.detect(picture.pixels).peak() for picture in good]
        threshold = threshold_within(np.array(peaks, np.float64), limit)
    inspector = chain_of(run, detector, threshold)

    def side(some: Sequence[Picture]) -> Side:
        seen = track(some, f"{record.recipe.method}: judging pictures for the comparison")
        verdicts = [inspector.inspect(Frame(0, 0, 0, 0, picture.pixels)) for picture in seen]
        return Side(
            np.array([verdict.peak_severity for verdict in verdicts], np.float64),
            np.array([verdict.decision is Decision.REJECT for verdict in verdicts], np.bool_),
        )

    return Scores(threshold, side(pictures.good), side(pictures.bad), side(pictures.painted))


def chain_of(run: Run, detector: Detector, threshold: float) -> Inspector:
    """A run's chain in float at a T, without a classifier."""
    record = run.record()
    kinds = tuple(KindManifest(name=kind) for kind in record.kinds)
    chain = ChainManifest(threshold=threshold, join_px=run.result().join_px)
    return float_inspector(detector, None, record.channels, chain, kinds)


def judge(
    runs: Mapping[DetectorKind, Run],
    scores: Mapping[DetectorKind, Scores],
    pictures: JudgedPictures,
) -> Judgement:
    """Every candidate's figures. scores: what ``scores_of`` gave for each.

    The best by AUROC to three digits is recommended; among equals the one with fewer flaws passed
    at the limit, then the faster one. Raises ValueError without a good picture, or where neither a
    bad one nor a painted one is there.
    """
    names = list(runs)
    by_bad = pictures.bad_parts >= ENOUGH_BAD
    flawed = pictures.bad if by_bad else (*pictures.bad, *pictures.painted)
    if not pictures.good or not flawed:
        raise ValueError("no good or no bad picture to judge by")
    good = np.stack([scores[name].good.peaks for name in names])
    bad = np.stack([_flawed(scores[name], by_bad=by_bad) for name in names])
    with stage("comparing the candidates by resampled parts"):
        resampled = resampled_auroc(good, bad, _parts(pictures.good), _parts(flawed))
    found = {
        name: _figures(run, scores[name], pictures, by_bad, resampled[:, number])
        for number, (name, run) in enumerate(runs.items())
    }
    order = sorted(names, key=lambda name: _rank(found[name]))
    first = resampled[:, names.index(order[0])]
    ranked = [found[order[0]]]
    for name in order[1:]:
        behind = better(first, resampled[:, names.index(name)])
        ranked.append(found[name].model_copy(update={"behind": round(behind, 4)}))
    needed = None
    if len(ranked) > 1:
        needed = _needed(ranked, first - resampled[:, names.index(order[1])], len(flawed))
    return Judgement(tuple(ranked), by_bad, needed)


def threshold_within(good: npt.NDArray[np.float64], limit: float) -> float:
    """The lowest T of the search's grid at which at most ``limit`` of the good pictures have a peak
    at or above it; the highest where none is."""
    rates = (good[:, None] >= GRID[None] - TOLERANCE).mean(0)
    within = np.flatnonzero(rates <= limit)
    return float(GRID[within[0]] if len(within) else GRID[-1])


def _figures(
    run: Run, scores: Scores, pictures: JudgedPictures, by_bad: bool, resampled: Floats
) -> MethodCandidate:
    good = scores.good.peaks
    bad, painted = (_against(good, some.peaks) for some in (scores.bad, scores.painted))
    low, high = np.percentile(resampled, (2.5, 97.5)).tolist()
    result = run.result()
    return MethodCandidate(
        method=run.record().recipe.method,
        training_s=result.training_s or 0.0,
        ms_per_frame=round(ms_per_frame(run, pictures.good), 2),
        size_bytes=next(
            p.stat().st_size for p in (run.detector_path, run.detector_file) if p.is_file()
        ),
        threshold=scores.threshold,
        escapes=_passed(scores.bad),
        false_rejects=int(scores.good.rejected.sum()),
        painted_escapes=_passed(scores.painted),
        image_ap=bad[0],
        image_auroc=bad[1],
        painted_auroc=painted[1],
        figure=_against(good, _flawed(scores, by_bad=by_bad))[1] or 0.0,
        figure_low=low,
        figure_high=high,
    )


def _passed(side: Side) -> int | None:
    """None, which is unknown, where there is no picture."""
    return int((~side.rejected).sum()) if len(side.rejected) else None


def _against(good: Floats, bad: Floats) -> tuple[float | None, float | None]:
    """Average precision and AUROC of bad against good; None without a bad one."""
    if not len(bad):
        return None, None
    positive = [False] * len(good) + [True] * len(bad)
    values = [*good.tolist(), *bad.tolist()]
    return average_precision(positive, values), auroc(positive, values)


def _flawed(scores: Scores, *, by_bad: bool) -> Floats:
    if by_bad:
        return scores.bad.peaks
    return np.concatenate([scores.bad.peaks, scores.painted.peaks])


def _rank(candidate: MethodCandidate) -> tuple[float, int, float]:
    passed = (candidate.escapes or 0) + (candidate.painted_escapes or 0)
    return -round(candidate.figure, 3), passed, candidate.ms_per_frame


def _needed(ranked: Sequence[MethodCandidate], differences: Floats, flaws: int) -> int | None:
    """Flaws at which the first is surely better than the second if the difference stays what it is:
    its spread shrinks as the root of their number."""
    ahead = ranked[0].figure - ranked[1].figure
    spread = float(differences.std())
    if ahead <= 0.0 or (ranked[1].behind or 0.0) >= SURE:
        return None
    needed = math.ceil(flaws * (_ONE_SIDED * spread / ahead) ** 2)
    return needed if flaws < needed <= MOST_NEEDED else None


def _parts(pictures: Iterable[Picture]) -> list[str]:
    return [picture.sample.group for picture in pictures]


def ms_per_frame(run: Run, pictures: Sequence[Picture]) -> float:
    """Median time of the detector in float on one core, over pictures of the usual size."""
    detector = detector_of(run.load_detector(), run.record().channels)
    middle = sorted(pictures, key=lambda picture: picture.kind_map.size)[len(pictures) // 2]
    with _one_core():
        return statistics.median(_timed(detector, middle))


def _timed(detector: Detector, picture: Picture) -> Iterator[float]:
    detector.detect(picture.pixels)
    for _ in range(ROUNDS):
        began = time.perf_counter()
        detector.detect(picture.pixels)
        yield (time.perf_counter() - began) * 1e3


@contextmanager
def _one_core() -> Iterator[None]:
    threads, of_cv = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        cv2.setNumThreads(of_cv)
