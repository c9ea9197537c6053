"""Published data sets by the names of their files: pictures, and the truth that lies beside them.

models/data has a reader for each; a test compares what both take for a picture.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from edge.data_folder.contents import DataFolder, FolderEntry, MaskFile
from edge.data_folder.masks import is_drawn
from edge.data_folder.scan import Files, Unread
from edge.errors import FrameError

_NOT_OF_SET = "no file of the published set"
_IMAGE = r"[^/]+\.(bmp|jpe?g|p[gnp]m|png|tiff?|webp)"


@dataclass(frozen=True, slots=True)
class Published:
    """needs: expressions of paths of which each must be found. truth_of: of a picture's path, the
    path of its truth. kind: of a picture, by its path and whether its truth is drawn on; None: a
    good part."""

    name: str
    needs: tuple[str, ...]
    picture: str
    truth: str
    truth_of: Callable[[str], str]
    kind: Callable[[str, bool], str | None]


def _magnetic_kind(path: str, drawn: bool) -> str | None:
    del drawn  # some masks of defective tiles are empty
    folder = path.partition("/")[0]
    return None if folder == "MT_Free" else folder.removeprefix("MT_").lower()


def _crack(path: str, drawn: bool) -> str | None:
    del path, drawn
    return "crack"


def _dagm_kind(path: str, drawn: bool) -> str | None:
    return ("class" + (re.findall(r"\d+(?=/)", path) or [""])[0] if drawn else None) or None


def _by_test_folder(path: str, drawn: bool) -> str | None:
    del drawn
    folder = path.split("/")[-2]
    return None if folder == "good" else folder


PUBLISHED = (
    Published(
        "magnetic_tile",
        (r"MT_[^/]*/Imgs/.+",),
        r"MT_[^/]*/Imgs/[^/]+\.jpg",
        r"MT_[^/]*/Imgs/[^/]+\.png",
        lambda path: path[: -len(".jpg")] + ".png",
        _magnetic_kind,
    ),
    Published(
        "crackforest",
        (r"image/.+", r"groundTruth/[^/]+\.mat"),
        r"image/[^/]+\.jpg",
        r"groundTruth/[^/]+\.mat",
        lambda path: "",
        _crack,
    ),
    Published(
        "kolektorsdd",
        (r"kos\d[^/]*/Part[^/]*\.jpg",),
        r"kos\d[^/]*/[^/]+\.jpg",
        r"kos\d[^/]*/[^/]+\.bmp",
        lambda path: path[: -len(".jpg")] + "_label.bmp",
        lambda path, drawn: "defect" if drawn else None,
    ),
    Published(
        "deeppcb",
        (r"(PCBData/)?group\d[^/]*/\d[^/]*/[^/]*_temp\.jpg",),
        r"(PCBData/)?group\d[^/]*/\d[^/]*(?<!_not)/[^/]+\.jpg",
        r"(PCBData/)?group\d[^/]*/\d[^/]*_not/[^/]+\.txt",
        lambda path: "",
        lambda path, drawn: "defect" if path.endswith("_test.jpg") else None,
    ),
    Published(
        "dagm2007",
        (r"Class\d+/(Train|Test)/Label/.+",),
        r"Class\d+/(Train|Test)/[^/]+\.png",
        r"Class\d+/(Train|Test)/Label/[^/]+\.(png|txt)",
        lambda path: "{}/Label/{}_label.PNG".format(*path[: -len(".png")].rsplit("/", 1)),
        _dagm_kind,
    ),
    Published(
        "aiglern",
        (r"(TITS/)?IMAGES/(AIGLE_RN/)?[^/]*AIGLE_RN[^/]*", r"(TITS/)?GROUND_TRUTH/.+"),
        r"(TITS/)?IMAGES/(AIGLE_RN/)?(?!.*(ESAR|LCMS|LRIS|TEMPEST|noGT))" + _IMAGE,
        r"(TITS/)?GROUND_TRUTH/(AIGLE_RN/)?(?!.*(ESAR|LCMS|LRIS|TEMPEST|noGT))" + _IMAGE,
        lambda path: "",
        _crack,
    ),
    Published(
        "mvtec_ad",
        (r"train/good/.+", r"test/.+"),
        r"(train|test)/[^/]+/" + _IMAGE,
        r"ground_truth/[^/]+/" + _IMAGE,
        lambda path: "",
        _by_test_folder,
    ),
)


def read_published(root: Path, found: Files) -> DataFolder | None:
    """Return the content by the first published layout that fits the names; None if none fits.

    Reads a mask where only its content shows whether the part is good. Blocks on the disk.
    """
    # One class of DAGM 2007 may be read alone: the folder's name is the class.
    own = root.resolve().name
    prefix = f"{own}/" if re.fullmatch(r"Class\d+", own) else ""
    paths = {prefix + path.relative_to(root).as_posix(): path for path in found.files}
    for each in PUBLISHED:
        if all(any(re.fullmatch(need, path) for path in paths) for need in each.needs):
            return _sorted_out(root, each, paths, found.unread)
    return None


def _sorted_out(
    root: Path, layout: Published, paths: dict[str, Path], unread: Iterable[Unread]
) -> DataFolder:
    folded = {path.lower(): file for path, file in paths.items()}
    entries, truths, rest, complaints = list[FolderEntry](), list[Path](), list(unread), list[str]()
    for name, path in paths.items():
        if re.fullmatch(layout.picture, name, re.IGNORECASE):
            truth = folded.get(layout.truth_of(name).lower())
            drawn = truth is not None
            if truth is not None and layout.name == "kolektorsdd":
                try:
                    drawn = is_drawn(truth)
                except FrameError as error:
                    complaints.append(str(error))
            kind = layout.kind(name, drawn) or ""
            masks = (MaskFile(truth, kind),) if truth is not None and kind else ()
            folder = path.parent.relative_to(root).as_posix()
            entries.append(FolderEntry(path, folder, masks, kind))
        elif re.fullmatch(layout.truth, name, re.IGNORECASE):
            truths.append(path)
        elif path.name != "groups.csv":
            rest.append(Unread(path, _NOT_OF_SET))
    lines = tuple(complaints)
    return DataFolder(root, layout.name, tuple(entries), tuple(truths), tuple(rest), lines)
