"""Pictures of the new look that nobody has taken: to learn from, and to judge by."""

from __future__ import annotations

from collections.abc import Sequence

from models.feedback.copy_paste import paste_defects
from models.feedback.novel_regions import NovelRegion, paste_regions
from models.training.patches import Picture

PASTED_DEFECTS = 4  # defects set into each marked part
PASTED_REGIONS = 2  # novelties on each training picture
MOST = 200  # of either kind to judge by, and thrice as many to learn from
MOST_BYTES = 1 << 30  # of pixels that are made of either kind, beside the training pictures


def synthetic_bad_parts(
    donors: Sequence[Picture],
    good: Sequence[Picture],
    novel_regions: Sequence[NovelRegion],
    seed: int,
) -> tuple[Picture, ...]:
    """Annotated bad parts (donors) as the new look shows them: twice each, what is new laid on;
    where nothing can be lifted off the good parts, their defects set into those, once each. MOST at
    most."""
    if novel_regions:
        return paste_regions(
            donors, novel_regions, _most(PASTED_REGIONS * len(donors), MOST, donors), seed
        )
    return paste_defects(good, donors, _most(len(donors), MOST, good), seed)


def training_pictures(
    train: Sequence[Picture],
    good: Sequence[Picture],
    novel_regions: Sequence[NovelRegion],
    seed: int,
) -> tuple[Picture, ...]:
    """What a network learns from beside its training pictures: the good parts of the new look,
    repeated until they are about half as many as these, defects set into them, and what is new laid
    on training pictures, good and bad ones."""
    if not good:
        return ()
    times = max(len(train) // len(good) // 2, 1)
    synthetic = paste_defects(good, train, _most(PASTED_DEFECTS * len(good), 3 * MOST, good), seed)
    pasted = paste_regions(
        train, novel_regions, _most(PASTED_REGIONS * len(train), 3 * MOST, train), seed + 1
    )
    return (*(tuple(good) * times), *synthetic, *pasted)


def _most(wanted: int, most: int, pictures: Sequence[Picture]) -> int:
    largest = max((picture.pixels.nbytes for picture in pictures), default=1)
    return min(wanted, most, max(MOST_BYTES // largest, 1))
