"""The summary of a data folder at the start of a training: good, bad, and unread pictures."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from edge.data_folder import count, listing, read_folder, unread_lines
from models.data.boxes import is_boxed
from models.data.dataset import DataFolderError, DataSet, Sample

_SHOWN = 6  # most folders that a line names


def account(dataset: DataSet) -> tuple[str, ...]:
    """Return lines on the layout, good and bad pictures, copies, and files that were not read.

    Good pictures are counted by folder, bad ones by kind, and those without a mask apart. Every
    file of equal size is read once, to find copies. Raises DataError if copies of one picture count
    as good and as bad, and if a file that may hold labels cannot be read.
    """
    folder = read_folder(dataset.root)
    if folder.layout == dataset.layout and folder.complaints:
        raise DataFolderError(listing(folder.complaints, str(dataset.root)))
    samples = dataset.samples
    good = [sample for sample in samples if sample.is_good]
    undrawn = [sample for sample in samples if sample.unmasked]
    carried = Counter(kind for sample in samples if not sample.unmasked for kind in sample.kinds)
    without = Counter(kind for sample in undrawn for kind in sample.kinds)
    bad = len(samples) - len(good)
    lines = [
        f"{dataset.root}: {count(len(samples), 'picture')}, read as {dataset.layout}"
        + (f" of {folder.form}, " if folder.form else ", ")
        + ("in colour" if dataset.channels == 3 else "grey"),
        f"taken as good: {len(good)}{_places(good)}",
        f"taken as bad: {bad}"
        + (": " + ", ".join(f"{kind} {number}" for kind, number in sorted(carried.items())))
        * bool(carried),
    ]
    if not bad and folder.layout is not None and not folder.says_good:
        lines.append("no mask and no folder good/ shows which part is good: all are taken as good")
    if undrawn:
        kinds = ", ".join(f"{kind} {number}" for kind, number in sorted(without.items()))
        lines.append(
            f"bad, without a mask: {len(undrawn)}: {kinds}; only for evaluation, not for training"
        )
    if boxed := sum(map(is_boxed, samples)):
        lines.append(f"bad, with boxes in place of masks: {boxed}; weak labels of their defects")
    lines += _copies(samples)
    lines += [f"not read: {line}" for line in unread_lines(dataset.root, folder.unread)]
    return tuple(lines)


def _places(samples: Iterable[Sample]) -> str:
    """Return the number of samples in each folder, as text."""
    folders = Counter(PurePosixPath(sample.name).parent.as_posix() for sample in samples)
    some = ", ".join(f"{name}/ {number}" for name, number in folders.most_common(_SHOWN))
    more = f", {len(folders) - _SHOWN} folders more" if len(folders) > _SHOWN else ""
    return f" ({some}{more})" if folders else ""


def _copies(samples: Iterable[Sample]) -> list[str]:
    """Return a line on pictures that are equal byte for byte, except those of one group."""
    sizes: dict[int, list[Sample]] = defaultdict(list)
    for sample in samples:
        sizes[sample.image_path.stat().st_size].append(sample)
    same: dict[bytes, list[Sample]] = defaultdict(list)
    for some in sizes.values():
        for sample in some if len(some) > 1 else ():
            same[_digest(sample.image_path)].append(sample)
    copies = [some for some in same.values() if len(some) > 1]
    both = [some for some in copies if len({sample.is_good for sample in some}) == 2]
    if both:
        lines = [
            f"{some[0].image_path}: is the same picture as {some[1].image_path}, and of these one "
            "is taken as good and one as bad; expected it once"
            for some in (sorted(same, key=lambda each: each.name) for same in both)
        ]
        raise DataFolderError(listing(lines, "one picture, good and bad"))
    apart = [some for some in copies if len({sample.group for sample in some}) > 1]
    if not apart:
        return []
    first, second = (sample.name for sample in apart[0][:2])
    return [
        f"copies: {count(len(apart), 'picture')} of more than one name ({first} is {second}); "
        "on both sides of the split they make the figures look better than they are: delete the "
        "copies, or give each pair one group in groups.csv"
    ]


def _digest(path: Path) -> bytes:
    return hashlib.blake2b(path.read_bytes(), digest_size=16).digest()
