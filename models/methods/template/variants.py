"""Good parts laid on one another, and divided into the variants that a line makes."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from edge.chain.template.registration import Bounds, Pose, Registration, pyramid
from models.data.dataset import DataError, Pixels, as_channels

# Of more parts every nth is asked which of them are alike: each is registered on each other.
MOST_COMPARED = 24
# Of a part on another variant's golden image; what matches less is no good part or lies astray.
LEAST_MATCH = 0.5

Distances = npt.NDArray[np.float64]


def variants(
    pixels: Sequence[Pixels], count: int, bounds: Bounds
) -> tuple[tuple[Pixels, ...], ...]:
    """The parts of each variant, laid on the one that lies in the middle of them, in its light.

    pixels: uint8, one shape. Parts that match none (LEAST_MATCH) are left out. Raises DataError
    where there are no edges to register by.
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
    """A part laid on the golden image, in its light; the frame's rim is repeated where it ends."""
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
    """The part that lies in the middle of where the others lie, as a list of one."""
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
    """n×n: the share of one part's edges that are not in the other's place; the larger of both."""
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
    """The members about which the others lie the nearest: chosen one by one, then exchanged until
    no exchange brings them nearer (Kaufman & Rousseeuw 1990, PAM). Deterministic."""
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
