"""Magnetic Tile surfaces (Huang et al., The Visual Computer 2020), in their published layout.

`MT_<kind>/Imgs/exp<e>_num_<n>.jpg` with a `.png` mask of the same name. `MT_Free` has good tiles.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from models.data.dataset import DataError, DataSet, MaskRef, Sample, binary_mask, read_pixels

log = logging.getLogger(__name__)

LAYOUT = "magnetic_tile"
LOOKS_FOR = "MT_<kind>/Imgs/*.jpg (Magnetic Tile)"
GOOD_FOLDER = "MT_Free"

# A tile was photographed at exposures 1 to 6, with rising num_. The 758 images at hand were
# examined. Between neighbours with rising exposure nine gaps exceed 100 (125 to 1257); seven of
# these pairs were compared by eye and show one tile. Where the exposure starts again, gaps up to
# 103 occur inside interleaved series of one place. From 113 on, all of about 20 pairs compared by
# eye were different tiles.
SAME_PLACE_GAP = 110
SAME_SERIES_GAP = 1500

# Numbers of tiles that were photographed again much later. They were found by correlating the 758
# images without their vertical grain. The first pair of each tile reaches 0.83 or more, and every
# other pair of tiles stays below 0.56. All three were confirmed by eye.
REPEATED_TILES = ((5892, 13549), (8676, 10642), (355732, 358149))

_STEM = re.compile(r"exp(\d+)_num_(\d+)")


@dataclass(frozen=True, slots=True, order=True)
class TilePhotograph:
    """One photograph: running number, exposure, and path inside the data folder."""

    number: int
    exposure: int
    name: str


def matches(root: Path) -> bool:
    """Return true if the folder `root` has this layout."""
    return any(root.glob("MT_*/Imgs"))


def read(root: Path) -> DataSet:
    """Return the data set at `root`. Masks are read once, to find empty ones. Raises DataError.

    Kinds are the folders except MT_Free, in lower case and alphabetical order. An empty mask of a
    defective tile makes the sample `unmasked`.
    """
    paths, groups = photographs(root)
    samples = [sample_of(path, root, groups) for path in paths]
    kinds = sorted({kind for sample in samples for kind in sample.kinds})
    ordered = sorted(samples, key=lambda sample: sample.name)
    return DataSet(root, LAYOUT, tuple(kinds), channels=1, samples=tuple(ordered))


def group_photographs(photographs: Iterable[TilePhotograph]) -> dict[str, str]:
    """Return the tile of each photograph by name, from contiguous runs of `number` across kinds.

    A run continues while the gap is at most SAME_PLACE_GAP, or at most SAME_SERIES_GAP with a
    rising exposure. One tile may be in the folders of two kinds. Runs in REPEATED_TILES are one
    tile, with the name of the earlier one.
    """
    groups: dict[str, str] = {}
    by_number: dict[int, str] = {}
    last: TilePhotograph | None = None
    group = ""
    for photograph in sorted(photographs):
        gap = photograph.number - last.number if last else SAME_SERIES_GAP + 1
        rises = last is not None and photograph.exposure > last.exposure
        if gap > (SAME_SERIES_GAP if rises else SAME_PLACE_GAP):
            group = f"tile_{photograph.number:06d}"
        groups[photograph.name] = group
        by_number[photograph.number] = group
        last = photograph
    again = {by_number.get(later, ""): by_number.get(first) for first, later in REPEATED_TILES}
    return {name: again.get(group) or group for name, group in groups.items()}


def photographs(root: Path) -> tuple[list[Path], dict[str, str]]:
    """Return all pictures, and the tile of each by its name. No file is read. Raises DataError."""
    folders = sorted(p for p in root.glob("MT_*") if (p / "Imgs").is_dir())
    paths = [p for folder in folders for p in sorted((folder / "Imgs").glob("*.jpg"))]
    if not paths:
        raise DataError(f"{root}: holds no image; expected {LOOKS_FOR}")
    return paths, group_photographs(_photograph(path, root) for path in paths)


def _photograph(path: Path, root: Path) -> TilePhotograph:
    match = _STEM.match(path.stem)
    if match is None:
        raise DataError(f"{path}: expected a name like exp1_num_4727.jpg")
    return TilePhotograph(int(match[2]), int(match[1]), path.relative_to(root).as_posix())


def sample_of(path: Path, root: Path, groups: dict[str, str]) -> Sample:
    """Return the sample of one picture. Its mask is read, and no other file. Raises DataError."""
    name = path.relative_to(root).as_posix()
    folder = path.parent.parent.name
    if folder == GOOD_FOLDER:
        return Sample(name, path, groups[name])
    kind = folder.removeprefix("MT_").lower()
    mask_path = path.with_suffix(".png")
    if not mask_path.is_file():
        raise DataError(f"{mask_path}: is missing; expected the mask of {name}")
    unmasked = not binary_mask(read_pixels(mask_path), mask_path).any()
    if unmasked:
        log.info("mask-empty image=%s kind=%s: defective, left out of training", name, kind)
    masks = () if unmasked else (MaskRef(mask_path, kind),)
    return Sample(name, path, groups[name], (kind,), masks, unmasked)
