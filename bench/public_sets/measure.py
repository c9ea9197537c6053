"""Measurement of a packed bundle on the test side of a fold, through the chain of the station."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from rich.progress import track

from bench.public_sets.figures import PictureScore, accuracy_figures
from bench.public_sets.fold import Fold, side_of
from bench.timing import Spread, Turns, interleave
from edge.api import load_inspector
from edge.chain.inspector import Inspector
from edge.records import Frame
from models.data.dataset import DataError, DataSet, Pixels, read_pixels
from models.evaluation.evaluate import outcome_of
from models.evaluation.metrics import PictureOutcome
from models.evaluation.pixel_ranking import PixelCounts, PixelRanking, pixel_severity
from models.training.patches import Picture

TIMED_FRAMES = 6  # spread evenly over the test side
TURNS = Turns(rounds=5, repeat=3, settle=1, turn_ms=2000.0)


def measure_bundle(bundle: Path, fold: Fold) -> tuple[dict[str, object], tuple[PictureScore, ...]]:
    """Return the measured figures by their names in FoldFigures, and the score of each picture.

    Lists and reads the test side. Blocks for all its pictures. Bind the process to one core first.
    Raises DataError, and BundleError for a bundle that the station would refuse.
    """
    test = side_of(fold.root, fold.test())
    if not test.samples:
        raise DataError(f"{fold.root}: the test side holds no picture")
    inspector = load_inspector(bundle)
    outcomes, ranking = examine(inspector, test)
    data = bundle.read_bytes()
    scores = tuple(
        PictureScore(file=o.name, defective=o.defective, rejected=o.rejected, score=o.score)
        for o in outcomes
    )
    figures: dict[str, object] = {
        **accuracy_figures(outcomes, ranking),
        "ms": time_frame(inspector, test),
        "bundle_bytes": len(data),
        "bundle_sha256": hashlib.sha256(data).hexdigest(),
    }
    return figures, scores


def examine(inspector: Inspector, test: DataSet) -> tuple[tuple[PictureOutcome, ...], PixelRanking]:
    """Return the outcome of every picture, and the ranking of all pixels of drawn pictures."""
    counts = PixelCounts()
    outcomes = tuple(track(_outcomes(inspector, test, counts), "measuring", len(test.samples)))
    return outcomes, counts.ranking()


def _outcomes(inspector: Inspector, test: DataSet, counts: PixelCounts) -> Iterator[PictureOutcome]:
    for number, sample in enumerate(test.samples):
        pixels, kind_map = read_pixels(sample.image_path), test.load_kind_map(sample)
        inspection = inspector.examine(Frame(number, number, 0, 0, pixels))
        if not sample.unmasked:
            height, width = kind_map.shape
            severity = pixel_severity(inspection.severity, height, width)
            counts.add(severity, kind_map > 0)
        yield outcome_of(inspection, Picture(sample, pixels, kind_map), test.kinds)


def time_frame(inspector: Inspector, test: DataSet, turns: Turns = TURNS) -> float:
    """Return the median milliseconds of the whole chain for one frame of the test side."""
    some = test.samples[:: max(len(test.samples) // TIMED_FRAMES, 1)][:TIMED_FRAMES]
    frames = [read_pixels(sample.image_path) for sample in some]
    taken = interleave({0: _round(inspector, frames)}, turns)
    return Spread.of(taken[0]).median_ms / len(frames)


def _round(inspector: Inspector, frames: Sequence[Pixels]) -> Callable[[], None]:
    def run() -> None:
        for number, pixels in enumerate(frames):
            inspector.inspect(Frame(number, number, 0, 0, pixels))

    return run
