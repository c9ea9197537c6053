"""Folders whose truth is in label files of another tool: COCO, YOLO, LabelMe, CVAT and others.

Each picture must be named by the label files, or lie in a folder good/ or ok/. A picture that they
name without an annotation is a good part. Every other file is a fault, or unread with a reason.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edge.data_folder.contents import DataFolder, FolderEntry, count, some_names
from edge.data_folder.labels import is_note, is_yolo_text, label_files
from edge.data_folder.names import GOOD_FOLDERS, is_picture, names_bad, plain
from edge.data_folder.refusals import odd_kinds, unread_labels
from edge.data_folder.scan import Files, Unread
from edge.data_folder.user_layout import unread_of
from edge.label_files import (
    FORMATS,
    LABEL_SETTINGS,
    LabelError,
    LabelledPicture,
    LabelSettings,
    PictureIndex,
    apply_classes,
    read_settings,
)
from edge.label_files.formats import misfits
from edge.label_files.voc import COPY_FOLDERS, folder_role
from edge.label_files.voc_colours import NAME_FILES
from edge.label_files.yolo import is_name_file

LABELS = "labels"

_FORMS = {f"{each.title} labels": each.name for each in FORMATS.values()}
_HELPERS = {  # files that belong to an export and hold no shape
    "notes.json": "repeats the classes of a YOLO export",
    "labelled.csv": "is of the label page, and is not read beside label files of another tool",
    "obj.data": "names the files of a YOLO export",
}
_LINES = (".jsonl", ".ndjson")  # an entry a line: no tool exports these formats so
_CACHE = "is a cache of Ultralytics"


@dataclass(frozen=True, slots=True)
class LabelRoles:
    """Files by format, found by their content. pictures: all that are no truth, sorted."""

    files: dict[str, tuple[Path, ...]]
    pictures: tuple[Path, ...]

    @property
    def truths(self) -> tuple[Path, ...]:
        """Return the label files of all formats, sorted."""
        return tuple(sorted({path for some in self.files.values() for path in some}))

    def only_pictures(self, root: Path) -> DataFolder:
        """Return the folder with its roles alone, without reading a label file."""
        entries = tuple(FolderEntry(path, _folder(path, root)) for path in self.pictures)
        return DataFolder(root, LABELS, entries, self.truths)


def label_roles(root: Path, found: Files) -> LabelRoles | None:
    """Return the label files of a folder; None where it has none of a format that is read.

    A folder with a labels.toml is one of label files, whatever lies in it. Reads the beginning of
    files. Blocks on the disk.
    """
    pictures = [path for path in found.files if is_picture(path)]
    others = [path for path in found.files if not is_picture(path)]
    files: dict[str, list[Path]] = defaultdict(list)
    for (_, form), some in label_files(others, pictures).items():
        if form in _FORMS:
            files[_FORMS[form]] += [path for path in some if path.suffix.lower() not in _LINES]
    files = defaultdict(list, {name: some for name, some in files.items() if some})
    # A list of classes alone is no YOLO where another tool has drawn.
    if len(files) > 1 and all(map(is_name_file, files.get("yolo", ()))):
        files.pop("yolo", None)
    if "yolo" in files:
        files["yolo"] += _more_yolo(files["yolo"], others, root)
    drawn = {path for path in pictures if _is_class_picture(path, root)}
    if drawn and len(drawn) < len(pictures):
        files["voc"] += sorted(drawn)
    if "voc" in files:
        files["voc"] += [path for path in others if path.name.lower() in NAME_FILES]
    if not files and not (root / LABEL_SETTINGS).is_file():
        return None
    by_format = {name: tuple(sorted(set(some))) for name, some in sorted(files.items())}
    truths = {path for some in by_format.values() for path in some}
    left = [path for path in pictures if path not in truths and not _is_copy(path)]
    return LabelRoles(by_format, tuple(left))


def _more_yolo(known: Sequence[Path], others: Sequence[Path], root: Path) -> list[Path]:
    """Return labels whose picture is missing or has another name: beside labels, or in labels/."""
    places = {path.parent for path in known if not is_name_file(path)}
    return [
        path
        for path in others
        if (path.parent in places or "labels" in path.parent.relative_to(root).parts)
        and not is_note(path)
        and is_yolo_text(path)
    ]


def read_labelled(
    root: Path, found: Files, roles: LabelRoles, *, complete: bool = True
) -> DataFolder:
    """Return the content of a folder with label files. Blocks on the disk.

    Each fault of them is a complaint of the result. complete: a picture that they do not name is a
    fault too; else it is only unread.
    """
    complaints: list[str] = []
    settings = LabelSettings()
    try:
        settings = read_settings(root)
    except LabelError as error:
        complaints.append(str(error))
    chosen = _choose(root, roles, settings, complaints)
    files = roles.files.get(chosen, ())
    labelled: tuple[LabelledPicture, ...] = ()
    if chosen:
        content = FORMATS[chosen].read(files, PictureIndex(root, roles.pictures))
        complaints += content.complaints
        labelled = _once(content.pictures, complaints)
    for picture in labelled:
        complaints += misfits(picture)
    complaints += _unknown_classes(root, settings, labelled)
    labelled, left_out = apply_classes(labelled, settings)
    title = FORMATS[chosen].title if chosen else ""
    entries, unnamed = _entries(root, roles.pictures, labelled, left_out, complaints)
    if complete and (labelled or left_out or not complaints):
        complaints += _unnamed(root, unnamed, chosen)
    complaints += odd_kinds(root, entries, found)
    unread = [Unread(path, reason) for path, reason in sorted(left_out.items())]
    unread += [Unread(path, "is not named by the label files") for path in unnamed]
    known = {*files, *roles.pictures}
    rest = [path for path in found.files if path not in known]
    helpers = {path: reason for path in rest if (reason := _helper(path))}
    unread += [Unread(path, reason) for path, reason in helpers.items()]
    rest = [path for path in rest if path not in helpers]
    if settings.format:
        stated = {path for path in roles.truths if path not in files}
        reason = f"is of another format than labels.toml states ({chosen})"
        unread += [Unread(path, reason) for path in sorted(stated)]
        rest = [path for path in rest if path not in stated]
    elif chosen:
        texts = [path for path in rest if not is_picture(path)]
        complaints += unread_labels(texts, roles.pictures)
    return DataFolder(
        root,
        LABELS,
        tuple(entries),
        files,
        (*found.unread, *unread, *unread_of(root, rest)),
        tuple(dict.fromkeys(complaints)),
        form=title,
    )


def _choose(root: Path, roles: LabelRoles, settings: LabelSettings, complaints: list[str]) -> str:
    """Return the format to read; '' where none or several are there and none is stated."""
    if settings.format:
        if settings.format in roles.files:
            return settings.format
        complaints.append(
            f"{root / LABEL_SETTINGS}: format: {settings.format}, and no file of "
            f"{FORMATS[settings.format].title} is in the folder"
        )
    elif len(roles.files) == 1:
        return next(iter(roles.files))
    elif roles.files:
        some = " and ".join(
            f"{FORMATS[name].title} ({some_names(paths)})" for name, paths in roles.files.items()
        )
        first = next(iter(roles.files))
        complaints.append(
            f"{root}: holds labels of {some}; expected one format: move the others out, or write "
            f'{LABEL_SETTINGS} with the line format = "{first}"'
        )
    else:
        complaints.append(
            f"{root / LABEL_SETTINGS}: there is no label file that is recognised; expected one of "
            + ", ".join(each.title for each in FORMATS.values())
        )
    return ""


def _once(
    pictures: Sequence[LabelledPicture], complaints: list[str]
) -> tuple[LabelledPicture, ...]:
    """Return each picture once; several entries for one picture are complaints."""
    first: dict[Path, LabelledPicture] = {}
    for picture in pictures:
        other = first.setdefault(picture.path, picture)
        if other is not picture:
            complaints.append(
                f"{picture.place}: names {picture.path.name}, as {other.place} does; expected each "
                "picture once"
            )
    return tuple(first.values())


def _entries(
    root: Path,
    pictures: Sequence[Path],
    labelled: Sequence[LabelledPicture],
    left_out: dict[Path, str],
    complaints: list[str],
) -> tuple[list[FolderEntry], list[Path]]:
    """Return the pictures with their shapes, and those that nothing names."""
    by_path = {picture.path: picture for picture in labelled}
    entries, unnamed = [], []
    for path in pictures:
        folder = _folder(path, root)
        parts = folder.lower().split("/")
        in_good = any(part in GOOD_FOLDERS for part in parts)
        picture = by_path.get(path)
        if picture is None:
            if in_good:
                entries.append(FolderEntry(path, folder, (), ""))
            elif path not in left_out:
                unnamed.append(path)
            continue
        shapes = picture.shapes
        # A mark of the whole picture adds nothing where its defects are drawn.
        shapes = tuple(each for each in shapes if each.area is not None) or shapes
        if shapes and in_good:
            complaints.append(
                f"{shapes[0].place}: is a defect ({shapes[0].kind}) on {folder}/{path.name}, a "
                "good part; expected a picture outside of good/"
            )
        elif not shapes and any(map(names_bad, parts)):
            complaints.append(
                f"{picture.place}: has no annotation for {folder}/{path.name}, and its folder says "
                "that it is bad; expected its defect drawn, or a folder with another name"
            )
        entries.append(FolderEntry(path, folder, (), shapes[0].kind if shapes else "", shapes))
    return entries, unnamed


def _unnamed(root: Path, unnamed: Sequence[Path], name: str) -> list[str]:
    """Return a line for each folder with pictures that no label file names. name: of the format."""
    if not name:
        return []
    folders: dict[Path, list[Path]] = defaultdict(list)
    for path in unnamed:
        folders[path.parent].append(path)
    lines = []
    for folder, some in sorted(folders.items()):
        are = "is" if len(some) == 1 else "are"
        lines.append(
            f"{folder}: {count(len(some), 'picture')} ({some_names(some)}) {are} not named by the "
            f"labels of {FORMATS[name].title}; expected {FORMATS[name].good} for a good part, or "
            f"its picture in {root / 'good'}/; move masks and other pictures out of the folder"
        )
    return lines


def _unknown_classes(
    root: Path, settings: LabelSettings, labelled: Sequence[LabelledPicture]
) -> list[str]:
    """Return lines for classes of labels.toml that no annotation has."""
    used = {shape.kind for picture in labelled for shape in picture.shapes}
    known = ", ".join(sorted(used)[:6]) or "none"
    return [
        f"{root / LABEL_SETTINGS}: classes: no annotation has the class {label}; there are {known}"
        for label in settings.classes
        if labelled and label not in used
    ]


def _is_class_picture(path: Path, root: Path) -> bool:
    return any(folder_role(part) for part in path.parent.relative_to(root).parts)


def _is_copy(path: Path) -> bool:
    return path.parent.name.lower() in COPY_FOLDERS


def _helper(path: Path) -> str:
    """Return why a file of an export is not needed; '' for any other file."""
    name = path.name.lower()
    if name == "kinds.csv":
        return f"names the colours of masks; {LABEL_SETTINGS} names classes of label files"
    if name.endswith(".cache"):
        return _CACHE
    if _is_copy(path):
        return "shows a picture of classes once more"
    return _HELPERS.get(name, "")


def _folder(path: Path, root: Path) -> str:
    folder = path.parent.relative_to(root).as_posix()
    return "" if folder == "." else plain(folder)
