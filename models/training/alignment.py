"""Alignment of parts in training: whether the pictures allow it, its values, and aligned pictures.

The station repeats the alignment on every frame (edge/chain/align.py), so a detector is trained on
what it will see.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable
from dataclasses import replace

import cv2
import numpy as np
import numpy.typing as npt

from edge.bundle import AlignmentManifest
from edge.chain.align import (
    PartPose,
    align,
    difference_from_ground,
    find_part,
    reason_against,
    to_aligned,
)
from models.data.dataset import DataError, Pixels, as_channels
from models.training.patches import Picture
from models.training.recipe import AlignmentRecipe

log = logging.getLogger(__name__)

LEAST_PICTURES = 10
CONTRAST_SHARE = 1.1  # of the contrast that separates part and ground best; leaves out shadows
LEAST_CONTRAST = 12.0  # grey levels; a fainter part cannot be distinguished from uneven light
ODD_SHARE = 0.01  # of the pictures, at either end, that may show nothing or something else
MOST_AREA_RATIO = 1.6  # of the largest part to the smallest; with more, regions are not one part
MOST_RIM_SHARE = 0.05  # of the rim that 95 % of the parts may cover
AREA_MARGIN = 1.5  # a station accepts areas that are so much smaller or larger
LEAST_SKEWNESS = 0.03  # below it, noise may exchange the two ends
MOST_SLENDERNESS = 0.7  # above it, the long axis of a part is not certain
MARGIN_PX, MULTIPLE_PX = 4, 32  # of the aligned picture around the part
STILL_PX, STILL_DEG = 8.0, 3.0  # parts that move less are in one pose already


def find_alignment(
    pictures: Iterable[Picture], recipe: AlignmentRecipe
) -> AlignmentManifest | None:
    """Return the alignment for good parts, or None where the recipe or the pictures need none.

    Blocks for some milliseconds per picture. Raises DataError where the recipe demands an alignment
    that the pictures do not allow.
    """
    if recipe.use == "never":
        return None
    greys = [as_channels(picture.pixels, 1) for picture in pictures if picture.sample.is_good]
    alignment, reason = _fit(greys)
    if alignment is None:
        if recipe.use == "always":
            raise DataError(f"recipe key 'alignment.use': {reason}; expected 'auto' or 'never'")
        log.info("alignment off: %s", reason)
        return None
    if recipe.use == "auto" and reason:
        log.info("alignment off: %s", reason)
        return None
    log.info(
        "alignment on: %s×%s px, turns=%s directed=%s contrast=%.0f",
        alignment.width,
        alignment.height,
        alignment.turns,
        alignment.directed,
        alignment.contrast,
    )
    return alignment


def _fit(greys: list[npt.NDArray[np.uint8]]) -> tuple[AlignmentManifest | None, str]:
    """Return the alignment, and the reason why there is none or why it brings nothing."""
    if len(greys) < LEAST_PICTURES:
        return None, f"{len(greys)} good pictures; expected {LEAST_PICTURES} or more"
    contrast = CONTRAST_SHARE * float(np.median([_separating(grey) for grey in greys]))
    if contrast < LEAST_CONTRAST:
        return None, f"the parts differ from a ground by {contrast:.0f} grey levels only"
    found = [pose for grey in greys if (pose := find_part(grey, contrast)) is not None]
    least, most = np.quantile(
        [pose.area_px for pose in found] or [0.0], (ODD_SHARE, 1 - ODD_SHARE), method="nearest"
    )
    if most > MOST_AREA_RATIO * least:
        return None, (
            f"the largest regions have {least:.0f} to {most:.0f} px, so they are not one kind of "
            "part on a plain ground"
        )
    least, most = least / AREA_MARGIN, most * AREA_MARGIN
    poses = [pose for pose in found if least <= pose.area_px <= most]
    if len(poses) < (1 - 2 * ODD_SHARE) * len(greys):
        return None, f"{len(greys) - len(poses)} of {len(greys)} pictures show no such part"
    rim = float(np.quantile([pose.rim_share for pose in poses], 0.95))
    if rim > MOST_RIM_SHARE:
        return None, f"the parts cover up to {rim:.0%} of the rim of the picture"
    turns = all(pose.slenderness <= MOST_SLENDERNESS for pose in poses)
    directed = turns and min(pose.skewness for pose in poses) >= LEAST_SKEWNESS
    height, width = (
        math.ceil((side + 2 * MARGIN_PX) / MULTIPLE_PX) * MULTIPLE_PX
        for side in _largest(poses, turns=turns)
    )
    alignment = AlignmentManifest(
        contrast=round(contrast, 1),
        least_area_px=int(least),
        most_area_px=math.ceil(most),
        turns=turns,
        directed=directed,
        height=height,
        width=width,
    )
    return alignment, _reason_to_leave(poses, turns=turns)


def _largest(poses: list[PartPose], *, turns: bool) -> tuple[float, float]:
    """Return the largest height and width of the parts, in px; of parts in any rotation, if not."""
    height, width = (max(sides) for sides in ([p.height for p in poses], [p.width for p in poses]))
    return (height, width) if turns else (max(height, width),) * 2


def _separating(grey: npt.NDArray[np.uint8]) -> float:
    """Return the difference from the ground that separates part and ground best (Otsu 1979)."""
    difference, _ = difference_from_ground(grey)
    return float(cv2.threshold(difference, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)[0])


def _reason_to_leave(poses: list[PartPose], *, turns: bool) -> str:
    """Return the reason why alignment brings nothing, or "" where it helps."""
    places = np.array([(pose.x, pose.y) for pose in poses])
    moves = float(np.hypot(*(places - np.median(places, 0)).T).max())
    doubled = np.exp(2j * np.radians([pose.angle_deg for pose in poses]))
    spread = float(np.degrees(np.abs(np.angle(doubled / doubled.mean())).max()) / 2)
    if moves <= STILL_PX and (not turns or spread <= STILL_DEG):
        return f"the parts lie in one pose already, within {moves:.0f} px and {spread:.1f} degrees"
    return ""


def align_pictures(
    pictures: tuple[Picture, ...], alignment: AlignmentManifest | None
) -> tuple[Picture, ...]:
    """Return the aligned pictures with their aligned kind maps; without an alignment, the same.

    Where half a turn is open, a part is returned in both poses. A picture in which the station
    would find no part is left out with a warning.
    """
    if alignment is None:
        return pictures
    aligned = []
    for picture in pictures:
        view = aligned_view(picture.pixels, picture.kind_map, alignment)
        if view is None:
            log.warning("alignment-skipped picture=%s", picture.sample.name)
            continue
        pixels, kind_map = view
        unknown = None
        if picture.unknown is not None:
            turned = aligned_view(picture.pixels, picture.unknown, alignment)
            unknown = None if turned is None else turned[1]
        aligned.append(replace(picture, pixels=pixels, kind_map=kind_map, unknown=unknown))
        if alignment.turns and not alignment.directed:
            pixels, kind_map = (np.ascontiguousarray(each[::-1, ::-1]) for each in view)
            unknown = None if unknown is None else np.ascontiguousarray(unknown[::-1, ::-1])
            aligned.append(replace(picture, pixels=pixels, kind_map=kind_map, unknown=unknown))
    return tuple(aligned)


def aligned_view(
    pixels: Pixels, kind_map: Pixels, alignment: AlignmentManifest
) -> tuple[Pixels, Pixels] | None:
    """Return the aligned pixels and kind map; None where the station would find no part."""
    pose = find_part(as_channels(pixels, 1), alignment.contrast)
    if pose is None or reason_against(pose, alignment):
        return None
    matrix = to_aligned(pose, alignment)
    return align(pixels, matrix, alignment), align(kind_map, matrix, alignment, smooth=False)


def change_part(
    pixels: Pixels,
    kind_map: Pixels,
    alignment: AlignmentManifest | None,
    change: Callable[[Pixels, Pixels], tuple[Pixels, Pixels]],
) -> tuple[Pixels, Pixels]:
    """Return a picture and its kind map after a change of the aligned part.

    change: returns changed pixels and kind map; the pixels that it marks are returned to the
    picture. Without an alignment, or without a part, the whole picture is changed.
    """
    pose = None if alignment is None else find_part(as_channels(pixels, 1), alignment.contrast)
    if alignment is None or pose is None:
        return change(pixels, kind_map)
    matrix = to_aligned(pose, alignment)
    changed, marked = change(
        align(pixels, matrix, alignment), align(kind_map, matrix, alignment, smooth=False)
    )
    size = kind_map.shape[1], kind_map.shape[0]
    back = cv2.warpAffine(marked, matrix, size, flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP)
    values = cv2.warpAffine(changed, matrix, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    inside = (back > 0) & (kind_map == 0)
    pixels, kind_map = pixels.copy(), kind_map.copy()
    pixels[inside], kind_map[inside] = values[inside], back[inside]
    return pixels, kind_map
