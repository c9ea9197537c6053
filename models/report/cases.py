"""The worst misses and false alarms, as pictures with their captions."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from edge.chain.inspector import Inspection, Inspector
from edge.records import Box, Defect, Frame, SeverityMap
from models.data.dataset import Pixels, as_channels
from models.evaluation.metrics import PictureOutcome
from models.training.patches import Picture
from models.training.progress import track

MOST = 8  # number of shown cases of each sort
SIDE_PX = 320
JPEG_QUALITY = 80
ANNOTATED, REPORTED, TINT = (178, 114, 0), (0, 94, 213), (66, 228, 240)  # BGR, Okabe & Ito
_RING_PX = 6  # width of the ring around a region with which its brightness is compared


@dataclass(frozen=True, slots=True)
class Case:
    """One picture as two JPEG data URIs: the frame, and a copy with marks."""

    name: str
    caption: str
    frame: str
    marked: str


@dataclass(frozen=True, slots=True)
class FalseAlarm:
    """A reported region that touches no annotated defect.

    good: true for a good part. contrast: mean grey level inside the box minus that around it.
    """

    good: bool
    kind: str
    area_px: int
    at_edge: bool
    contrast: float


@dataclass(frozen=True, slots=True)
class Cases:
    """The worst cases of each sort, worst first, and all false alarms on validation pictures.

    misses: defective parts that were passed. overlooked: parts that were rejected for a region
    other than one of their defects.
    """

    misses: tuple[Case, ...]
    alarms: tuple[Case, ...]
    false_alarms: tuple[FalseAlarm, ...]
    overlooked: tuple[Case, ...] = ()


def find_cases(
    inspector: Inspector,
    outcomes: Sequence[PictureOutcome],
    groups: Mapping[str, str],
    load: Callable[[str], Picture],
) -> Cases:
    """Look again at every picture with a false alarm and at the worst misses. Blocks.

    outcomes: this chain's. groups: the physical part, and load: the picture, by outcome's name.
    """
    shown: list[Case] = []
    regions: list[FalseAlarm] = []
    alarmed = _one_per_part(worst_alarms(outcomes), groups)
    for outcome in track(alarmed, "looking at false alarms again"):
        picture = load(outcome.name)
        inspection = _examine(inspector, picture)
        false = false_defects(inspection, picture.kind_map)
        regions += [_false_alarm(picture, defect) for defect in false]
        if len(shown) < MOST:
            regions_text = ", ".join(f"{d.kind} {d.region.peak_severity:.1f}" for d in false[:3])
            part = ", ".join(outcome.kinds) or "good part"
            shown.append(_case(picture, inspection, f"{part}; false alarm: {regions_text}"))

    def missed(some: Sequence[PictureOutcome]) -> tuple[Case, ...]:
        progress = track(_one_per_part(some, groups)[:MOST], "looking at misses again")
        return tuple(_missed(inspector, outcome, load(outcome.name)) for outcome in progress)

    return Cases(
        missed(worst_misses(outcomes)),
        tuple(shown),
        tuple(regions),
        missed(overlooked(outcomes)),
    )


def _missed(inspector: Inspector, outcome: PictureOutcome, picture: Picture) -> Case:
    inspection = _examine(inspector, picture)
    verdict = inspection.verdict
    drawn = f"{outcome.hit_px} of {outcome.annotated_px} annotated px reported"
    caption = (
        f"{', '.join(picture.sample.kinds)}; "
        f"{'escaped' if _escaped(outcome) else 'rejected'}: {verdict.reason}; "
        f"{'not drawn' if outcome.unmasked else drawn}, "
        f"peak severity {verdict.peak_severity:.1f}"
    )
    return _case(picture, inspection, caption)


def worst_misses(outcomes: Sequence[PictureOutcome]) -> tuple[PictureOutcome, ...]:
    """Return the escapes: defective parts that were passed. Most missed pixels first."""
    return _by_missed(o for o in outcomes if _escaped(o))


def overlooked(outcomes: Sequence[PictureOutcome]) -> tuple[PictureOutcome, ...]:
    """Return rejected parts with a defect that no report touches. Most missed pixels first."""
    return _by_missed(
        o for o in outcomes if o.rejected and any(match.iou == 0.0 for match in o.matches)
    )


def _by_missed(outcomes: Iterable[PictureOutcome]) -> tuple[PictureOutcome, ...]:
    return tuple(sorted(outcomes, key=lambda o: (o.hit_px - o.annotated_px, o.name)))


def worst_alarms(outcomes: Sequence[PictureOutcome]) -> tuple[PictureOutcome, ...]:
    """Return parts with a reported region that touches no defect, good parts and high scores first.

    Defective parts without a mask are left out, because the region may be the defect.
    """
    alarmed = (o for o in outcomes if 0.0 in o.reported_ious and not o.unmasked)
    return tuple(sorted(alarmed, key=lambda o: (o.defective, -o.score, o.name)))


def false_defects(inspection: Inspection, kind_map: Pixels) -> tuple[Defect, ...]:
    """Return the reported defects that touch no annotated pixel. kind_map: uint8 H×W."""
    components = inspection.components
    if components is None:
        return ()
    height, width = components.labels.shape
    annotated = (
        kind_map[
            components.top : components.top + height, components.left : components.left + width
        ]
        > 0
    )
    touching = set(np.unique(components.labels[annotated]).tolist())
    named = zip(inspection.defect_labels, inspection.verdict.defects, strict=True)
    return tuple(defect for label, defect in named if label not in touching)


def marked(picture: Picture, severity: SeverityMap, reported: Pixels) -> Pixels:
    """Return a marked copy of a picture: uint8 h×w×3 (BGR), with sides of at most SIDE_PX.

    Severity is a yellow tint, the annotated outline blue, the reported outline orange. reported:
    uint8 H×W, 255 inside reported regions.
    """
    image = as_channels(shrunk(picture.pixels), 3).astype(np.float32)
    height, width = picture.kind_map.shape
    cells = (severity.values.astype(np.float32) - severity.zero_point) * severity.scale
    stride = severity.stride_px
    fine = cv2.resize(cells, (cells.shape[1] * stride, cells.shape[0] * stride))[:height, :width]
    size = (image.shape[1], image.shape[0])
    weight = cv2.resize(fine, size, interpolation=cv2.INTER_AREA)[:, :, None] * (0.6 / 12.0)
    image += (np.array(TINT, np.float32) - image) * weight.clip(0.0, 0.6)
    canvas = np.ascontiguousarray(image.clip(0, 255).astype(np.uint8))
    for mask, colour in ((picture.kind_map > 0, ANNOTATED), (reported > 0, REPORTED)):
        # Any share of a pixel counts, so that a thin defect stays visible in a small picture.
        small = cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0
        outlines, _ = cv2.findContours(
            small.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
        )
        cv2.drawContours(canvas, outlines, -1, colour, 1)
    return canvas


def shrunk(pixels: Pixels) -> Pixels:
    """Return the picture with its longer side at most SIDE_PX.

    A small picture is enlarged by a whole factor.
    """
    height, width = pixels.shape[:2]
    longest = max(height, width)
    factor = SIDE_PX // longest if longest < SIDE_PX else SIDE_PX / longest
    size = (max(round(width * factor), 1), max(round(height * factor), 1))
    how = cv2.INTER_NEAREST if factor >= 1 else cv2.INTER_AREA
    return np.asarray(cv2.resize(pixels, size, interpolation=how), np.uint8)


def data_uri(pixels: Pixels) -> str:
    """Return the picture as a JPEG in a data URI."""
    encoded = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1]
    return "data:image/jpeg;base64," + base64.b64encode(encoded.tobytes()).decode("ascii")


def _one_per_part(
    outcomes: Sequence[PictureOutcome], groups: Mapping[str, str]
) -> list[PictureOutcome]:
    """Return the outcomes in another order: the worst of each physical part, then the second, …

    Eight pictures of one part show no more than one picture.
    """
    counts: Counter[str] = Counter()
    places = []
    for outcome in outcomes:
        places.append(counts[groups[outcome.name]])
        counts[groups[outcome.name]] += 1
    order = sorted(range(len(outcomes)), key=lambda i: places[i])
    return [outcomes[i] for i in order]


def _escaped(outcome: PictureOutcome) -> bool:
    return outcome.defective and not outcome.rejected


def _examine(inspector: Inspector, picture: Picture) -> Inspection:
    return inspector.examine(Frame(0, 0, 0, 0, picture.pixels))


def _case(picture: Picture, inspection: Inspection, caption: str) -> Case:
    name = picture.sample.name
    return Case(name, caption, data_uri(shrunk(picture.pixels)), marked_uri(picture, inspection))


def marked_uri(picture: Picture, inspection: Inspection) -> str:
    """Return a copy marked with the result of a chain (see ``marked``), as a data URI."""
    reported = inspection.defect_mask(*picture.kind_map.shape)
    return data_uri(marked(picture, inspection.severity, reported))


def _false_alarm(picture: Picture, defect: Defect) -> FalseAlarm:
    box = defect.region.box
    height, width = picture.kind_map.shape
    edge = box.left <= 0 or box.top <= 0 or box.right >= width or box.bottom >= height
    contrast = _contrast(as_channels(picture.pixels, 1), box)
    return FalseAlarm(picture.sample.is_good, defect.kind, defect.region.area_px, edge, contrast)


def _contrast(grey: npt.NDArray[np.uint8], box: Box) -> float:
    """Return the mean grey level of the box minus that of a ring around it; 0 without a ring."""
    top, left = max(box.top - _RING_PX, 0), max(box.left - _RING_PX, 0)
    outer = grey[top : box.bottom + _RING_PX, left : box.right + _RING_PX].astype(np.float64)
    inner = grey[box.top : box.bottom, box.left : box.right].astype(np.float64)
    ring = outer.size - inner.size
    return float(inner.mean() - (outer.sum() - inner.sum()) / ring) if ring else 0.0
