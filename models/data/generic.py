"""The layout every user has: `images/` and `masks/`, one folder or one colour per kind.

    images/0001.png  masks/scratch/0001.png          the kind is the mask's folder
    images/scratch/0001.png  masks/scratch/0001.png  the same, images sorted by kind too
    images/0001.png  masks/0001.png                  the kind is the mask's colour
    kinds.csv     colour,kind   names the colours, as #rrggbb (else kind_rrggbb)
    groups.csv    file,group    images of one part, file inside images/ (else each its own)

A mask may end in `_mask`. An image without a mask is a good part; but where images/ has a folder
good/ or ok/, the other folders in it are kinds of defect, drawn or not. A grey mask that lies flat
in masks/ is of kind `defect` unless kinds.csv names its grey.
"""

from __future__ import annotations

import csv
import logging
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.data.dataset import (
    Colour,
    DataError,
    DataSet,
    MaskRef,
    Pixels,
    Sample,
    binary_mask,
    colour_codes,
    image_files,
    looks_grey,
    read_pixels,
)

log = logging.getLogger(__name__)

LAYOUT = "generic"
LOOKS_FOR = "images/ and masks/ (generic)"
DEFAULT_KIND = "defect"
GOOD_FOLDERS = ("good", "ok")  # in any case

# A mask saved with smoothed edges has a colour per edge pixel; no one draws 33 kinds by hand.
MOST_COLOURS = 32
# Images looked at to tell a grey data set from a coloured one; a line has one camera.
CHANNEL_PROBES = 8

_COLOUR = re.compile(r"#([0-9a-fA-F]{6})")


@dataclass(frozen=True, slots=True)
class _Mask:
    """A mask file: the folder it lies in ('' when flat) and the stem of the image it is for."""

    path: Path
    folder: str
    stem: str


def matches(root: Path) -> bool:
    """Whether `root` looks like this layout."""
    return (root / "images").is_dir()


def read(root: Path) -> DataSet:
    """The data set at `root`; every mask is read once, for its kinds. Raises DataError."""
    image_root = root / "images"
    if not image_root.is_dir():
        raise DataError(f"{image_root}: is missing; expected {LOOKS_FOR}")
    paths = image_files(image_root)
    if not paths:
        raise DataError(f"{image_root}: holds no image; expected at least one .png, .jpg or .bmp")
    names = _read_kinds(root / "kinds.csv")
    groups = read_groups(root / "groups.csv", image_root, paths)
    masks = _find_masks(root / "masks", image_root, paths)
    by_kind = any(_is_good(_folder(path, image_root)) for path in paths)
    samples = [
        _sample(path, root, masks.get(path, []), names, groups.get(path), by_kind=by_kind)
        for path in paths
    ]
    kinds = tuple(sorted({kind for sample in samples for kind in sample.kinds}))
    samples.sort(key=lambda sample: sample.name)
    return DataSet(root, LAYOUT, kinds, channels_of(paths), tuple(samples))


def channels_of(paths: list[Path]) -> int:
    """1 where every picture that is looked at is grey, else 3. Raises DataError."""
    step = max(1, len(paths) // CHANNEL_PROBES)
    return 1 if all(looks_grey(read_pixels(path)) for path in paths[::step]) else 3


def _find_masks(mask_root: Path, image_root: Path, paths: list[Path]) -> dict[Path, list[_Mask]]:
    """Each image's masks; the one place that knows which mask belongs to which image."""
    images: dict[tuple[str, str], Path] = {}
    for path in paths:
        key = (_folder(path, image_root), path.stem)
        if key in images:
            raise DataError(
                f"{path}: has the same name as {images[key].name} but for the suffix; "
                "expected one image per name"
            )
        images[key] = path
    found: dict[Path, list[_Mask]] = {}
    for path in image_files(mask_root) if mask_root.is_dir() else []:
        folder = _folder(path, mask_root)
        stems = [path.stem]
        if path.stem.endswith("_mask"):
            stems.append(path.stem.removesuffix("_mask"))
        places = [(place, stem) for stem in stems for place in (folder, "")]
        key = next((place for place in places if place in images), places[-1])
        if key not in images:
            raise DataError(
                f"{path}: is a mask without an image; expected an image named "
                f"{stems[-1]} in {image_root}"
            )
        found.setdefault(images[key], []).append(_Mask(path, folder, key[1]))
    return found


def _folder(path: Path, root: Path) -> str:
    parent = path.parent.relative_to(root).as_posix()
    return "" if parent == "." else parent


def _is_good(folder: str) -> bool:
    return folder.partition("/")[0].lower() in GOOD_FOLDERS


def _sample(
    path: Path,
    root: Path,
    masks: list[_Mask],
    names: dict[int, str] | None,
    group: str | None,
    *,
    by_kind: bool,
) -> Sample:
    name = path.relative_to(root).as_posix()
    refs: list[MaskRef] = []
    for mask in masks:
        ref = _mask_ref(mask, read_pixels(mask.path), names)
        if ref is not None:
            refs.append(ref)
    kinds = {ref.kind for ref in refs if ref.kind} | {k for ref in refs for _, k in ref.colours}
    folder = _folder(path, root / "images")
    elsewhere = by_kind and not _is_good(folder)
    unmasked = not kinds and bool(folder) and (elsewhere or (root / "masks" / folder).is_dir())
    if unmasked:
        # The folder says defective: masks/ has that folder, or good parts have one of their own.
        kinds = {folder}
        log.info("mask-missing image=%s kind=%s: defective, not trained on", name, folder)
    return Sample(name, path, group or name, tuple(sorted(kinds)), tuple(refs), unmasked)


def _mask_ref(mask: _Mask, pixels: Pixels, names: dict[int, str] | None) -> MaskRef | None:
    """What the mask says, or None when it is empty: tools often write one for every kind."""
    if mask.folder:
        return MaskRef(mask.path, mask.folder) if binary_mask(pixels, mask.path).any() else None
    codes = [int(code) for code in np.unique(colour_codes(pixels)) if code]
    if not codes:
        return None
    if names is None and looks_grey(pixels):
        if len(codes) > 1 and codes[-1] != 0xFFFFFF:
            raise DataError(
                f"{mask.path}: has {len(codes)} greys and no white; expected 0 and 255, or a "
                "kinds.csv that names each grey as #rrggbb"
            )
        if len(codes) == 1:
            return MaskRef(mask.path, None, ((_colour(codes[0]), DEFAULT_KIND),))
        return MaskRef(mask.path, DEFAULT_KIND)
    if names is None and len(codes) > MOST_COLOURS:
        raise DataError(
            f"{mask.path}: has {len(codes)} colours; expected one flat colour per kind, saved "
            "without smoothing as PNG"
        )
    table: list[tuple[Colour, str]] = []
    for code in codes:
        if names is not None and code not in names:
            raise DataError(
                f"{mask.path}: has colour #{code:06x}; expected a colour that kinds.csv names"
            )
        table.append((_colour(code), f"kind_{code:06x}" if names is None else names[code]))
    return MaskRef(mask.path, None, tuple(table))


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
    """The physical part of each picture that a groups.csv names, which may be missing: lines
    `file,group`, file inside image_root. Raises DataError."""
    if not path.is_file():
        return {}
    known = {p.relative_to(image_root).as_posix(): p for p in paths}
    groups: dict[Path, str] = {}
    for line, (file, group) in _rows(path, ("file", "group")):
        if file not in known:
            raise DataError(f"{path}: line {line}: {file} is not an image in {image_root}")
        if not group:
            raise DataError(f"{path}: line {line}: {file} has no group; expected file,group")
        groups[known[file]] = group
    return groups


def _rows(path: Path, header: tuple[str, str]) -> list[tuple[int, tuple[str, str]]]:
    """Line number and two stripped fields of each row; header and blank lines are skipped."""
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
