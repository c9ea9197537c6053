"""The colours of VOC's pictures of classes, and the files that name them.

`labelmap.txt` is of CVAT and datumaro, `class_names.txt` of LabelMe's converter.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from edge.label_files.label_text import read_lines
from edge.label_files.shapes import LabelError

NAME_FILES = ("labelmap.txt", "class_names.txt")
BACKGROUND = ("background", "_background_")
_IGNORED = "__ignore__"  # in class_names.txt of LabelMe: the number before the background


def voc_colour(number_: int) -> int:
    """Return the colour of a class number in VOC's colour map, as 0xRRGGBB.

    Three bits of the number at a time are the next lower bits of red, green and blue.
    """
    channels = [0, 0, 0]
    for shift in range(8):
        bits = number_ >> 3 * shift
        for channel in range(3):
            channels[channel] |= (bits >> channel & 1) << (7 - shift)
    return channels[0] << 16 | channels[1] << 8 | channels[2]


def read_colours(files: Iterable[Path]) -> dict[int, str] | None:
    """Return the class of each colour 0xRRGGBB, and grey; None without a file that names them.

    Blocks on the disk. Raises LabelError for a line that is not as expected.
    """
    colours: dict[int, str] | None = None
    for file in files:
        names = _labelmap(file) if file.name.lower() == "labelmap.txt" else _class_names(file)
        if colours is not None and names != colours:
            raise LabelError(f"{file}: names other colours than another file; expected one")
        colours = names
    return colours


def _labelmap(file: Path) -> dict[int, str]:
    """Lines of `label:red,green,blue:parts:actions`, with a comment at the head.

    Datumaro leaves the colours out where the classes have none. They are then VOC's own, in the
    order of the lines.
    """
    found: dict[int, str] = {}
    lines = [
        (position, line.strip())
        for position, line in enumerate(read_lines(file), start=1)
        if line.strip() and not line.startswith("#")
    ]
    bare = [re.fullmatch(r"([^:]+)::[^:]*:[^:]*", line) for _, line in lines]
    if lines and all(bare):
        names = [match[1] for match in bare if match is not None]
        return {voc_colour(number_): name for number_, name in enumerate(names[:256])}
    for position, line in lines:
        match = re.fullmatch(r"(.+?):(\d{1,3}),(\d{1,3}),(\d{1,3})(:.*)?", line)
        if match is None or max(int(match[n]) for n in (2, 3, 4)) > 255:
            raise LabelError(f"{file}: line {position}: expected label:red,green,blue::")
        found[int(match[2]) << 16 | int(match[3]) << 8 | int(match[4])] = match[1]
    return found


def _class_names(file: Path) -> dict[int, str]:
    names = [line.strip() for line in read_lines(file) if line.strip()]
    names = names[1:] if names[:1] == [_IGNORED] else names
    if names[:1] and names[0] not in BACKGROUND:
        raise LabelError(f"{file}: begins with {names[0]}; expected _background_")
    if len(names) > 255:
        raise LabelError(f"{file}: has {len(names)} classes; expected at most 254")
    greys = {number_ * 0x010101: name for number_, name in enumerate(names)}
    return {**greys, **{voc_colour(number_): name for number_, name in enumerate(names)}}
