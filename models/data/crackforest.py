"""CrackForest road cracks (Shi et al., IEEE T-ITS 17(12), 2016), in their published layout.

`image/<nnn>.jpg` with `groundTruth/<nnn>.mat`, 480×320. In `Segmentation`, 2 is a crack, 1 is road,
and 3 and 4 are road enclosed by cracks. Every picture shows a crack: there is no good one. The
publishers give 118 ground truths and more pictures than that.
"""

from __future__ import annotations

import logging
import re
from pathlib import Path

from models.data.dataset import DataError, DataSet, MaskRef, Sample, files_in, read_mask

log = logging.getLogger(__name__)

LAYOUT = "crackforest"
LOOKS_FOR = "image/*.jpg and groundTruth/*.mat (CrackForest)"
KIND = "crack"
CRACK = 2

# Name and number of crack pixels of a ground truth that belongs to another picture. It was found by
# the brightness of the road under the crack: in 042 and 054 it is not darker than beside the crack.
# By eye, 054 shows a crack in sunlight, and 042 shows no crack at that place.
WRONG = {"042": 2278}

_STEM = re.compile(r"\d+")


def matches(root: Path) -> bool:
    """Return true if the folder `root` has this layout."""
    return (root / "image").is_dir() and any((root / "groundTruth").glob("*.mat"))


def read(root: Path) -> DataSet:
    """Return the data set at `root`. Ground truth is read once, to find empty ones. Raises
    DataError.

    The only kind is `crack`. Each picture is its own group, since the publishers name none that
    show the same road. A picture without ground truth is left out. One with an empty or wrong
    ground truth is `unmasked`. Colour pictures are loaded as grey: a crack is dark, not coloured.
    """
    for folder in (root / "image", root / "groundTruth"):
        if not folder.is_dir():
            raise DataError(f"{folder}: is missing; expected {LOOKS_FOR}")
    paths = files_in(root / "image", (".jpg",))
    truths = {path.stem: path for path in files_in(root / "groundTruth", (".mat",))}
    for stem in sorted(set(truths) - {path.stem for path in paths}):
        raise DataError(f"{root / 'image' / stem}.jpg: is missing; expected the image of its .mat")
    for path in paths:
        if not _STEM.fullmatch(path.stem):
            raise DataError(f"{path}: expected a name like 001.jpg")
    missing = [path.stem for path in paths if path.stem not in truths]
    if len(missing) == len(paths):
        raise DataError(f"{root}: holds no image with ground truth; expected {LOOKS_FOR}")
    if missing:
        names = ", ".join(missing)
        log.warning("truth-missing count=%s: left out of the data set: %s", len(missing), names)
    samples = [sample_of(path, root, truths[path.stem]) for path in paths if path.stem in truths]
    return DataSet(root, LAYOUT, (KIND,), channels=1, samples=tuple(samples))


def sample_of(path: Path, root: Path, truth: Path) -> Sample:
    """Return the sample of one picture. Its ground truth is read, and no other file."""
    name = path.relative_to(root).as_posix()
    crack_px = int((read_mask(truth) == CRACK).sum())
    unmasked = crack_px in (0, WRONG.get(path.stem))
    if unmasked:
        reason = "wrong" if crack_px else "empty"
        log.info("mask-%s image=%s kind=%s: defective, left out of training", reason, name, KIND)
    mask = MaskRef(truth, colours=(((CRACK, CRACK, CRACK), KIND),))
    return Sample(name, path, name, (KIND,), () if unmasked else (mask,), unmasked)
