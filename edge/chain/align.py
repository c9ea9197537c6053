"""Alignment of a part that lies on a plain ground: the detector sees every part in one pose.

The part is the largest region that differs from the ground. Its long axis is that of its moments
(Hu 1962, IRE Transactions on Information Theory 8:179), and the sign of the third moment along the
axis distinguishes its two ends. Its centre is that of the rectangle around it along the axis,
because a soft shadow on one side moves the centre of gravity.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.bundle import AlignmentManifest
from edge.chain.detect import MIN_SIDE_PX, Detector, as_channels
from edge.errors import FrameError
from edge.records import SeverityMap

SEARCH_PX = 256  # longest side of the picture in which the part is searched
CLOSED, OPENED = 5, 3  # pixels of that picture: gaps that are closed, debris that is removed
SEVEREST = 12.0

_Matrix = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class PartPose:
    """The place of a part in a frame.

    x, y: centre of the rectangle around it along its axis, in pixels of the frame. height, width:
    of this rectangle. angle_deg: of its long axis from the heavier to the lighter end,
    anticlockwise as displayed, -180 to 180. slenderness: variance across the axis as a share of
    that along it, 0 to 1. skewness: third moment along the axis, normalised, 0 or larger. area_px:
    area within its outline. rim_share: share of the frame's rim that it covers.
    """

    x: float
    y: float
    height: float
    width: float
    angle_deg: float
    slenderness: float
    skewness: float
    area_px: float
    rim_share: float


def difference_from_ground(grey: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], float]:
    """Return the difference of each pixel from the ground, and the scale of the returned picture.

    grey: uint8 H×W. The result is uint8 h×w with a longest side of SEARCH_PX at most. The ground is
    the median grey level of the rim.
    """
    scale = min(1.0, SEARCH_PX / max(grey.shape))
    size = tuple(max(1, round(side * scale)) for side in grey.shape[::-1])
    small = grey if scale == 1.0 else cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (3, 3), 0)
    rim = np.concatenate([small[0], small[-1], small[:, 0], small[:, -1]])
    ground = np.full_like(small, int(np.median(rim)))
    return np.asarray(cv2.absdiff(small, ground), np.uint8), scale


def find_part(grey: NDArray[np.uint8], contrast: float) -> PartPose | None:
    """Return the pose of the largest region that differs from the ground by ``contrast``.

    grey: uint8 H×W. contrast: in grey levels. Return None where nothing differs.
    """
    difference, scale = difference_from_ground(grey)
    outline = outline_of(difference, contrast)
    if outline is None:
        return None
    filled = np.zeros(difference.shape, np.uint8)
    cv2.drawContours(filled, [outline], -1, 1, cv2.FILLED)
    rim = np.concatenate([filled[0], filled[-1], filled[:, 0], filled[:, -1]])
    m = cv2.moments(filled, binaryImage=True)
    angle = 0.5 * math.atan2(2.0 * m["mu11"], m["mu20"] - m["mu02"])
    c, s = math.cos(angle), math.sin(angle)
    along = c * c * m["mu20"] + 2 * c * s * m["mu11"] + s * s * m["mu02"]
    across = s * s * m["mu20"] - 2 * c * s * m["mu11"] + c * c * m["mu02"]
    third = (
        c**3 * m["mu30"] + 3 * c * c * s * m["mu21"] + 3 * c * s * s * m["mu12"] + s**3 * m["mu03"]
    )
    if third < 0:
        angle += math.pi if angle <= 0 else -math.pi
    spread = math.sqrt(max(along, 1e-9) / m["m00"])
    c, s = math.cos(angle), math.sin(angle)
    turned = outline[:, 0] @ np.array([[c, -s], [s, c]])
    least, most = turned.min(0), turned.max(0)
    x, y = (least + most) / 2 @ np.array([[c, s], [-s, c]])
    width, height = (most - least + 1) / scale
    return PartPose(
        x=float((x + 0.5) / scale - 0.5),
        y=float((y + 0.5) / scale - 0.5),
        height=float(height),
        width=float(width),
        angle_deg=-math.degrees(angle),
        slenderness=max(across, 0.0) / max(along, 1e-9),
        skewness=abs(third) / m["m00"] / spread**3,
        area_px=m["m00"] / scale**2,
        rim_share=float(rim.mean()),
    )


def outline_of(difference: NDArray[np.uint8], contrast: float) -> NDArray[np.int32] | None:
    """Return the outline of the largest region, int32 N×1×2 (x, y), or None without a region.

    difference: of each pixel from the ground, uint8 h×w. Small gaps are closed and fine debris is
    removed.
    """
    mask = (difference >= contrast).astype(np.uint8)
    closed = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((CLOSED, CLOSED), np.uint8))
    opened = cv2.morphologyEx(closed, cv2.MORPH_OPEN, np.ones((OPENED, OPENED), np.uint8))
    outlines, _ = cv2.findContours(opened, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not outlines:
        return None
    return np.asarray(max(outlines, key=cv2.contourArea), np.int32)


def to_aligned(pose: PartPose, alignment: AlignmentManifest) -> _Matrix:
    """Return the affine map from pixels of the frame to pixels of the aligned picture, 2×3."""
    angle = 0.0
    if alignment.turns:
        angle = math.radians(pose.angle_deg)
        if not alignment.directed:
            angle = math.remainder(angle, math.pi)
    c, s = math.cos(angle), math.sin(angle)
    # The axis points along (cos, -sin) in pixels, because y runs downward.
    turn = np.array([[c, -s], [s, c]])
    middle = np.array([alignment.width - 1, alignment.height - 1]) / 2
    shift = middle - turn @ [pose.x, pose.y]
    return np.column_stack([turn, shift])


def align(
    pixels: NDArray[np.uint8], matrix: _Matrix, alignment: AlignmentManifest, *, smooth: bool = True
) -> NDArray[np.uint8]:
    """Return the aligned picture, uint8 height×width or height×width×3.

    Beyond the frame its rim is repeated. smooth: interpolate between pixels; false for labels.
    """
    aligned = cv2.warpAffine(
        pixels,
        matrix,
        (alignment.width, alignment.height),
        flags=cv2.INTER_LINEAR if smooth else cv2.INTER_NEAREST,
        borderMode=cv2.BORDER_REPLICATE if smooth else cv2.BORDER_CONSTANT,
    )
    return np.asarray(aligned, np.uint8)


def reason_against(pose: PartPose | None, alignment: AlignmentManifest) -> str:
    """Return the reason why the frame does not show one part as in training, or ""."""
    if pose is None:
        return "no part on the ground"
    if not alignment.least_area_px <= pose.area_px <= alignment.most_area_px:
        return (
            f"a part of {pose.area_px:.0f} px on the ground; expected {alignment.least_area_px} to "
            f"{alignment.most_area_px} px"
        )
    if pose.width > alignment.width or pose.height > alignment.height:
        # What lies beyond the aligned picture would not be inspected.
        return (
            f"a part of {pose.width:.0f}×{pose.height:.0f} px on the ground; expected at most "
            f"{alignment.width}×{alignment.height} px"
        )
    return ""


class AlignedDetector:
    """A Detector that shows the aligned part to another one, and returns its map for the frame.

    The cells of the returned map have half the stride of the other detector's. A turned cell then
    always contains the centre of one, so the peak severity is kept. Cells outside the aligned
    picture have severity 0. A frame without one part of the usual area has severity 12 everywhere,
    and SeverityMap.unmatched gives the reason.
    """

    def __init__(
        self,
        detector: Detector,
        alignment: AlignmentManifest,
        channels: int,
        *,
        part_score: bool = False,
    ) -> None:
        """channels: of the picture that the other detector takes, 1 or 3. part_score: it gives one;
        a frame without its part then has the score 12.
        """
        self._detector = detector
        self._alignment = alignment
        self._channels = channels
        self._worst = SEVEREST if part_score else None

    def detect(self, pixels: NDArray[np.uint8]) -> SeverityMap:
        pixels = as_channels(pixels, self._channels)
        height, width = pixels.shape[:2]
        if min(height, width) < MIN_SIDE_PX:
            raise FrameError(f"{width}×{height} px; expected at least {MIN_SIDE_PX}×{MIN_SIDE_PX}")
        alignment = self._alignment
        pose = find_part(as_channels(pixels, 1), alignment.contrast)
        unmatched = reason_against(pose, alignment)
        if unmatched or pose is None:
            values = np.full((-(-height // 2), -(-width // 2)), SEVEREST, np.float32)
            return SeverityMap(values, 1.0, 0, 2, unmatched, part_score=self._worst)
        matrix = to_aligned(pose, alignment)
        severity = self._detector.detect(align(pixels, matrix, alignment))
        return _for_frame(severity, matrix, height, width)


def _for_frame(severity: SeverityMap, matrix: _Matrix, height: int, width: int) -> SeverityMap:
    """Return the severity of the cells of a frame.

    matrix: from the frame to the aligned picture.
    """
    stride = max(severity.stride_px // 2, 1)
    rows, cols = -(-height // stride), -(-width // stride)
    values: NDArray[np.uint8] | NDArray[np.float32] = cv2.warpAffine(  # type: ignore[assignment]
        severity.values,
        _of_cells(matrix, stride, severity.stride_px),
        (cols, rows),
        flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=severity.zero_point,
    )
    return replace(severity, values=values, stride_px=stride)


def _of_cells(matrix: _Matrix, stride: int, inner: int) -> _Matrix:
    """Return the map from cells of the frame to cells of the aligned picture, between centres."""
    linear, shift = matrix[:, :2], matrix[:, 2]
    # Cell i has its centre at pixel (i + 0.5) * stride - 0.5.
    first = linear @ np.full(2, 0.5 * stride - 0.5) + shift
    return np.column_stack([linear * (stride / inner), (first + 0.5) / inner - 0.5])
