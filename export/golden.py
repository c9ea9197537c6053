"""The choice of golden frames, which a station must reproduce before it runs the bundle.

Where no held-back picture is defective, good ones get a synthetic defect
(models/augmentation/synthetic_defects.py). Good frames alone would prove nothing: a chain that
passes every part reproduces them. A T that rejects none of these gets a disc of one grey level,
the smallest that is rejected.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import cv2

from edge.bundle import AlignmentManifest, GoldenLimits, GoldenManifest
from edge.chain.golden import first_difference, golden_manifest
from edge.records import Decision, Frame
from export.chains import Examines, side_by_side
from export.errors import ExportError
from export.quantisation.calibration import crop
from export.synthetic_defects import with_disc, with_synthetic_defects
from models.data.dataset import Pixels
from models.training.patches import Picture
from models.training.progress import track

log = logging.getLogger(__name__)

# Kind ("" for a good part), golden frame, its picture, and the closest limits for all chains.
_Agreed = tuple[str, GoldenManifest, Pixels, GoldenLimits]

GOLDEN_FRAMES = 6
SYNTHETIC = "synthetic"  # the kind of a synthetic defect
SYNTHETIC_PICTURES = 8  # number of pictures with a synthetic defect
DISCS = (0.05, 0.1, 0.2, 0.4, 0.8)  # diameters that are tried, as shares of the shorter side
# Tried in this order. The first limits within which all builds agree on a defect are used.
LIMITS = tuple(
    GoldenLimits(severity=severity, area=area, confidence=confidence)
    for severity, area, confidence in ((0.5, 0.25, 0.25), (1.0, 0.35, 0.4), (2.0, 0.5, 0.5))
)


@dataclass(frozen=True, slots=True)
class Golden:
    """The golden frames, their pictures by file name, and the limits for every build."""

    frames: tuple[GoldenManifest, ...]
    files: dict[str, bytes]
    limits: GoldenLimits


def choose_golden(
    chains: Mapping[str, Examines],
    pictures: Sequence[Picture],
    size: tuple[int, int],
    threshold: float,
    alignment: AlignmentManifest | None = None,
) -> Golden:
    """Choose frames on which all chains agree: one for each kind of defect, then good ones.

    chains: the first build, the other builds, and the chain on torch. size: height and width of
    the static input in pixels, to which frames are cut. alignment: of the parts; frames are then
    whole, because a station aligns whole frames.

    The clearest frames are chosen, so that the rounding of another engine cannot change the
    decision: defects with a high confidence of the classifier, then with the highest peak, and good
    frames with the lowest peak. The limits are the closest at which a defect is left, and a good
    frame where the chains agree on one at all. Frames are stored as PNG. Raises ExportError where
    the chains agree on no defect.
    """
    frames = (
        (
            picture.sample.kinds[0] if picture.sample.kinds else "",
            _frame(picture, size, alignment),
        )
        for picture in track(pictures, "choosing golden frames")
    )
    shown = list(_agreed(chains, frames, threshold))
    if not any(each[0] for each in shown):
        shown += _agreed(chains, _synthetic(pictures, size, alignment), threshold)
    if not any(each[0] for each in shown):
        shown += _smallest_disc(chains, pictures, size, threshold, alignment)
    sorts = {bool(kind) for kind, *_ in shown} | {True}
    for limits in LIMITS:
        close = [each[:3] for each in shown if LIMITS.index(each[3]) <= LIMITS.index(limits)]
        chosen = _clearest(close)
        if sorts == {bool(kind) for kind, _, _ in chosen}:
            return _as_files(chosen, limits)
    raise ExportError(
        f"no validation picture with a real or synthetic defect is rejected in the same way by "
        f"{', '.join(chains)}; a station could not verify that the bundle still detects defects"
    )


def _agreed(
    chains: Mapping[str, Examines], frames: Iterable[tuple[str, Pixels]], threshold: float
) -> Iterator[_Agreed]:
    """Yield the frames with a right decision on which all chains agree, with the closest limits.

    frames: pairs of kind ("" for a good part) and pixels.
    """
    with side_by_side(chains) as examine:
        for kind, pixels in frames:
            first, *others = examine(Frame(0, 0, 0, 0, pixels)).values()
            golden = golden_manifest("golden/x.png", first)
            if (golden.decision == Decision.PASS.value) != (not kind):
                continue
            for limits in LIMITS:
                if all(
                    first_difference(golden, each, limits, threshold) is None for each in others
                ):
                    yield kind, golden, pixels, limits
                    break


def _frame(picture: Picture, size: tuple[int, int], alignment: AlignmentManifest | None) -> Pixels:
    """Return a picture, cut around its defect or its centre unless parts are aligned."""
    if alignment is not None:
        return picture.pixels
    return crop(picture.pixels, picture.kind_map, size)


def _synthetic(
    pictures: Sequence[Picture], size: tuple[int, int], alignment: AlignmentManifest | None
) -> Iterator[tuple[str, Pixels]]:
    """Yield good pictures with a synthetic defect, cut around it."""
    for picture in islice(with_synthetic_defects(pictures, alignment), SYNTHETIC_PICTURES):
        yield SYNTHETIC, _frame(picture, size, alignment)


def _smallest_disc(
    chains: Mapping[str, Examines],
    pictures: Sequence[Picture],
    size: tuple[int, int],
    threshold: float,
    alignment: AlignmentManifest | None,
) -> list[_Agreed]:
    """Return frames with the smallest disc that all chains reject on a picture; [] for none."""
    good = [picture for picture in pictures if picture.sample.is_good][:SYNTHETIC_PICTURES]
    for share in DISCS:
        changed = (with_disc(picture, share, alignment) for picture in good)
        frames = ((SYNTHETIC, _frame(each, size, alignment)) for each in changed)
        if agreed := list(_agreed(chains, frames, threshold)):
            log.warning(
                "golden frames: at T %.1f no small synthetic defect is rejected, so the bundle "
                "proves itself with a disc of %.0f %% of the shorter side; small defects pass. "
                "Add pictures of good and of defective parts, or allow more false rejects",
                threshold,
                100 * share,
            )
            return agreed
    return []


_Shown = tuple[str, GoldenManifest, Pixels]


def _clearest(shown: list[_Shown]) -> list[_Shown]:
    rejects = sorted((s for s in shown if s[0]), key=lambda s: _clarity(s[1]))
    best = {kind: (kind, golden, pixels) for kind, golden, pixels in rejects}
    passes = sorted(
        (s for s in shown if not s[0]),
        key=lambda s: max(s[1].peak_severity, s[1].part_score or 0.0),
    )
    chosen = [best[kind] for kind in sorted(best)][: GOLDEN_FRAMES - 1]
    return chosen + passes[: GOLDEN_FRAMES - len(chosen)]


def _clarity(golden: GoldenManifest) -> tuple[float, float]:
    """Return the lowest confidence among the defects of a rejected frame, and the peak severity.

    A frame that is rejected by the score of the part may have no defect. Its score counts instead.
    """
    sure = min((defect.confidence for defect in golden.defects), default=0.0)
    return round(sure, 1), max(golden.peak_severity, golden.part_score or 0.0)


def _as_files(chosen: list[_Shown], limits: GoldenLimits) -> Golden:
    frames, files = [], {}
    for number, (_, golden, pixels) in enumerate(chosen):
        name = f"golden/{number:02d}.png"
        files[name] = cv2.imencode(".png", pixels)[1].tobytes()
        frames.append(golden.model_copy(update={"file": name}))
    return Golden(tuple(frames), files, limits)
