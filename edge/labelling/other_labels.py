"""Labels of another tool: read from its files, which stay as they are, for a new data folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge.data_folder import read_folder
from edge.data_folder.labelled_layout import LABELS
from edge.errors import OutfeedError
from edge.label_files import LabelError, LabelledShape, extent, rasterise
from edge.label_files.classes import IGNORED
from edge.labelling.errors import LabelPageError
from edge.labelling.names import check_kind

_MOST_BOXES = 5  # that a remark names


@dataclass(frozen=True, slots=True)
class OtherLabels:
    """The labels of the files of another tool. title: of its format, as "COCO".

    shapes: of each picture that is drawn completely, or marked as a whole; none of a good part.
    skipped: pictures of a class that labels.toml ignores. remarks: a line for each picture with
    boxes, which show no extent of a defect. Such a picture has no label yet. kinds: sorted.
    """

    title: str
    shapes: Mapping[Path, tuple[LabelledShape, ...]]
    skipped: tuple[Path, ...]
    remarks: Mapping[Path, str]
    kinds: tuple[str, ...]


def read_other_labels(folder: Path) -> OtherLabels | None:
    """Return the labels of a folder with label files of another tool; None for any other folder.

    Blocks on the disk. Raises LabelPageError, one line, for a fault of the label files: a defect
    could be missing then. A picture that they do not name is no fault here.
    """
    content = read_folder(folder, labelled=False)
    if content.layout != LABELS:
        return None
    if content.complaints:
        first, *more = (line.strip() for line in content.complaints)
        rest = f" (and {len(more)} more, which `make train DATA={folder}` lists)" if more else ""
        raise LabelPageError(f"{first}{rest}")
    kinds: dict[str, None] = {}
    shapes: dict[Path, tuple[LabelledShape, ...]] = {}
    remarks: dict[Path, str] = {}
    for entry in content.entries:
        for shape in entry.shapes:
            kinds[_checked(shape.kind, kinds)] = None
        boxes = [each for each in entry.shapes if each.area is not None and each.area.is_box]
        if boxes:
            remarks[entry.path] = _remark(content.form, boxes)
        else:
            shapes[entry.path] = entry.shapes
    skipped = tuple(each.path for each in content.unread if each.reason.endswith(IGNORED))
    return OtherLabels(content.form, shapes, skipped, remarks, tuple(sorted(kinds)))


def masks_of(
    shapes: Sequence[LabelledShape], height: int, width: int
) -> dict[str, npt.NDArray[np.bool_]]:
    """Return the pixels of each kind, bool height×width; {} where none is drawn.

    A pixel has one kind: of two shapes on it the later one counts, as in training. Raises
    LabelPageError for a shape that does not fit or covers no pixel.
    """
    masks: dict[str, npt.NDArray[np.bool_]] = {}
    for shape in shapes:
        if shape.area is None:
            continue
        try:
            drawn = rasterise(shape.area, height, width)
        except LabelError as error:
            raise LabelPageError(f"{shape.place}: {error}") from error
        if not drawn.any():
            raise LabelPageError(f"{shape.place}: covers no pixel; expected the defect drawn")
        for mask in masks.values():
            mask &= ~drawn
        masks[shape.kind] = masks.get(shape.kind, np.zeros_like(drawn)) | drawn
    return {kind: mask for kind, mask in masks.items() if mask.any()}


def _checked(kind: str, known: Mapping[str, None]) -> str:
    try:
        return check_kind(kind, known)
    except OutfeedError as error:
        raise LabelPageError(f"{error}; labels.toml can give the class another kind") from error


def _remark(title: str, boxes: Sequence[LabelledShape]) -> str:
    """Return a line that names the boxes of a picture, left, top, right and bottom in px."""
    places = []
    for shape in boxes[:_MOST_BOXES]:
        sides = extent(shape.area) if shape.area is not None else None
        if sides is not None:
            places.append(f"{shape.kind} {' '.join(f'{side:.0f}' for side in sides)}")
    more = f" and {len(boxes) - _MOST_BOXES} more" if len(boxes) > _MOST_BOXES else ""
    return (
        f"{title} has boxes here (left top right bottom in px): {', '.join(places)}{more}; draw "
        "the defects in them"
    )
