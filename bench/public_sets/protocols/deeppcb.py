"""DeepPCB (Tang et al. 2019): 1,000 pairs of template and test picture train, 500 are measured.

The published division is trainval.txt and test.txt beside the groups. A copy without these lists is
divided by runs: the last third of the pictures of each board, by number, is measured. The figures
are then not those of the published division, and the tables state it.

Templates count as good parts and test pictures as defective ones, each pair on one side. There are
boxes and no masks, so every pixel of a box counts as defect in the figures of pixels.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path, PurePosixPath

from bench.public_sets.fold import Fold, Protocol
from models.data import deeppcb
from models.data.dataset import DataError, Sample

LISTS = ("trainval.txt", "test.txt")
THIRD = 3
_ENDS = ("_temp", "_test")


def folds(root: Path) -> tuple[Fold, ...]:
    """Return the division by the lists, or by runs without them."""
    inner = root / deeppcb.INNER if (root / deeppcb.INNER).is_dir() else root
    lists = [inner / name for name in LISTS]
    there = [path for path in lists if path.is_file()]
    if len(there) == 1:
        missing = next(path for path in lists if path not in there)
        raise DataError(f"{missing}: is missing; expected both lists of DeepPCB, or none")
    pictures = _pairs(inner)
    if there:
        train, test = (_listed(path) for path in lists)
        if train & test:
            raise DataError(f"{lists[1]}: {min(train & test)} is also in {LISTS[0]}")
        remark = ""
    else:
        test = _last_thirds(pictures)
        train = pictures - test
        remark = "no trainval.txt and test.txt: the last third of each board is measured"
    missing_pairs = len((train | test) - pictures)
    if missing_pairs:
        remark = f"{missing_pairs} of {len(train | test)} listed pairs are missing"
    for side, names in (("training", train), ("test", test)):
        if not names & pictures:
            raise DataError(
                f"{inner}: has no pair on the {side} side; expected {deeppcb.LOOKS_FOR}"
            )
    return (Fold("", root, partial(_side, root, train), partial(_side, root, test), remark),)


def _pairs(inner: Path) -> frozenset[str]:
    paths = inner.glob("group[0-9]*/[0-9]*/*_temp.jpg")
    return frozenset(path.stem.removesuffix(_ENDS[0]) for path in paths)


def _listed(path: Path) -> frozenset[str]:
    """Return the numbers of the pairs in a list of lines like group1/1/1000.jpg group1/…"""
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read; expected lines of picture and text") from error
    stems = (PurePosixPath(line.split()[0]).stem for line in lines if line.strip())
    return frozenset(stem.removesuffix(_ENDS[0]).removesuffix(_ENDS[1]) for stem in stems)


def _last_thirds(pairs: frozenset[str]) -> frozenset[str]:
    """Return the last third of each board; its number is the first five digits of a picture's."""
    boards: dict[str, list[str]] = {}
    for pair in sorted(pairs):
        boards.setdefault(pair[:5], []).append(pair)
    return frozenset(pair for board in boards.values() for pair in board[-(len(board) // THIRD) :])


def _side(root: Path, pairs: frozenset[str]) -> tuple[Sample, ...]:
    return tuple(
        sample
        for sample in deeppcb.read(root).samples
        if sample.image_path.stem.removesuffix(_ENDS[0]).removesuffix(_ENDS[1]) in pairs
    )


DEEPPCB = Protocol(
    "deeppcb",
    "DeepPCB",
    ("masks", "good", "marks"),
    folds,
    "published: trainval.txt trains (1,000 pairs), test.txt is measured (500 pairs)",
)
