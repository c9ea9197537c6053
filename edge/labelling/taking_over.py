"""Labels of another tool become labels of the data folder, once, before the page is served."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from edge.data_folder import count
from edge.errors import OutfeedError
from edge.label_files import LabelledShape
from edge.labelling.folder import LabelFolder
from edge.labelling.other_labels import OtherLabels, masks_of
from edge.labelling.store import Change, LabelStore

_OPEN = ("none", "unfinished")
_AT_ONCE = 100  # pictures for each step of the table; their masks are in memory


def take_over(store: LabelStore) -> tuple[str, ...]:
    """Save the labels of another tool for all pictures without a label. Blocks for minutes with
    thousands of pictures.

    Returns lines for a person: the number of pictures, and those that cannot be taken over. A
    picture that has a label keeps it, so that a start after a crash continues. Raises
    LabelPageError where the data folder cannot be written, or a shape does not fit its picture.
    """
    folder, others = store.folder, store.folder.others
    if others is None:
        return ()
    by_source = {picture.source: picture for picture in folder.pictures}
    shapes: dict[str, tuple[LabelledShape, ...]] = {}
    skipped: set[str] = set()
    for source, drawn in others.shapes.items():
        if source in by_source:
            shapes[by_source[source].name] = drawn
    for source in others.skipped:
        if source in by_source:
            skipped.add(by_source[source].name)
    waiting = iter(
        [name for name in (*shapes, *sorted(skipped)) if store.state(name).label in _OPEN]
    )
    taken, faults = 0, []
    while some := list(islice(waiting, _AT_ONCE)):
        changes = {}
        for name in some:
            try:
                height, width = store.size(name)
            except OutfeedError as error:
                faults.append(str(error))
                continue
            changes[name] = _change(shapes.get(name), others.title, height, width)
        taken += store.take_over(changes)
    return tuple(_lines(folder, others, taken, faults))


def _change(
    shapes: tuple[LabelledShape, ...] | None, title: str, height: int, width: int
) -> Change:
    """Return the label of a picture. shapes: None of a picture that is skipped."""
    if shapes is None:
        return Change("", "skipped", title, {})
    if not shapes:
        return Change("", "good", title, {})
    masks = masks_of(shapes, height, width)
    return Change("", "bad", title, masks, "" if masks else shapes[0].kind)


def _lines(
    folder: LabelFolder, others: OtherLabels, taken: int, faults: list[str]
) -> Iterator[str]:
    yield (
        f"{folder.source}: took over the labels of {count(taken, 'picture')} from {others.title} "
        f"into {folder.root}; the label files stay as they are, and later changes of them are not "
        "read"
    )
    if others.remarks:
        yield (
            f"{count(len(others.remarks), 'picture')} with boxes: not labelled yet, because a box "
            "does not show which of its pixels are the defect"
        )
    for fault in faults:
        yield f"{fault}; not labelled yet"
