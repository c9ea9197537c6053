"""AigleRN pavement cracks (Amhaz et al., IEEE T-ITS 17(10), 2016), as published in CrackDataset.

`TITS/IMAGES/AIGLE_RN/Im_GT_AIGLE_RN_<place><a|b>or.png` with
`TITS/GROUND_TRUTH/AIGLE_RN/GT_AIGLE_RN_<place><a|b>.png`, 38 grey pictures. `root` is the folder
with TITS, or TITS itself. It may also be a folder with the pictures directly in IMAGES and
GROUND_TRUTH, as the publishers' page offers them. The ground truth is drawn black on white. Some
copies of it are inverted, so the smaller part of a picture counts as crack.
"""

from __future__ import annotations

import logging
import re
from pathlib import Path

from models.data.dataset import (
    MASK_THRESHOLD,
    DataError,
    DataSet,
    MaskRef,
    Sample,
    as_channels,
    binary_mask,
    files_in,
    read_pixels,
)

log = logging.getLogger(__name__)

LAYOUT = "aiglern"
LOOKS_FOR = "TITS/IMAGES/AIGLE_RN/ and TITS/GROUND_TRUTH/AIGLE_RN/ (AigleRN)"
KIND = "crack"
PLACES = (
    ("TITS/IMAGES/AIGLE_RN", "TITS/GROUND_TRUTH/AIGLE_RN"),
    ("IMAGES/AIGLE_RN", "GROUND_TRUTH/AIGLE_RN"),
    ("IMAGES", "GROUND_TRUTH"),
)

_STEM = re.compile(r"(?:Im_)?(?:GT_)?AIGLE_RN_([A-Z]\d+)([a-z]?)(?:or)?")
# Other cameras of the publishers, in the same folders IMAGES and GROUND_TRUTH, and pictures whose
# name marks them as without ground truth.
_OTHER = re.compile(r"ESAR|LCMS|LRIS|TEMPEST|noGT")


def matches(root: Path) -> bool:
    """Return true if the folder `root` has this layout."""
    folders = _folders(root)
    return folders is not None and any(folders[0].glob("*AIGLE_RN*"))


def read(root: Path) -> DataSet:
    """Return the data set at `root`. Ground truth is read once, for its colours. Raises DataError.

    The only kind is `crack`. Pictures come in pairs, C18a and C18b. The publishers do not explain
    the pairs, so each pair is one group. Pictures of other cameras, and those named noGT, are left
    out. A ground truth without a crack makes the sample `unmasked`.
    """
    folders = _folders(root)
    if folders is None:
        raise DataError(f"{root}: expected {LOOKS_FOR}")
    images, truths = (_by_place(folder) for folder in folders)
    for key in sorted(set(truths) - set(images)):
        raise DataError(f"{truths[key]}: is ground truth without an image in {folders[0]}")
    for key in sorted(set(images) - set(truths)):
        raise DataError(
            f"{folders[1] / f'GT_AIGLE_RN_{key[0]}{key[1]}.png'}: is missing; expected the ground "
            f"truth of {images[key].name}"
        )
    if not images:
        raise DataError(f"{folders[0]}: holds no image; expected {LOOKS_FOR}")
    samples = [_sample(path, truths[key], key[0], root) for key, path in images.items()]
    ordered = sorted(samples, key=lambda sample: sample.name)
    return DataSet(root, LAYOUT, (KIND,), channels=1, samples=tuple(ordered))


def _folders(root: Path) -> tuple[Path, Path] | None:
    """Return the folders of images and ground truth; None without them."""
    pairs = ((root / images, root / truths) for images, truths in PLACES)
    return next((pair for pair in pairs if pair[0].is_dir() and pair[1].is_dir()), None)


def _by_place(folder: Path) -> dict[tuple[str, str], Path]:
    """Return the pictures of one folder by place and letter."""
    pictures: dict[tuple[str, str], Path] = {}
    others = 0
    for path in files_in(folder):
        if _OTHER.search(path.stem):
            others += 1
            continue
        match = _STEM.fullmatch(path.stem)
        if match is None:
            raise DataError(
                f"{path}: expected a name like Im_GT_AIGLE_RN_C18aor.png or GT_AIGLE_RN_C18a.png"
            )
        key = (match[1], match[2])
        if key in pictures:
            raise DataError(
                f"{path}: is the same place as {pictures[key].name}; expected one of each"
            )
        pictures[key] = path
    if others:
        log.info("other-pictures folder=%s count=%s: left out of the data set", folder, others)
    return pictures


def _sample(path: Path, truth: Path, place: str, root: Path) -> Sample:
    name = path.relative_to(root).as_posix()
    pixels = as_channels(read_pixels(truth), 1)
    dark = float((pixels > MASK_THRESHOLD).mean()) > 0.5
    unmasked = not binary_mask(255 - pixels if dark else pixels, truth).any()
    if unmasked:
        log.info("mask-empty image=%s kind=%s: defective, left out of training", name, KIND)
    masks = () if unmasked else (MaskRef(truth, KIND, dark=dark),)
    return Sample(name, path, place, (KIND,), masks, unmasked)
