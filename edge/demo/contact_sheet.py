"""The contact sheet: one picture from which a person sees what the station saw."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.chain.inspector import Inspector
from edge.demo.outcome import Judged
from edge.demo.parts import Specimen
from edge.images import read_image
from edge.inspection.pictures import COLOURS, caption_strip, overlay
from edge.records import Decision, Frame

COLUMNS, ROWS = 6, 4
_TILE_PX = 300
_GAP_PX = 6
_PAPER_GREY = 32


def choose(judged: Sequence[Judged], picture: Callable[[Judged], object]) -> list[Judged]:
    """At most COLUMNS × ROWS parts, each picture once: a row of escapes, a row of false rejects,
    then rejects, and passes only where a tile is left. Fewer mistakes leave more room."""
    first = {picture(one): one for one in reversed(judged)}
    unique = [one for one in judged if first[picture(one)] is one]
    escapes = [one for one in unique if one.is_escape][:COLUMNS]
    false = [one for one in unique if one.is_false_reject][:COLUMNS]
    rejects = [
        one
        for one in unique
        if one.verdict.decision is not Decision.PASS and not one.is_false_reject
    ]
    passes = [one for one in unique if one.verdict.decision is Decision.PASS and not one.is_escape]
    spare = COLUMNS * ROWS - len(escapes) - len(false)
    # Good parts that pass are most of a line's day: a row of them, where there are rejects enough.
    rejects = rejects[: max(spare - COLUMNS, spare - len(passes))]
    return [*escapes, *false, *rejects, *passes][: COLUMNS * ROWS]


def contact_sheet(
    chosen: Sequence[Judged], specimen: Callable[[int], Specimen], inspector: Inspector
) -> NDArray[np.uint8]:
    """BGR, COLUMNS × ROWS tiles with captions; the pictures are inspected again for it."""
    tiles = [_tile(one, specimen(one.verdict.part_id), inspector) for one in chosen]
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


def _tile(judged: Judged, specimen: Specimen, inspector: Inspector) -> NDArray[np.uint8]:
    pixels = read_image(specimen.path)
    verdict = judged.verdict
    if verdict.decision is not Decision.UNKNOWN:
        verdict = inspector.inspect(Frame(verdict.part_id, 0, 0, 0, pixels))
    picture = overlay(pixels, verdict)
    scale = _TILE_PX / max(picture.shape[:2])
    size = (round(picture.shape[1] * scale), round(picture.shape[0] * scale))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    framed = np.full((small.shape[0], _TILE_PX, 3), _PAPER_GREY, np.uint8)
    framed[:, : small.shape[1]] = small
    said = "ESCAPE" if judged.is_escape else "FALSE REJECT" if judged.is_false_reject else ""
    lines = (
        f"part {verdict.part_id}  {specimen.path.name}",
        f"{said or verdict.decision.value.lower()}; truth: {_truth(specimen)}",
    )
    colour = COLOURS[Decision.UNKNOWN if said else verdict.decision]
    return np.concatenate([framed, caption_strip(lines, _TILE_PX, 0.45, colour)])


def _truth(specimen: Specimen) -> str:
    return specimen.kind or ("good" if specimen.known else "unknown")
