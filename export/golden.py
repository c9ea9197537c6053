"""Golden frames: what a station must reproduce before it runs the bundle.

Where no defective picture is held back, a flaw is painted on good ones
(models/augmentation/synthetic_defects.py): a chain that passes everything would reproduce any
number of good frames.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import cv2

from edge.bundle import GoldenLimits, GoldenManifest
from edge.chain.golden import difference, golden_of
from edge.records import Decision, Frame
from export.chains import Examines
from export.errors import ExportError
from export.quantisation.calibration import crop
from export.synthetic_defects import with_synthetic_defects
from models.data.dataset import Pixels
from models.training.patches import Picture
from models.training.progress import track

GOLDEN_FRAMES = 6
SYNTHETIC = "planted"  # stands for the kind of a painted flaw
SYNTHETIC_PICTURES = 8  # that are painted on
# Tried in this order: the closest within which every build shares enough frames.
LIMITS = tuple(
    GoldenLimits(severity=severity, area=area, confidence=confidence)
    for severity, area, confidence in ((0.5, 0.25, 0.25), (1.0, 0.35, 0.4), (2.0, 0.5, 0.5))
)


@dataclass(frozen=True, slots=True)
class Golden:
    """The frames, their pictures by name of file, and how closely every build reproduces them."""

    frames: tuple[GoldenManifest, ...]
    files: dict[str, bytes]
    limits: GoldenLimits


def choose_golden(
    chains: Mapping[str, Examines],
    pictures: Sequence[Picture],
    size: tuple[int, int],
    threshold: float,
) -> Golden:
    """Frames of which every chain says what the first one says: one per kind, then good ones.

    chains: the build the bundle is judged by first, then the others and float. Of each group the
    plainest, so that another engine's rounding cannot turn them: defects that the classifier is
    sure of, then of the highest peak; good frames of the lowest. Cut to the static shape, kept as
    PNG. Raises ExportError where no defect is seen alike by all.
    """
    frames = (
        (
            picture.sample.kinds[0] if picture.sample.kinds else "",
            crop(picture.pixels, picture.kind_map, size),
        )
        for picture in track(pictures, "choosing golden frames")
    )
    shown = list(_alike(chains, frames, threshold))
    if not any(each[0] for each in shown):
        shown += _alike(chains, _painted(pictures, size), threshold)
    for limits in LIMITS:
        close = [each[:3] for each in shown if LIMITS.index(each[3]) <= LIMITS.index(limits)]
        chosen = _plainest(close)
        if any(kind for kind, _, _ in chosen):
            return _as_files(chosen, limits)
    raise ExportError(
        f"no validation picture with a defect, and no good one with a painted flaw, is rejected "
        f"alike by {', '.join(chains)}; a station could not prove that the bundle still sees"
    )


def _alike(
    chains: Mapping[str, Examines], frames: Iterable[tuple[str, Pixels]], threshold: float
) -> Iterator[tuple[str, GoldenManifest, Pixels, GoldenLimits]]:
    """The frames (kind, '' for a good part, and pixels) that every chain judges right and as the
    first does, each with the closest limits."""
    first, *others = chains.values()
    for kind, pixels in frames:
        frame = Frame(0, 0, 0, 0, pixels)
        golden = golden_of("golden/x.png", first.examine(frame))
        if (golden.decision == Decision.PASS.value) != (not kind):
            continue
        seen = [other.examine(frame) for other in others]
        for limits in LIMITS:
            if all(difference(golden, each, limits, threshold) is None for each in seen):
                yield kind, golden, pixels, limits
                break


def _painted(pictures: Sequence[Picture], size: tuple[int, int]) -> Iterator[tuple[str, Pixels]]:
    """Good pictures with a flaw, cut about it."""
    for picture in islice(with_synthetic_defects(pictures), SYNTHETIC_PICTURES):
        yield SYNTHETIC, crop(picture.pixels, picture.kind_map, size)


_Shown = tuple[str, GoldenManifest, Pixels]


def _plainest(shown: list[_Shown]) -> list[_Shown]:
    rejects = sorted((s for s in shown if s[0]), key=lambda s: _plainness(s[1]))
    best = {kind: (kind, golden, pixels) for kind, golden, pixels in rejects}
    passes = sorted((s for s in shown if not s[0]), key=lambda s: s[1].peak_severity)
    chosen = [best[kind] for kind in sorted(best)][: GOLDEN_FRAMES - 1]
    return chosen + passes[: GOLDEN_FRAMES - len(chosen)]


def _plainness(golden: GoldenManifest) -> tuple[float, float]:
    """Of a frame that is rejected: the least sure of its defects counts."""
    return round(min(defect.confidence for defect in golden.defects), 1), golden.peak_severity


def _as_files(chosen: list[_Shown], limits: GoldenLimits) -> Golden:
    frames, files = [], {}
    for number, (_, golden, pixels) in enumerate(chosen):
        name = f"golden/{number:02d}.png"
        files[name] = cv2.imencode(".png", pixels)[1].tobytes()
        frames.append(golden.model_copy(update={"file": name}))
    return Golden(tuple(frames), files, limits)
