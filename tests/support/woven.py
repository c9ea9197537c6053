"""Pictures of a generated texture, good and defective, for tests of methods of good parts."""

from __future__ import annotations

from pathlib import Path

from models.data.dataset import MaskRef, Sample
from models.data.textures import TEXTURES, specimen
from models.training.patches import Picture

SIDE_PX = 96


def picture(index: int, *, defective: bool = False) -> Picture:
    """Return one picture of 96×96 px. Equal numbers give equal pictures."""
    made = specimen(3, index, (SIDE_PX, SIDE_PX), defective=defective, texture=TEXTURES[0])
    kinds, masks = ((made.kind,), (MaskRef(Path("mask"), made.kind),)) if made.kind else ((), ())
    name = f"{index:03d}"
    return Picture(Sample(name, Path(name), name, kinds, masks), made.image, made.kind_map)


def good_pictures(first: int, count: int) -> tuple[Picture, ...]:
    return tuple(picture(i) for i in range(first, first + count))


GOOD = good_pictures(0, 14)
BAD = tuple(picture(i, defective=True) for i in range(100, 112))
HELD_BACK = (*good_pictures(50, 8), *BAD)
