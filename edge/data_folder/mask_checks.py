"""Mistakes of masks: inverted, in the alpha channel, areas of several greys, numbers for kinds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.data_folder.contents import DataFolder, FolderEntry, MaskFile, some_names
from edge.data_folder.ignored_content import turned
from edge.data_folder.names import GOOD_FOLDERS, is_good
from edge.errors import FrameError
from edge.images import decode_alpha, read_image

# The largest of 1,154 published masks covers 48.5 % of its picture, and none lies on more than
# 48.6 % of its rim (Magnetic Tile, KolektorSDD, DeepCrack). An inverted mask lies on most of both.
MOST_COVERED = 0.9
MORE_THAN_HALF, MOST_RIM = 0.5, 0.75
_UNNAMED = "defect"
WHITE = 250  # greys from here on are white: editors and converters differ by a few
# Of published masks with soft edges 6.6 % at most; a probability map or a photograph is grey.
_END_GREYS, _MOST_GREY = 8, 0.25
_MOST_NUMBERS = 32
_OPAQUE = 127
_LOSSY = (".jpg", ".jpeg", ".webp")  # a decoder makes greys where none were drawn


@dataclass(frozen=True, slots=True)
class Drawn:
    """The content of a folder's masks. kinds: the kind of each picture whose mask is not empty;
    "defect" where the mask's folder names none. faults: one line each."""

    kinds: dict[Path, str]
    faults: tuple[str, ...]


def read_drawn(folder: DataFolder) -> Drawn:
    """Read every mask of a folder once. Blocks on the disk."""
    kinds: dict[Path, str] = {}
    faults: list[str] = []
    empty: list[Path] = []
    flat: list[tuple[Path, int]] = []
    for entry in folder.entries:
        blank = []
        for mask in entry.masks:
            try:
                pixels = read_image(mask.path)
                fault = hidden(pixels, mask.path)
                fault = fault or _other_size(pixels, mask.path, entry, folder.root)
            except (FrameError, OSError) as error:
                faults.append(str(error))
                continue
            if not fault and not folder.names_colours:
                fault = odd_colours(pixels, mask.path, flat=not mask.kind)
            grey = pixels.max(axis=2) if pixels.ndim == 3 else pixels
            # As in training: a mask of dark values only is of one that numbers its kinds.
            shown = np.asarray(grey > (_OPAQUE if grey.max(initial=0) > _OPAQUE else 0))
            fault = fault or inverted(shown, mask.path)
            if fault:
                faults.append(fault)
            elif not shown.any():
                blank.append(mask.path)
            else:
                kinds.setdefault(entry.path, mask.kind or _UNNAMED)
                if fault := of_good(mask, entry, folder.root):
                    faults.append(fault)
                if not mask.kind and is_grey(pixels):
                    flat.append((mask.path, int(pixels.max())))
        if entry.path not in kinds and entry.kind is None:
            empty += blank
    faults.append("" if folder.names_colours else numbered(flat))
    faults.append(empties(empty, folder.entries, drawn=bool(kinds)))
    return Drawn(kinds, tuple(fault for fault in faults if fault))


def of_good(mask: MaskFile, entry: FolderEntry, root: Path) -> str:
    """A line where a mask that is drawn on, or its picture, lies in good/, else ''."""
    if mask.kind.lower() in GOOD_FOLDERS:
        return f"{mask.path}: is drawn on, and its folder says good; expected masks/KIND/"
    if entry.kind != "" or not is_good(entry.folder):
        return ""
    name = entry.path.relative_to(root).as_posix()
    return (
        f"{mask.path}: is a mask of {name}, a good part; expected an image in the folder of a kind"
    )


def other_size(
    mask: Path, of_mask: tuple[int, ...], picture: str, of_picture: tuple[int, ...]
) -> str:
    """A line where a mask has another height or width than its picture, else ''."""
    if of_mask[:2] == of_picture[:2]:
        return ""
    return (
        f"{mask}: the mask is {of_mask[1]}x{of_mask[0]} and its image {picture} is "
        f"{of_picture[1]}x{of_picture[0]}; expected the same size"
    )


def _other_size(pixels: NDArray[np.uint8], mask: Path, entry: FolderEntry, root: Path) -> str:
    try:
        picture = read_image(entry.path)
    except FrameError:
        return ""  # its own complaint
    return other_size(mask, pixels.shape, entry.path.relative_to(root).as_posix(), picture.shape)


def empties(empty: Sequence[Path], entries: Iterable[FolderEntry], *, drawn: bool) -> str:
    """Return a line if a picture has only empty masks and nothing else marks it as good, else ''.

    drawn: whether any mask of the folder is drawn on.

    Some tools write a mask for every picture, and an empty one for a good part. Where other
    pictures have no mask, an empty one is a defect that was not drawn or not saved.
    """
    every = all(entry.masks or entry.kind is not None for entry in entries)
    if not empty or (every and drawn):
        return ""
    which = "masks are empty" if drawn else "all masks are empty"
    return (
        f"{empty[0].parent}: {which} ({len(empty)}: {some_names(empty)}) and their parts would be "
        "good ones; expected white on the defect, or no mask for a good part"
    )


def is_grey(pixels: NDArray[np.uint8]) -> bool:
    """Return whether a picture is H×W, or H×W×3 with equal channels."""
    return pixels.ndim == 2 or bool((pixels == pixels[:, :, :1]).all())


def inverted(defect: NDArray[np.bool_], path: Path) -> str:
    """A line where the defect is most of the picture, else ''."""
    if not defect.size:
        return ""
    covered = float(defect.mean())
    rim = np.concatenate([defect[0], defect[-1], defect[:, 0], defect[:, -1]])
    if covered <= MOST_COVERED and not (covered > MORE_THAN_HALF and float(rim.mean()) >= MOST_RIM):
        return ""
    return (
        f"{path}: the mask covers {covered:.0%} of its picture ({int(defect.sum())} of "
        f"{defect.size} px), as an inverted one does; expected white on the defect and black "
        f"elsewhere: mogrify -negate {quote(str(path))} (ImageMagick) inverts it; where the defect "
        "is all over the part, delete the mask and put the picture into images/KIND/ beside "
        "images/good/"
    )


def hidden(pixels: NDArray[np.uint8], path: Path) -> str:
    """A line where the mask is drawn in the alpha channel, which is not read, or is to be turned,
    else ''. Raises OSError."""
    data = path.read_bytes()
    if line := turned(path, data):
        return line
    alpha = decode_alpha(data)
    if alpha is None or int(alpha.min()) == int(alpha.max()):
        return ""
    colour = pixels.any(axis=2) if pixels.ndim == 3 else pixels > 0
    seen = colour & (alpha > _OPAQUE)
    if colour.any() and not colour.all() and np.array_equal(seen, colour):
        return ""
    name = quote(str(path))
    return (
        f"{path}: the mask is drawn in the alpha channel, which is not read; expected white on "
        f"black: convert {name} -alpha extract {name} (ImageMagick)"
    )


def odd_colours(pixels: NDArray[np.uint8], path: Path, *, flat: bool) -> str:
    """A line where a mask has the many values of a picture, a white ground under colours, or areas
    of other greys beside white, else ''. flat: right inside masks/, where colours are kinds and are
    counted by who reads them.

    Soft edges have other greys as well, but no area of one: such a mask numbers its kinds.
    """
    ends = (pixels < _END_GREYS) | (pixels > 255 - _END_GREYS)
    share = 1.0 - float(ends.mean()) if ends.size else 0.0
    photograph = share > _MOST_GREY and (is_grey(pixels) or not flat)
    if photograph and len(np.unique(pixels)) > _MOST_NUMBERS:
        return (
            f"{path}: {share:.0%} of its values are neither black nor white, as of a picture; "
            "expected white on the defect and black elsewhere"
        )
    white = (pixels == 255).all(axis=2) if pixels.ndim == 3 else pixels == 255
    if not is_grey(pixels) and float(white.mean()) > MORE_THAN_HALF:
        return (
            f"{path}: is white where nothing is drawn; expected black: mogrify -fill black -opaque "
            f"white {quote(str(path))} (ImageMagick)"
        )
    if path.suffix.lower() in _LOSSY or not is_grey(pixels):
        return ""
    grey = pixels if pixels.ndim == 2 else pixels[:, :, 0]
    values = [int(value) for value in np.unique(grey) if value]
    if not values or values[-1] < WHITE:
        return ""  # its own complaint, or one value alone
    kernel = np.ones((3, 3), np.uint8)
    areas = [
        value
        for value in values
        if value < WHITE and cv2.erode((grey == value).astype(np.uint8), kernel).any()
    ]
    if not areas:
        return ""
    return (
        f"{path}: has areas of the greys {_listed([*areas, values[-1]])}; expected 0 and 255, or, "
        "where each grey is a kind, a mask right inside masks/ and a kinds.csv that names them: "
        f"{_table(areas)}"
    )


def numbered(flat: Iterable[tuple[Path, int]]) -> str:
    """A line where flat masks of one grey each differ in it, else ''. flat: each with its grey."""
    by_grey: dict[int, list[Path]] = defaultdict(list)
    for path, grey in flat:
        by_grey[255 if grey >= WHITE else grey].append(path)
    if len(by_grey) < 2:
        return ""
    folder = next(iter(by_grey.values()))[0].parent
    greys = sorted(by_grey)
    some = "; ".join(f"{grey}: {some_names(by_grey[grey])}" for grey in greys[:4])
    return (
        f"{folder}: masks of one grey each hold the greys {_listed(greys)} ({some}) and would be "
        f"one kind; if each is a kind, name it in {folder.parent / 'kinds.csv'}: {_table(greys)}; "
        "else expected 0 and 255 in all"
    )


def _listed(greys: list[int]) -> str:
    return ", ".join(map(str, greys[:6])) + (", …" if len(greys) > 6 else "")


def _table(greys: list[int]) -> str:
    """The beginning of a kinds.csv for these greys."""
    return " ".join(f"#{grey:02x}{grey:02x}{grey:02x},NAME" for grey in greys[:3])
