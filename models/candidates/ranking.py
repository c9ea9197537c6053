"""The figures of every candidate on the same pictures, and the ranking."""

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

from edge.bundle import KindManifest
from edge.bundle.kinds import DetectorKind
from edge.chain.detect import Detector
from edge.chain.inspector import Inspector
from edge.records import Decision, Frame
from models.candidates.pictures import JudgedPictures
from models.candidates.record import MethodCandidate
from models.candidates.resample import Floats, better, resampled_auroc
from models.evaluation.float_chain import detector_of, float_inspector
from models.evaluation.metrics import auroc, average_precision
from models.networks import SEVERITY_MAX
from models.runs.run import Run
from models.training.patches import Picture
from models.training.progress import stage, track

ENOUGH_BAD = 8  # physical parts; with fewer, synthetic defects count in the ranking as well
CHANCE = 0.5  # the AUROC of a method that guesses
SURE = 0.95  # share of resamples in which a candidate must be better
MOST_NEEDED = 10_000  # defects; candidates that need more to differ are equally good
# Recommended where synthetic defects rank and no other method is further ahead in AUROC than this:
# they do not rank methods as real defects do (decision 81).
PREFERRED: DetectorKind = "ensemble"
FAR_AHEAD = 0.1
ROUNDS = 7  # of the timing; the median counts
_ONE_SIDED = statistics.NormalDist().inv_cdf(SURE)


@dataclass(frozen=True, slots=True)
class SideResult:
    """The results of a chain on pictures, in their order: peak severities and rejections."""

    peaks: Floats
    rejected: npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class CandidateScores:
    """The results of one candidate. threshold: the severity that decides."""

    threshold: float
    good: SideResult
    bad: SideResult
    synthetic: SideResult


@dataclass(frozen=True, slots=True)
class Ranking:
    """The ranked candidates, the recommended one first. needed_bad: as in CandidateComparison."""

    candidates: tuple[MethodCandidate, ...]
    ranked_by_bad: bool
    needed_bad: int | None


def scores_of(run: Run, pictures: JudgedPictures) -> CandidateScores:
    """Run the float chain of a run on the pictures. Blocks.

    With a decision head the score of the part stands for the peak.
    """
    record = run.record()
    detector = detector_of(run.load_detector(), record.channels, record.alignment)
    inspector = chain_of(run, detector)

    def side(group: Sequence[Picture]) -> SideResult:
        progress = track(group, f"{record.recipe.method}: judging pictures for the comparison")
        verdicts = [inspector.inspect(Frame(0, 0, 0, 0, picture.pixels)) for picture in progress]
        return SideResult(
            np.array(
                [
                    verdict.peak_severity if verdict.part_score is None else verdict.part_score
                    for verdict in verdicts
                ],
                np.float64,
            ),
            np.array([verdict.decision is Decision.REJECT for verdict in verdicts], np.bool_),
        )

    return CandidateScores(
        _limit_of(run), side(pictures.good), side(pictures.bad), side(pictures.synthetic)
    )


def chain_of(run: Run, detector: Detector) -> Inspector:
    """Return the float chain of a run, with its own limits."""
    record, result = run.record(), run.result()
    kinds = tuple(KindManifest(name=kind) for kind in record.kinds)
    return float_inspector(
        detector,
        run.load_classifier(),
        record.channels,
        result.chain(),
        kinds,
        keep_severity=result.keep_severity,
    )


def _limit_of(run: Run) -> float:
    """Return the severity that decides: of the part, of a defect, or T."""
    result = run.result()
    if run.record().recipe.decides:
        return SEVERITY_MAX if result.part_threshold is None else result.part_threshold
    return result.threshold if result.reject_severity is None else result.reject_severity


def rank_candidates(
    runs: Mapping[DetectorKind, Run],
    scores: Mapping[DetectorKind, CandidateScores],
    pictures: JudgedPictures,
) -> Ranking:
    """Rank the candidates and return their figures. scores: the results of ``scores_of``.

    The candidate with the highest AUROC to three digits is recommended. Among equals, the one that
    passes fewer defects at its T comes first, then the faster one. Where fewer than ENOUGH_BAD
    parts are bad, PREFERRED comes first unless another one is far ahead. Raises ValueError where
    there is no good picture, or neither a bad nor a synthetic one.
    """
    names = list(runs)
    by_bad = pictures.bad_parts >= ENOUGH_BAD
    bad_pictures = pictures.bad if by_bad else (*pictures.bad, *pictures.synthetic)
    if not pictures.good or not bad_pictures:
        raise ValueError("expected at least one good and one bad picture")
    good = np.stack([scores[name].good.peaks for name in names])
    bad = np.stack([_bad_peaks(scores[name], by_bad=by_bad) for name in names])
    with stage("comparing the candidates by resampled parts"):
        resampled = resampled_auroc(good, bad, _parts(pictures.good), _parts(bad_pictures))
    figures = {
        name: _figures(run, scores[name], pictures, by_bad, resampled[:, number])
        for number, (name, run) in enumerate(runs.items())
    }
    order = sorted(names, key=lambda name: _rank(figures[name]))
    if not by_bad and _is_preferred(figures, order[0]):
        order = [PREFERRED, *(name for name in order if name != PREFERRED)]
    first = resampled[:, names.index(order[0])]
    ranked = [figures[order[0]]]
    for name in order[1:]:
        behind = better(first, resampled[:, names.index(name)])
        ranked.append(figures[name].model_copy(update={"behind": round(behind, 4)}))
    needed = None
    if len(ranked) > 1:
        needed = _needed(ranked, first - resampled[:, names.index(order[1])], len(bad_pictures))
    return Ranking(tuple(ranked), by_bad, needed)


def _figures(
    run: Run, scores: CandidateScores, pictures: JudgedPictures, by_bad: bool, resampled: Floats
) -> MethodCandidate:
    good = scores.good.peaks
    bad, synthetic = (_against(good, side.peaks) for side in (scores.bad, scores.synthetic))
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
        synthetic_escapes=_passed(scores.synthetic),
        image_ap=bad[0],
        image_auroc=bad[1],
        synthetic_auroc=synthetic[1],
        figure=_against(good, _bad_peaks(scores, by_bad=by_bad))[1] or 0.0,
        figure_low=low,
        figure_high=high,
    )


def _passed(side: SideResult) -> int | None:
    """Return the number of passed pictures; None (unknown) where there is no picture."""
    return int((~side.rejected).sum()) if len(side.rejected) else None


def _against(good: Floats, bad: Floats) -> tuple[float | None, float | None]:
    """Return average precision and AUROC of bad against good; None without a bad picture."""
    if not len(bad):
        return None, None
    positive = [False] * len(good) + [True] * len(bad)
    values = [*good.tolist(), *bad.tolist()]
    return average_precision(positive, values), auroc(positive, values)


def _bad_peaks(scores: CandidateScores, *, by_bad: bool) -> Floats:
    if by_bad:
        return scores.bad.peaks
    return np.concatenate([scores.bad.peaks, scores.synthetic.peaks])


def _rank(candidate: MethodCandidate) -> tuple[float, int, float]:
    passed = (candidate.escapes or 0) + (candidate.synthetic_escapes or 0)
    return -round(candidate.figure, 3), passed, candidate.ms_per_frame


def _is_preferred(figures: Mapping[DetectorKind, MethodCandidate], best: DetectorKind) -> bool:
    """Return true where PREFERRED works and the best candidate is not far ahead of it."""
    own = figures.get(PREFERRED)
    return (
        own is not None
        and own.figure_low > CHANCE
        and figures[best].figure - own.figure <= FAR_AHEAD
    )


def _needed(ranked: Sequence[MethodCandidate], differences: Floats, defects: int) -> int | None:
    """Return the number of defects that would show the first candidate to be better.

    The estimate assumes that the difference stays the same, and that its spread shrinks with the
    square root of the number. None where the difference is already clear, or too small.
    """
    ahead = ranked[0].figure - ranked[1].figure
    spread = float(differences.std())
    if ahead <= 0.0 or (ranked[1].behind or 0.0) >= SURE:
        return None
    needed = math.ceil(defects * (_ONE_SIDED * spread / ahead) ** 2)
    return needed if defects < needed <= MOST_NEEDED else None


def _parts(pictures: Iterable[Picture]) -> list[str]:
    return [picture.sample.group for picture in pictures]


def ms_per_frame(run: Run, pictures: Sequence[Picture]) -> float:
    """Return the median time of the float detector on one core, for a picture of median size."""
    record = run.record()
    detector = detector_of(run.load_detector(), record.channels, record.alignment)
    middle = sorted(pictures, key=lambda picture: picture.kind_map.size)[len(pictures) // 2]
    with _one_core():
        return statistics.median(_timed(detector, middle))


def _timed(detector: Detector, picture: Picture) -> Iterator[float]:
    detector.detect(picture.pixels)
    for _ in range(ROUNDS):
        start = time.perf_counter()
        detector.detect(picture.pixels)
        yield (time.perf_counter() - start) * 1e3


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
