"""Pictures of the new look that nobody has taken: to learn from, and to judge by."""

from __future__ import annotations

from collections.abc import Sequence

from models.feedback.copy_paste import grafted
from models.feedback.novel_regions import Novelty, laid_on
from models.training.patches import Picture

GRAFTED = 4  # defects set into each marked part
LAID_ON = 2  # novelties on each training picture
MOST = 200  # of either kind to judge by, and thrice as many to learn from
MOST_BYTES = 1 << 30  # of pixels that are made of either kind, beside the training pictures


def bad_parts(
    donors: Sequence[Picture], good: Sequence[Picture], novelties: Sequence[Novelty], seed: int
) -> tuple[Picture, ...]:
    """Annotated bad parts (donors) as the new look shows them: twice each, what is new laid on;
    where nothing can be lifted off the good parts, their defects set into those, once each. MOST at
    most."""
    if novelties:
        return laid_on(donors, novelties, _most(LAID_ON * len(donors), MOST, donors), seed)
    return grafted(good, donors, _most(len(donors), MOST, good), seed)


def new_look(
    train: Sequence[Picture], good: Sequence[Picture], novelties: Sequence[Novelty], seed: int
) -> tuple[Picture, ...]:
    """What a network learns from beside its training pictures: the good parts of the new look,
    repeated until they are about half as many as these, defects set into them, and what is new laid
    on training pictures, good and bad ones."""
    if not good:
        return ()
    times = max(len(train) // len(good) // 2, 1)
    set_in = grafted(good, train, _most(GRAFTED * len(good), 3 * MOST, good), seed)
    laid = laid_on(train, novelties, _most(LAID_ON * len(train), 3 * MOST, train), seed + 1)
    return (*(tuple(good) * times), *set_in, *laid)


def _most(wanted: int, most: int, pictures: Sequence[Picture]) -> int:
    largest = max((picture.pixels.nbytes for picture in pictures), default=1)
    return min(wanted, most, max(MOST_BYTES // largest, 1))
