"""Label files from the disk: JSON, XML and text within limits, and the numbers in them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree
from xml.parsers import expat

from edge.label_files.shapes import LabelError, Ring

# The annotations of COCO 2017 are 450 MB for 118,000 pictures; a line labels some thousands.
MOST_BYTES = 256 << 20
_MOST_LINES_BYTES = 16 << 20
_DEEPEST = 50  # elements inside each other
_MOST_ELEMENTS = 5_000_000
_LARGEST = 1e7  # px: a larger coordinate is a mistake
MOST_POINTS = 100_000  # of one outline


def read_bytes(path: Path, most: int = MOST_BYTES) -> bytes:
    """Return the content of a file of at most ``most`` bytes. Blocks. Raises LabelError."""
    try:
        with path.open("rb") as file:
            data = file.read(most + 1)
    except OSError as error:
        raise LabelError(f"{path}: cannot be read: {error.strerror}") from error
    if len(data) > most:
        raise LabelError(f"{path}: is larger than {most >> 20} MiB; expected a label file")
    return data


def read_json(path: Path) -> object:
    """Return the content of a JSON file in UTF-8. Blocks on the disk. Raises LabelError.

    NaN and Infinity, which Python's own writer may write, are refused.
    """
    try:
        return json.loads(read_bytes(path).decode("utf-8-sig"), parse_constant=_refuse_constant)
    except UnicodeDecodeError as error:
        raise LabelError(f"{path}: is no UTF-8 text; expected JSON in UTF-8") from error
    except (ValueError, RecursionError) as error:
        raise LabelError(f"{path}: is no valid JSON: {error}") from error


def read_xml(path: Path) -> ElementTree.Element:
    """Return the root element of an XML file. Blocks on the disk. Raises LabelError.

    A document type is refused, and with it every entity: a few of them can expand to gigabytes, and
    others name files of this machine.
    """
    data = read_bytes(path)
    builder = ElementTree.TreeBuilder()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    depth, elements = 0, 0

    def start(tag: str, attributes: Mapping[str, str]) -> None:
        nonlocal depth, elements
        depth, elements = depth + 1, elements + 1
        if depth > _DEEPEST or elements > _MOST_ELEMENTS:
            raise LabelError(f"{path}: has too many elements; expected a label file")
        builder.start(tag, dict(attributes))

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(tag)

    def refuse(*_: object) -> None:
        raise LabelError(f"{path}: has a document type (DOCTYPE); expected XML without one")

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(data, True)
        return builder.close()
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise LabelError(f"{path}: is no valid XML: {error}") from error


def read_lines(path: Path) -> list[str]:
    """Return the lines of a text in UTF-8. Blocks on the disk. Raises LabelError."""
    try:
        return read_bytes(path, _MOST_LINES_BYTES).decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise LabelError(f"{path}: is no UTF-8 text; expected lines of a label file") from error


def number(value: object, what: str) -> float:
    """Return a finite number below 10,000,000. Raises LabelError that names ``what``."""
    try:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise ValueError
        found = float(value)
    except (ValueError, OverflowError):
        found = math.nan
    if not abs(found) < _LARGEST:
        raise LabelError(f"{what} is {_short(value)}; expected a number")
    return found


def whole(value: object, what: str) -> int:
    """Return a whole number. Raises LabelError that names ``what``."""
    found = number(value, what)
    if found != int(found):
        raise LabelError(f"{what} is {_short(value)}; expected a whole number")
    return int(found)


def text(value: object, what: str) -> str:
    """Return a text that is not empty, without spaces around it. Raises LabelError."""
    if not isinstance(value, str) or not value.strip():
        raise LabelError(f"{what} is {_short(value)}; expected a text")
    if not value.strip().isprintable():
        raise LabelError(f"{what} has characters that cannot be printed; expected a text")
    return value.strip()


def table(value: object, what: str) -> Mapping[str, object]:
    """Return a JSON object. Raises LabelError that names ``what``."""
    if not isinstance(value, dict):
        raise LabelError(f"{what} is {_short(value)}; expected an object")
    return value


def array(value: object, what: str) -> list[object]:
    """Return a JSON array. Raises LabelError that names ``what``."""
    if not isinstance(value, list):
        raise LabelError(f"{what} is {_short(value)}; expected an array")
    return value


def ring_of(flat: list[float], what: str) -> Ring:
    """Return the points of x, y, x, y, … with three points or more. Raises LabelError."""
    if len(flat) % 2 or len(flat) < 6:
        raise LabelError(f"{what} has {len(flat)} numbers; expected x and y of 3 points or more")
    if len(flat) > 2 * MOST_POINTS:
        raise LabelError(f"{what} has {len(flat) // 2} points; expected at most {MOST_POINTS}")
    return tuple(zip(flat[::2], flat[1::2], strict=True))


def size_of(width: object, height: object, what: str) -> tuple[int, int] | None:
    """Return width and height in px; None where the file states none (absent, or 0)."""
    if width in (None, "", 0, "0") or height in (None, "", 0, "0"):
        return None
    return whole(width, f"{what}: width"), whole(height, f"{what}: height")


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is no number of JSON")


def _short(value: object) -> str:
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "an array"
    shown = "missing" if value is None else ascii(value)
    return shown if len(shown) <= 40 else shown[:37] + "..."
