"""The usual layout: `images/` and `masks/`, with one folder or one colour for each kind.

    images/0001.png  masks/scratch/0001.png          the kind is the mask's folder
    images/scratch/0001.png  masks/scratch/0001.png  the same, images sorted by kind too
    images/0001.png  masks/0001.png                  the kind is the mask's colour
    kinds.csv     colour,kind   names the colours, as #rrggbb (else kind_rrggbb)
    groups.csv    file,group    images of one part, file inside images/ (else each its own)
    labelled.csv  file,label,…  from `outfeed label`: other images without a mask are not read

The name of a mask may end in `_mask`. A mask may lie in a sub-folder like that of its image:
masks/scratch/line2/0001.png. An image without a mask is a good part. If images/ has a folder good/
or ok/, its other folders are kinds of defects, with or without masks. A grey mask directly in
masks/ has the kind `defect`, unless kinds.csv names its grey. The module edge/data_folder
recognises the files.
"""

from __future__ import annotations

import csv
import logging
import re
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt

from edge.data_folder import (
    DataFolder,
    FolderEntry,
    MaskFile,
    read_folder,
    unread_lines,
)
from edge.data_folder.mask_checks import (
    WHITE,
    empties,
    hidden,
    inverted,
    numbered,
    odd_colours,
    of_good,
)
from edge.data_folder.names import IMAGES, plain
from edge.images import colour_codes
from models.data.dataset import (
    Colour,
    DataError,
    DataSet,
    MaskRef,
    Pixels,
    Sample,
    binary_mask,
    colour_code,
    looks_grey,
    read_pixels,
    refuse,
)

log = logging.getLogger(__name__)

LAYOUT = "generic"
LOOKS_FOR = "images/ and masks/ (generic)"
DEFAULT_KIND = "defect"

# A mask saved with smoothed edges has many colours at its edges; 33 kinds are not drawn by hand.
MOST_COLOURS = 32
# Images that are read to distinguish a grey data set from a coloured one; a line has one camera.
CHANNEL_PROBES = 8

_COLOUR = re.compile(r"#([0-9a-fA-F]{6})")


def matches(root: Path) -> bool:
    """Return true if the folder `root` has this layout."""
    return any(p.name.lower() == IMAGES and p.is_dir() for p in root.iterdir())


def read(root: Path) -> DataSet:
    """Return the data set at `root`. Every mask is read once, for its kinds.

    Raises DataError that lists every fault.
    """
    if not matches(root):
        raise DataError(f"{root / IMAGES}: is missing; expected {LOOKS_FOR}")
    folder = read_folder(root, LAYOUT)
    paths = list(folder.pictures)
    listed = [*paths, *folder.unlabelled]
    if not paths:
        there = "".join(f"; {line}" for line in unread_lines(root, folder.unread))
        raise DataError(
            f"{root / IMAGES}: holds no image; expected at least one .png, .jpg or .bmp{there}"
        )
    names = _read_kinds(root / "kinds.csv")
    groups = read_groups(root / "groups.csv", _image_root(folder), listed)
    reading = _Reading(names)
    samples = [reading.sample(entry, root, groups.get(entry.path)) for entry in folder.entries]
    kinds = tuple(sorted({kind for sample in samples for kind in sample.kinds}))
    samples.sort(key=lambda sample: sample.name)
    dataset = DataSet(root, LAYOUT, kinds, channels_of(paths), tuple(samples))
    refuse((*folder.complaints, *reading.complaints, *reading.of_all(folder)), dataset)
    return dataset


def channels_of(paths: list[Path]) -> int:
    """Return 1 if CHANNEL_PROBES of the pictures are grey, else 3.

    A picture that cannot be read is ignored here: `DataSet.faults` names it.
    """
    step = max(1, len(paths) // CHANNEL_PROBES)
    return 3 if any(_is_coloured(path) for path in paths[::step]) else 1


def _is_coloured(path: Path) -> bool:
    try:
        return not looks_grey(read_pixels(path))
    except DataError:
        return False


def _image_root(folder: DataFolder) -> Path:
    first = folder.entries[0]
    parts = len(PurePosixPath(first.folder).parts)
    return first.path.parents[parts]


class _Reading:
    """The masks of a folder, read one after another, and their faults."""

    def __init__(self, names: dict[int, str] | None) -> None:
        self.complaints: list[str] = []
        self._names = names
        self._flat: list[tuple[Path, int]] = []
        self._empty: list[Path] = []
        self._drawn = 0
        self._wrong: set[Path] = set()

    def sample(self, entry: FolderEntry, root: Path, group: str | None) -> Sample:
        name = entry.path.relative_to(root).as_posix()
        refs = [ref for ref in map(self._ref, entry.masks) if ref is not None]
        kinds = {ref.kind for ref in refs if ref.kind} | {k for ref in refs for _, k in ref.colours}
        self._drawn += bool(kinds)
        drawn = {ref.path for ref in refs}
        for mask in entry.masks:
            if mask.path in drawn and (wrong := of_good(mask, entry, root)):
                self.complaints.append(wrong)
        unmasked = not kinds and bool(entry.kind)
        if unmasked:
            # The folder is that of a kind: masks/ has one of its name, or good parts have their
            # own.
            kinds = {entry.kind or ""}
            log.info("mask-missing image=%s kind=%s: defective, not trained on", name, entry.kind)
        elif not kinds and entry.masks and entry.kind is None:
            self._empty += [m.path for m in entry.masks if m.path not in self._wrong]
        return Sample(name, entry.path, group or name, tuple(sorted(kinds)), tuple(refs), unmasked)

    def of_all(self, folder: DataFolder) -> tuple[str, ...]:
        """Return the faults that the masks have together."""
        drawn = bool(self._drawn or self._wrong)
        lines = [empties(self._empty, folder.entries, drawn=drawn)]
        if self._names is None:
            lines.append(numbered(self._flat))
        return tuple(line for line in lines if line)

    def _ref(self, mask: MaskFile) -> MaskRef | None:
        """Return the mask's reference, or None when the mask is empty or cannot be used."""
        try:
            pixels = read_pixels(mask.path)
            wrong = hidden(pixels, mask.path)
            if not wrong and self._names is None:
                wrong = odd_colours(pixels, mask.path, flat=not mask.kind)
            ref = None if wrong else self._described(mask, pixels)
        except (DataError, OSError) as error:
            wrong, ref = str(error), None
        if ref is not None:
            areas = _areas(ref, pixels)
            wrong = next(filter(None, (inverted(area, mask.path) for area in areas)), "")
        if wrong:
            self.complaints.append(wrong)
            self._wrong.add(mask.path)
        return ref

    def _described(self, mask: MaskFile, pixels: Pixels) -> MaskRef | None:
        if mask.kind:
            drawn = binary_mask(pixels, mask.path).any()
            return MaskRef(mask.path, mask.kind) if drawn else None
        codes = [int(code) for code in np.unique(colour_codes(pixels)) if code]
        if not codes:
            return None
        if self._names is None and looks_grey(pixels):
            if len(codes) > 1 and codes[-1] & 0xFF < WHITE:
                raise DataError(
                    f"{mask.path}: has {len(codes)} greys and no white; expected 0 and 255, or a "
                    "kinds.csv that names each grey as #rrggbb"
                )
            self._flat.append((mask.path, codes[-1] & 0xFF))
            if len(codes) == 1:
                return MaskRef(mask.path, None, ((_colour(codes[0]), DEFAULT_KIND),))
            return MaskRef(mask.path, DEFAULT_KIND)
        if self._names is None and len(codes) > MOST_COLOURS:
            raise DataError(
                f"{mask.path}: has {len(codes)} colours; expected one flat colour per kind, saved "
                "without smoothing as PNG"
            )
        table: list[tuple[Colour, str]] = []
        for code in codes:
            if self._names is not None and code not in self._names:
                raise DataError(
                    f"{mask.path}: has colour #{code:06x}; expected a colour that kinds.csv names"
                )
            kind = f"kind_{code:06x}" if self._names is None else self._names[code]
            table.append((_colour(code), kind))
        return MaskRef(mask.path, None, tuple(table))


def _areas(ref: MaskRef, pixels: Pixels) -> list[npt.NDArray[np.bool_]]:
    """Return the pixels of each kind in a mask: bool H×W."""
    if ref.kind is not None:
        return [binary_mask(pixels, ref.path)]
    codes = colour_codes(pixels)
    return [codes == colour_code(colour) for colour, _ in ref.colours]


def _colour(code: int) -> Colour:
    return code >> 16, code >> 8 & 0xFF, code & 0xFF


def _read_kinds(path: Path) -> dict[int, str] | None:
    if not path.is_file():
        return None
    names: dict[int, str] = {}
    for line, (colour, kind) in _rows(path, ("colour", "kind")):
        match = _COLOUR.fullmatch(colour)
        if match is None or not kind:
            raise DataError(f"{path}: line {line}: expected #rrggbb,kind and found {colour},{kind}")
        code = int(match[1], 16)
        if code == 0:
            raise DataError(f"{path}: line {line}: #000000 is sound surface, it cannot be a kind")
        if code in names:
            raise DataError(f"{path}: line {line}: {colour} is named twice; expected once")
        names[code] = kind
    return names


def read_groups(path: Path, image_root: Path, paths: list[Path]) -> dict[Path, str]:
    """Return the physical part of each picture in a groups.csv; none if the file is missing.

    Its lines are `file,group`, with the file's path inside image_root. Raises DataError.
    """
    if not path.is_file():
        return {}
    known = {plain(p.relative_to(image_root).as_posix()): p for p in paths}
    groups: dict[Path, str] = {}
    for line, (file, group) in _rows(path, ("file", "group")):
        if plain(file) not in known:
            raise DataError(f"{path}: line {line}: {file} is not an image in {image_root}")
        if not group:
            raise DataError(f"{path}: line {line}: {file} has no group; expected file,group")
        groups[known[plain(file)]] = group
    return groups


def _rows(path: Path, header: tuple[str, str]) -> list[tuple[int, tuple[str, str]]]:
    """Return line number and two stripped fields of each row, without header and blank lines."""
    rows: list[tuple[int, tuple[str, str]]] = []
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            for line, row in enumerate(csv.reader(file), start=1):
                fields = [field.strip() for field in row]
                if not any(fields) or tuple(fields) == header:
                    continue
                if len(fields) != len(header):
                    expected = ",".join(header)
                    raise DataError(f"{path}: line {line}: expected two fields, {expected}")
                rows.append((line, (fields[0], fields[1])))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            f"{path}: cannot be read; expected UTF-8 lines {','.join(header)}"
        ) from error
    return rows
