"""Files that hold labels, by their content: COCO, LabelMe, YOLO, Pascal VOC, CVAT, tables, …

edge/label_files reads some of these forms. Files of the others stop training and the demo.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from edge.data_folder.names import TABLES, is_picture, names_labels, plain

_HEAD_BYTES = 1 << 20  # of a file: enough to tell what it is
# A JSON file has its keys anywhere: LabelMe may put a picture before its shapes.
_JSON_BYTES = 64 << 20
_JSON = (
    ("Label Studio", (rb'"(annotations|completions)"\s*:', rb'"result"\s*:\s*\[')),
    ("Label Studio", (rb'"annotation_id"\s*:', rb'"(annotator|original_width|lead_time)"\s*:')),
    ("COCO", (rb'"annotations"\s*:', rb'"(images|categories)"\s*:')),
    ("LabelMe", (rb'"shapes"\s*:',)),
    ("VGG Image Annotator", (rb'"(regions|_via_img_metadata|region_attributes)"\s*:',)),
    ("Supervisely", (rb'"objects"\s*:', rb'"(tags|size)"\s*:')),
    (
        "drawn",
        (
            rb'"(annotations?|bbox|bboxes|boxes|box|polygons?|segmentations?|labels?|class|classes'
            rb'|categor(y|ies)|category_id|defects?|objects?|regions?|points|rle|counts)"\s*:',
        ),
    ),
)
_XML = (
    ("CVAT labels", re.compile(rb"<annotations\b", re.IGNORECASE)),
    ("Pascal VOC labels", re.compile(rb"<annotation\b", re.IGNORECASE)),
    ("labels", re.compile(rb"<(object|bndbox|polygon|polyline|label)\b", re.IGNORECASE)),
)
_YOLO = re.compile(r"\s*\d+(\s+[-+]?\d*\.?\d+(e[-+]?\d+)?){4,}\s*", re.IGNORECASE)
_YOLO_TABLE = re.compile(rb"^\s*(names|nc)\s*:", re.MULTILINE)
_NUMBER = re.compile(r"[-+]?\d*\.?\d+(e[-+]?\d+)?", re.IGNORECASE)
_BOX_NUMBERS = 4
_LONGEST_CLASS = 40  # characters
TABLE = "a table of labels"
_SETS = (".hdict", ".tfrecord", ".tfrecords")  # a data set in one file, labels with it
_ARRAYS = (
    ".geojson",
    ".h5",
    ".hdf5",
    ".hobj",
    ".mat",
    ".npy",
    ".npz",
    ".pickle",
    ".pkl",
    ".roi",
    ".svg",
)
_NOTES = ("readme", "license", "licence", "copying", "changelog", "citation", "notes", "contents")


def label_files(
    files: Iterable[Path], pictures: Iterable[Path]
) -> dict[tuple[Path, str], list[Path]]:
    """Of files that are no pictures, those that look like labels, by folder and by what they look
    like ("COCO labels"). Reads the beginning of each. pictures: of which they may be."""
    stems = {plain(picture.stem) for picture in pictures}
    stems |= {plain(picture.name) for picture in pictures}
    found: dict[tuple[Path, str], list[Path]] = defaultdict(list)
    for path in files:
        form = _form(path, stems)
        if form:
            found[path.parent, form].append(path)
    return dict(found)


def is_yolo_text(path: Path) -> bool:
    """Return whether every line of a text is one of YOLO. Reads the beginning of the file."""
    lines = _text(path).splitlines()
    return path.suffix.lower() == ".txt" and all(
        _YOLO.fullmatch(line) for line in lines if line.strip()
    )


def is_note(path: Path) -> bool:
    """Return whether a file is a text for people, as README.md is."""
    suffix = path.suffix.lower()
    if suffix in ("", ".txt", ".rst", ".text"):
        return path.stem.lower().startswith(_NOTES)
    return suffix in (".md", ".pdf", ".html", ".htm", ".doc", ".docx")


def _form(path: Path, stems: set[str]) -> str:
    """Return the kind of labels that a file holds; '' where it does not look like labels."""
    suffix, beside = path.suffix.lower(), _is_beside(path, stems)
    if is_note(path) or path.name.lower() in TABLES:
        return ""
    if suffix in (".json", ".jsonl", ".ndjson"):
        head = _head(path, _JSON_BYTES)
        for form, patterns in _JSON:
            if all(re.search(pattern, head) for pattern in patterns):
                return f"{form} labels"
    elif suffix == ".xml":
        head = _head(path)
        if found := next((form for form, pattern in _XML if pattern.search(head)), ""):
            return found
    elif suffix == ".txt":
        lines = _text(path).splitlines()
        if beside and all(_YOLO.fullmatch(line) for line in lines if line.strip()):
            return "YOLO labels"
        if beside and (_is_short(lines) or any(map(_has_box, lines))):
            return "labels"
        if _is_table(lines, stems):
            return TABLE
        if path.stem.lower() in ("classes", "obj", "predefined_classes", "classnames"):
            return "YOLO labels"
    elif suffix in (".csv", ".tsv", ".lst"):
        if _is_table(_text(path).splitlines(), stems):
            return TABLE
    elif suffix in (".yaml", ".yml"):
        if _YOLO_TABLE.search(_head(path)):
            return "YOLO labels"
    elif suffix == ".names":
        return "YOLO labels"
    if suffix in _SETS or (beside and suffix in _ARRAYS):
        return "labels"
    return "labels" if names_labels(path.name) and not is_picture(path) else ""


def _is_beside(path: Path, stems: set[str]) -> bool:
    """Return whether a picture has the file's name without the suffix: a.txt or a.png.txt for
    a.png."""
    return plain(path.stem) in stems or plain(Path(path.stem).stem) in stems


def _is_short(lines: list[str]) -> bool:
    """Return whether a text is one word or number, as a class is."""
    rows = [line for line in lines if line.strip()]
    return len(rows) == 1 and len(rows[0].split()) == 1 and len(rows[0]) <= _LONGEST_CLASS


def _has_box(line: str) -> bool:
    """Return whether a line holds the four numbers of a box."""
    fields = re.split(r"[\s,;]+", line)
    return sum(bool(_NUMBER.fullmatch(field)) for field in fields) >= _BOX_NUMBERS


def _is_table(lines: list[str], stems: set[str]) -> bool:
    """Return whether the first lines name pictures and have something to tell of each."""
    rows = [line for line in lines[:50] if line.strip()]
    firsts = 0
    for row in rows:
        fields = [_name(field) for field in re.split(r"[,;\t]", row)]
        words = [_name(field) for field in row.split()]
        for some in (fields, words):
            if len(some) > 1 and any(is_picture(Path(each)) and each in stems for each in some):
                return True
        firsts += len(fields) > 1 and fields[0] in stems
    return firsts > 0 and firsts >= (len(rows) - 1) / 2


def _name(field: str) -> str:
    return plain(field.strip().strip("\"'").replace("\\", "/").rpartition("/")[2])


def _head(path: Path, most: int = _HEAD_BYTES) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(most)
    except OSError:
        return b""


def _text(path: Path) -> str:
    head = _head(path)
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return head.decode("utf-16", errors="replace")
    return head.decode("utf-8-sig", errors="replace")
