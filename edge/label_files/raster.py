"""Masks from areas: which pixels of a picture an area covers.

A pixel belongs to an area if its centre lies inside. The centre of the pixel in row r and column c
is (c + 0.5, r + 0.5). An outline that runs from corner to corner of pixels therefore gives exactly
the pixels inside it, as in COCO. OpenCV's `fillPoly` and Pillow's polygons take coordinates for
centres of pixels and add the rim, so that they cover half a pixel more on each side.

An outline that crosses itself is filled by the even-odd rule. An area that is too thin to hold the
centre of a pixel covers the pixels that its outline crosses: a labelled defect is never lost.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge.errors import FrameError
from edge.images import colour_codes, decode_image, read_image
from edge.label_files.runs import decode_brush, runs_mask
from edge.label_files.shapes import (
    BitmapArea,
    BoxArea,
    BrushArea,
    ColourArea,
    EllipseArea,
    LabelError,
    LabelledArea,
    PolygonArea,
    Ring,
    RunsArea,
)
from edge.memory import free_memory_bytes
from edge.picture_header import claimed_size

Mask = npt.NDArray[np.bool_]

# Crossings of an outline with rows of pixels. 1,000 points that jump over 10,000 rows have so many.
_MOST_CROSSINGS = 10_000_000
_MOST_RINGS = 2_000
_MOST_COVER = 64  # pictures that the windows of all rings of one outline may fill
_STEP_PX = 0.25  # along a thin outline


@dataclass(frozen=True, slots=True)
class _Patch:
    """The pixels of one ring in the smallest window that holds them."""

    mask: Mask
    top: int
    left: int


def rasterise(area: LabelledArea, height: int, width: int) -> Mask:
    """Return the pixels of an area in a picture of height×width px: bool height×width.

    Parts outside of the picture are cut off. Blocks on the disk for a ColourArea only. Raises
    LabelError where the area does not fit the picture, or is damaged.
    """
    if isinstance(area, PolygonArea):
        mask = _polygons(area, height, width)
    elif isinstance(area, BoxArea):
        ring = _corners(area)
        mask = _placed(_filled(ring, height, width), height, width)
        if not mask.any():
            mask = _outline((ring,), height, width)
    elif isinstance(area, EllipseArea):
        mask = _ellipse(area, height, width)
    elif isinstance(area, RunsArea):
        if area.width > width or area.height > height:
            raise LabelError(
                f"the mask is {area.width}x{area.height}; expected at most {width}x{height}, as "
                "its picture"
            )
        inner = runs_mask(area.counts, area.height, area.width, by_column=area.by_column)
        mask = _placed(_Patch(inner, area.top, area.left), height, width)
    elif isinstance(area, BrushArea):
        mask = decode_brush(area.data, height, width)
    elif isinstance(area, BitmapArea):
        mask = _placed(_Patch(_bitmap(area), area.top, area.left), height, width)
    else:
        mask = _colour(area, height, width)
    return mask


def extent(area: LabelledArea) -> tuple[float, float, float, float] | None:
    """Return left, top, right and bottom of an area in px; None where it is the whole picture."""
    if isinstance(area, PolygonArea):
        points = np.array([point for ring in area.rings for point in ring])
        low, high = points.min(0), points.max(0)
        return float(low[0]), float(low[1]), float(high[0]), float(high[1])
    if isinstance(area, BoxArea):
        return area.left, area.top, area.right, area.bottom
    if isinstance(area, EllipseArea):
        cos, sin = _turn(area.angle_deg)
        half_x = math.hypot(area.radius_x * cos, area.radius_y * sin)
        half_y = math.hypot(area.radius_x * sin, area.radius_y * cos)
        return area.x - half_x, area.y - half_y, area.x + half_x, area.y + half_y
    if isinstance(area, RunsArea | BitmapArea):
        return area.left, area.top, area.left + area.width, area.top + area.height
    return None


def turned_box(
    x: float, y: float, width: float, height: float, angle_deg: float, *, pivot: tuple[float, float]
) -> Ring:
    """Return the corners of a box with its first corner at (x, y), turned around a point.

    angle_deg: clockwise as seen.
    """
    cos, sin = _turn(angle_deg)
    corners = ((x, y), (x + width, y), (x + width, y + height), (x, y + height))
    return tuple(
        (
            pivot[0] + (px - pivot[0]) * cos - (py - pivot[1]) * sin,
            pivot[1] + (px - pivot[0]) * sin + (py - pivot[1]) * cos,
        )
        for px, py in corners
    )


def _turn(angle_deg: float) -> tuple[float, float]:
    angle = math.radians(angle_deg)
    return math.cos(angle), math.sin(angle)


def _corners(box: BoxArea) -> Ring:
    return (
        (box.left, box.top),
        (box.right, box.top),
        (box.right, box.bottom),
        (box.left, box.bottom),
    )


def _polygons(area: PolygonArea, height: int, width: int) -> Mask:
    if len(area.rings) > _MOST_RINGS:
        raise LabelError(f"the outline has {len(area.rings)} rings; expected at most {_MOST_RINGS}")
    patches, pixels = [], 0
    for ring in area.rings:
        patches.append(_filled(ring, height, width))
        pixels += patches[-1].mask.size
        if pixels > _MOST_COVER * height * width:
            raise LabelError("the rings lie on each other; expected the outline of a defect")
    mask = np.zeros((height, width), np.bool_)
    for patch in patches:
        _window(mask, patch)[:] |= patch.mask
    if len(patches) > 1:
        holed = _holed(patches, height, width)
        area_px = area.area_px
        is_filled = area_px is not None and (
            abs(int(mask.sum()) - area_px) < abs(int(holed.sum()) - area_px)
        )
        mask = mask if is_filled else holed
    return mask if mask.any() else _outline(area.rings, height, width)


def _holed(patches: list[_Patch], height: int, width: int) -> Mask:
    """Return the mask in which a ring inside an odd number of others is a hole."""
    mask = np.zeros((height, width), np.bool_)
    sizes = [int(patch.mask.sum()) for patch in patches]
    order = sorted(range(len(patches)), key=lambda number: -sizes[number])
    for place, number in enumerate(order):
        patch = patches[number]
        if not sizes[number]:
            continue
        around = sum(
            sizes[other] > sizes[number] and _holds(patches[other], patch)
            for other in order[:place]
        )
        if around % 2:
            _window(mask, patch)[:] &= ~patch.mask
        else:
            _window(mask, patch)[:] |= patch.mask
    return mask


def _holds(outer: _Patch, inner: _Patch) -> bool:
    """Return whether every pixel of the inner patch is one of the outer."""
    top, left = inner.top - outer.top, inner.left - outer.left
    rows, cols = inner.mask.shape
    if top < 0 or left < 0 or top + rows > outer.mask.shape[0]:
        return False
    if left + cols > outer.mask.shape[1]:
        return False
    return bool(outer.mask[top : top + rows, left : left + cols][inner.mask].all())


def _filled(ring: Ring, height: int, width: int) -> _Patch:
    """Return the pixels of the picture whose centres are inside a ring, by the even-odd rule."""
    points = np.array(ring, np.float64)
    low, high = points.min(0), points.max(0)
    left, right = (int(np.clip(value, 0, width)) for value in (low[0], math.ceil(high[0])))
    top, bottom = (int(np.clip(value, 0, height)) for value in (low[1], math.ceil(high[1])))
    if left >= right or top >= bottom:
        return _Patch(np.zeros((0, 0), np.bool_), 0, 0)
    x0, y0 = points[:, 0], points[:, 1]
    x1, y1 = np.roll(x0, -1), np.roll(y0, -1)
    # Rows whose centres are at or below the upper end of an edge, and above its lower end.
    first = np.clip(np.ceil(np.minimum(y0, y1) - 0.5), top, bottom).astype(np.int64)
    last = np.clip(np.ceil(np.maximum(y0, y1) - 0.5), top, bottom).astype(np.int64)
    lengths = last - first
    total = int(lengths.sum())
    if total > _MOST_CROSSINGS:
        raise LabelError("the outline runs up and down too often; expected the outline of a defect")
    edges = np.repeat(np.arange(len(points)), lengths)
    starts = np.repeat(np.cumsum(lengths) - lengths, lengths)
    rows = first[edges] + np.arange(total) - starts
    slope = (x1[edges] - x0[edges]) / (y1[edges] - y0[edges]) if total else np.zeros(0)
    crossing = x0[edges] + (rows + 0.5 - y0[edges]) * slope
    columns = np.clip(np.ceil(crossing - 0.5), left, right).astype(np.int64) - left
    toggles = np.zeros((bottom - top, right - left + 1), np.uint8)
    np.add.at(toggles, (rows - top, columns), 1)
    inside = np.bitwise_and(np.cumsum(toggles[:, :-1], axis=1, dtype=np.uint8), 1)
    return _Patch(inside.astype(np.bool_), top, left)


def _outline(rings: tuple[Ring, ...], height: int, width: int) -> Mask:
    """Return the pixels that the outlines of thin rings cross."""
    mask = np.zeros((height, width), np.bool_)
    left = _MOST_CROSSINGS
    for ring in rings:
        points = np.array(ring, np.float64)
        for begin, end in zip(points, np.roll(points, -1, axis=0), strict=True):
            steps = min(int(np.abs(end - begin).max() / _STEP_PX), 4 * (height + width)) + 2
            left -= steps
            if left < 0:
                raise LabelError("the outline is too long; expected the outline of a defect")
            along = begin + (end - begin) * np.linspace(0.0, 1.0, steps)[:, None]
            cols = np.clip(np.floor(along[:, 0]), 0, width - 1).astype(np.int64)
            rows = np.clip(np.floor(along[:, 1]), 0, height - 1).astype(np.int64)
            mask[rows, cols] = True
    return mask


def _ellipse(area: EllipseArea, height: int, width: int) -> Mask:
    left, top, right, bottom = extent(area) or (0.0, 0.0, 0.0, 0.0)
    rows = np.arange(max(0, math.floor(top)), min(height, math.ceil(bottom)))
    cols = np.arange(max(0, math.floor(left)), min(width, math.ceil(right)))
    mask = np.zeros((height, width), np.bool_)
    if rows.size and cols.size and area.radius_x > 0 and area.radius_y > 0:
        cos, sin = _turn(area.angle_deg)
        dx, dy = cols[None, :] + 0.5 - area.x, rows[:, None] + 0.5 - area.y
        across = (dx * cos + dy * sin) / area.radius_x
        down = (dy * cos - dx * sin) / area.radius_y
        inside = across**2 + down**2 <= 1.0
        mask[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1] = inside
    if not mask.any():
        mask[min(max(int(area.y), 0), height - 1), min(max(int(area.x), 0), width - 1)] = True
    return mask


def _bitmap(area: BitmapArea) -> Mask:
    size = claimed_size(area.data) or (0, 0)
    if size != (area.width, area.height) or size[0] * size[1] > free_memory_bytes():
        raise LabelError(
            f"the mask is {size[0]}x{size[1]}; expected {area.width}x{area.height}, as its corners "
            "state"
        )
    try:
        pixels = decode_image(area.data, name="the mask")
    except FrameError as error:
        raise LabelError(str(error)) from error
    return np.asarray(pixels.max(axis=2) > 0 if pixels.ndim == 3 else pixels > 0)


def _colour(area: ColourArea, height: int, width: int) -> Mask:
    try:
        pixels = read_image(area.path)
    except FrameError as error:
        raise LabelError(str(error)) from error
    if pixels.shape[:2] != (height, width):
        raise LabelError(
            f"{area.path}: is {pixels.shape[1]}x{pixels.shape[0]}; expected {width}x{height}, as "
            "its picture"
        )
    return np.asarray(colour_codes(pixels) == area.colour)


def _window(mask: Mask, patch: _Patch) -> Mask:
    rows, cols = patch.mask.shape
    return mask[patch.top : patch.top + rows, patch.left : patch.left + cols]


def _placed(patch: _Patch, height: int, width: int) -> Mask:
    """Return a patch in the picture, without what lies outside of it."""
    mask = np.zeros((height, width), np.bool_)
    rows, cols = patch.mask.shape
    top, left = max(patch.top, 0), max(patch.left, 0)
    bottom, right = min(patch.top + rows, height), min(patch.left + cols, width)
    if top < bottom and left < right:
        inner = patch.mask[top - patch.top : bottom - patch.top, left - patch.left :]
        mask[top:bottom, left:right] = inner[:, : right - left]
    return mask
