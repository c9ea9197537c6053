"""The contact sheet: one picture with parts of the run and their verdicts."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.chain.inspector import Inspector
from edge.demo.outcome import DemoPart
from edge.demo.parts import DemoPicture
from edge.images import read_image
from edge.inspection.pictures import COLOURS, caption_strip, overlay
from edge.records import Decision, Frame

COLUMNS, ROWS = 6, 4
_TILE_PX = 300
_GAP_PX = 6
_PAPER_GREY = 32


def choose(parts: Sequence[DemoPart], picture: Callable[[DemoPart], object]) -> list[DemoPart]:
    """Choose at most COLUMNS × ROWS parts, each picture once.

    The order is a row of escapes, a row of false rejects, rejects, and parts that passed. Free
    tiles of a row go to the following groups.
    """
    first = {picture(one): one for one in reversed(parts)}
    unique = [one for one in parts if first[picture(one)] is one]
    escapes = [one for one in unique if one.is_escape][:COLUMNS]
    false = [one for one in unique if one.is_false_reject][:COLUMNS]
    rejects = [
        one
        for one in unique
        if one.verdict.decision is not Decision.PASS and not one.is_false_reject
    ]
    passes = [one for one in unique if one.verdict.decision is Decision.PASS and not one.is_escape]
    spare = COLUMNS * ROWS - len(escapes) - len(false)
    # Keep one row for good parts that passed: they are most of the parts of a line.
    rejects = rejects[: max(spare - COLUMNS, spare - len(passes))]
    return [*escapes, *false, *rejects, *passes][: COLUMNS * ROWS]


def contact_sheet(
    chosen: Sequence[DemoPart], picture_of: Callable[[int], DemoPicture], inspector: Inspector
) -> NDArray[np.uint8]:
    """Return the sheet as BGR pixels, uint8. The pictures are inspected again for the overlays."""
    tiles = [_tile(one, picture_of(one.verdict.part_id), inspector) for one in chosen]
    height = max((tile.shape[0] for tile in tiles), default=_TILE_PX)
    rows = max(1, -(-len(tiles) // COLUMNS))
    shape = (
        rows * (height + _GAP_PX) + _GAP_PX,
        COLUMNS * (_TILE_PX + _GAP_PX) + _GAP_PX,
        3,
    )
    sheet = np.full(shape, _PAPER_GREY, np.uint8)
    for place, tile in enumerate(tiles):
        top = _GAP_PX + place // COLUMNS * (height + _GAP_PX)
        left = _GAP_PX + place % COLUMNS * (_TILE_PX + _GAP_PX)
        sheet[top : top + tile.shape[0], left : left + _TILE_PX] = tile
    return sheet


def _tile(part: DemoPart, source: DemoPicture, inspector: Inspector) -> NDArray[np.uint8]:
    pixels = read_image(source.path)
    verdict = part.verdict
    if verdict.decision is not Decision.UNKNOWN:
        verdict = inspector.inspect(Frame(verdict.part_id, 0, 0, 0, pixels))
    picture = overlay(pixels, verdict)
    scale = _TILE_PX / max(picture.shape[:2])
    size = (round(picture.shape[1] * scale), round(picture.shape[0] * scale))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    framed = np.full((small.shape[0], _TILE_PX, 3), _PAPER_GREY, np.uint8)
    framed[:, : small.shape[1]] = small
    error = "ESCAPE" if part.is_escape else "FALSE REJECT" if part.is_false_reject else ""
    lines = (
        f"part {verdict.part_id}  {source.path.name}",
        f"{error or verdict.decision.value.lower()}; truth: {_truth(source)}",
    )
    colour = COLOURS[Decision.UNKNOWN if error else verdict.decision]
    return np.concatenate([framed, caption_strip(lines, _TILE_PX, 0.45, colour)])


def _truth(source: DemoPicture) -> str:
    return source.kind or ("good" if source.known else "unknown")
