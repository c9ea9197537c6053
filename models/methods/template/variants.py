"""Good parts, aligned with one another and divided into the variants that a line makes."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from edge.chain.template.registration import Bounds, Pose, Registration, pyramid
from models.data.dataset import DataError, Pixels, as_channels

# Most parts that are compared; of more, every nth is taken. Each is registered on every other.
MOST_COMPARED = 24
# Least match of a part. A part below it is not a good one, or lies outside the limits.
LEAST_MATCH = 0.5

Distances = npt.NDArray[np.float64]


def variants(
    pixels: Sequence[Pixels], count: int, bounds: Bounds
) -> tuple[tuple[Pixels, ...], ...]:
    """Return the parts of each variant, aligned with its central part and in its light.

    pixels: uint8, of one shape. Parts that match none (LEAST_MATCH) are left out. Raises DataError
    if a part has no edges for the registration.
    """
    some = _every_nth(pixels, MOST_COMPARED)
    middle = central(some, bounds) if count == 1 else medoids(distances(some, bounds), count)
    registrations = [_registration(some[number], bounds) for number in middle]
    members: list[list[Pixels]] = [[some[number]] for number in middle]
    taken = {id(some[number]) for number in middle}
    for each in pixels:
        if id(each) in taken:
            continue
        planes = pyramid(as_channels(each, 1))
        poses = [registration.register(planes) for registration in registrations]
        matches = [pose.match if pose else 0.0 for pose in poses]
        best = int(np.argmax(matches))
        pose = poses[best]
        if pose is not None and pose.match >= LEAST_MATCH:
            members[best].append(lay(each, pose))
    return tuple(tuple(each) for each in members)


def lay(pixels: Pixels, pose: Pose) -> Pixels:
    """Return a part aligned with the golden image, in its light. The frame's rim is repeated."""
    height, width = pixels.shape[:2]
    even = (pixels.astype(np.float32) - np.float32(pose.offset)) / np.float32(pose.gain)
    laid = cv2.warpAffine(
        even,
        pose.on_golden(height, width),
        (width, height),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(laid.round().clip(0, 255), np.uint8)


def central(pixels: Sequence[Pixels], bounds: Bounds) -> list[int]:
    """Return the index of the part with the most central position, as a list of one."""
    registration = _registration(pixels[0], bounds)
    shifts = [
        pose.shift if pose else np.full(2, np.nan)
        for pose in (registration.register(pyramid(as_channels(each, 1))) for each in pixels)
    ]
    apart = np.stack(shifts)
    if np.isnan(apart).all():
        return [0]
    away = np.linalg.norm(apart - np.nanmedian(apart, axis=0), axis=1)
    return [int(np.nanargmin(away))]


def distances(pixels: Sequence[Pixels], bounds: Bounds) -> Distances:
    """Return n×n distances: the share of edges that are not in place on the other part.

    Of both directions the larger share counts.
    """
    planes = [pyramid(as_channels(each, 1)) for each in pixels]
    apart = np.zeros((len(pixels), len(pixels)))
    for row, each in enumerate(pixels):
        registration = _registration(each, bounds)
        for col, frame in enumerate(planes):
            pose = registration.register(frame)
            apart[row, col] = 1.0 - (pose.match if pose else 0.0)
    np.fill_diagonal(apart, 0.0)
    return np.maximum(apart, apart.T)


def medoids(apart: Distances, count: int) -> list[int]:
    """Return the members with the least distance to all others (Kaufman & Rousseeuw 1990, PAM).

    They are chosen one by one, and then exchanged until no exchange reduces the distance. Equal
    distances give equal members.
    """
    chosen: list[int] = []
    for _ in range(count):
        rest = [number for number in range(len(apart)) if number not in chosen]
        chosen.append(min(rest, key=lambda number: _cost(apart, [*chosen, number])))
    while True:
        trials = [
            [*(other for other in chosen if other != old), new]
            for old in chosen
            for new in range(len(apart))
            if new not in chosen
        ]
        best = min(trials, key=lambda trial: _cost(apart, trial), default=chosen)
        if not _cost(apart, best) < _cost(apart, chosen) - 1e-12:
            return sorted(chosen)
        chosen = best


def _cost(apart: Distances, chosen: list[int]) -> float:
    return float(apart[:, chosen].min(1).sum())


def _every_nth(pixels: Sequence[Pixels], most: int) -> list[Pixels]:
    step = max(-(-len(pixels) // most), 1)
    return list(pixels[::step])


def _registration(pixels: Pixels, bounds: Bounds) -> Registration:
    try:
        return Registration(as_channels(pixels, 1), bounds)
    except ValueError as error:
        raise DataError(f"method template: {error}") from error
