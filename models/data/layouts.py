"""The supported folder layouts, and the recognition of the layout of a folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from edge.data_folder import listing, read_folder, unrecognised
from edge.data_folder.names import is_picture
from models.data import (
    aiglern,
    crackforest,
    dagm2007,
    deeppcb,
    generic,
    kolektorsdd,
    labelled,
    magnetic_tile,
    mvtec_ad,
    sorted_folders,
)
from models.data.dataset import DataError, DataFolderError, DataSet, read_pixels
from models.data.groups import by_pattern


@dataclass(frozen=True, slots=True)
class Layout:
    """A layout: the test that recognises it and the function that reads it."""

    matches: Callable[[Path], bool]
    read: Callable[[Path], DataSet]


# Tried in this order. Published sets come first, since one of them may also contain images/ or
# good/.
LAYOUTS: Mapping[str, Layout] = {
    magnetic_tile.LAYOUT: Layout(magnetic_tile.matches, magnetic_tile.read),
    crackforest.LAYOUT: Layout(crackforest.matches, crackforest.read),
    kolektorsdd.LAYOUT: Layout(kolektorsdd.matches, kolektorsdd.read),
    deeppcb.LAYOUT: Layout(deeppcb.matches, deeppcb.read),
    dagm2007.LAYOUT: Layout(dagm2007.matches, dagm2007.read),
    aiglern.LAYOUT: Layout(aiglern.matches, aiglern.read),
    mvtec_ad.LAYOUT: Layout(mvtec_ad.matches, mvtec_ad.read),
    labelled.LAYOUT: Layout(labelled.matches, labelled.read),
    generic.LAYOUT: Layout(generic.matches, generic.read),
    sorted_folders.LAYOUT: Layout(sorted_folders.matches, sorted_folders.read),
}


def open_dataset(path: str | Path, layout: str = "auto", groups: str | None = None) -> DataSet:
    """Return the data set at `path`, read by the named layout or by the first that recognises it.

    groups: a regular expression that finds the physical part in each sample's name. It replaces the
    groups of the layout (see `models.data.groups.by_pattern`).

    Raises DataError if the folder does not exist, the layout is unknown, no layout recognises it,
    or `groups` does not fit.
    """
    dataset = _read(Path(path), layout)
    return dataset if groups is None else by_pattern(dataset, groups)


def _read(root: Path, layout: str) -> DataSet:
    if not root.is_dir():
        raise DataError(f"{root}: is not a folder; expected the folder of a data set")
    if layout != "auto":
        if layout not in LAYOUTS:
            raise DataError(f"layout {layout!r}: unknown; expected auto or {_names()}")
        return LAYOUTS[layout].read(root)
    for candidate in LAYOUTS.values():
        if candidate.matches(root):
            return _read_all(root, candidate)
    raise DataError(unrecognised(read_folder(root)))


def _read_all(root: Path, layout: Layout) -> DataSet:
    """Read the folder. DataError also names every file that cannot be decoded."""
    try:
        return layout.read(root)
    except DataFolderError:
        raise  # its reader has checked every file
    except DataError as error:
        folder, faults = read_folder(root), [str(error)]
        for path in (*folder.pictures, *filter(is_picture, folder.truths)):
            try:
                read_pixels(path)
            except DataError as fault:
                faults.append(str(fault))
        raise DataFolderError(listing(faults, str(root))) from error


def _names() -> str:
    return ", ".join(LAYOUTS)
