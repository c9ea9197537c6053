"""The file labels.toml of a data folder: the format, and classes that are no kind of defect.

format = "coco"            # where files of several formats lie in the folder

[classes]
OK = "good"                # no defect: a picture with nothing else is a good part
unsure = "ignore"          # pictures that have it are left out
scratch_deep = "scratch"   # another name for the kind
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from edge.label_files.formats import FORMATS
from edge.label_files.label_text import read_bytes, text
from edge.label_files.shapes import GOOD, IGNORE, LabelError, LabelledPicture

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

LABEL_SETTINGS = "labels.toml"

# Of themselves no kind of defect, in any case: classes of good parts, and the ground that LabelMe
# and CVAT add to their classes.
_SOUND = ("good", "ok", "background", "_background_")
_UNSURE = ("__ignore__",)
IGNORED = "which is ignored"  # the end of the reason for a picture that is left out
_MOST_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class LabelSettings:
    """The content of labels.toml. format: '' where the file names none. classes: of a class's
    name, its kind of defect, "good" or "ignore"."""

    format: str = ""
    classes: Mapping[str, str] = field(default_factory=dict)

    def kind_of(self, label: str) -> str:
        """Return the kind of defect of a class, or GOOD or IGNORE."""
        if label in self.classes:
            return self.classes[label]
        lower = label.lower()
        return GOOD if lower in _SOUND else IGNORE if lower in _UNSURE else label


def read_settings(root: Path) -> LabelSettings:
    """Return the settings of a data folder; defaults without the file. Raises LabelError."""
    path = root / LABEL_SETTINGS
    if not path.is_file():
        return LabelSettings()
    try:
        content = tomllib.loads(read_bytes(path, _MOST_BYTES).decode("utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise LabelError(f"{path}: is no valid TOML: {error}") from error
    if unknown := sorted(set(content) - {"format", "classes"}):
        raise LabelError(f"{path}: {unknown[0]}: unknown key; expected format or [classes]")
    name = content.get("format", "")
    if name and name not in FORMATS:
        raise LabelError(f"{path}: format: {name!r} is unknown; expected {', '.join(FORMATS)}")
    classes = content.get("classes", {})
    if not isinstance(classes, dict):
        raise LabelError(f'{path}: classes: expected [classes] with lines CLASS = "kind"')
    kinds = {key: text(kind, f"{path}: classes: {key}") for key, kind in classes.items()}
    return LabelSettings(name, kinds)


def apply_classes(
    pictures: Iterable[LabelledPicture], settings: LabelSettings
) -> tuple[tuple[LabelledPicture, ...], dict[Path, str]]:
    """Return the pictures with kinds of defects for classes, and those that are left out.

    The latter have a class that is ignored: each is returned with the reason. Shapes of a class
    that is good are removed.
    """
    kept, left_out = [], {}
    for picture in pictures:
        kinds = [settings.kind_of(shape.kind) for shape in picture.shapes]
        if IGNORE in kinds:
            label = picture.shapes[kinds.index(IGNORE)].kind
            left_out[picture.path] = f"has an annotation of the class {label}, {IGNORED}"
            continue
        shapes = tuple(
            replace(shape, kind=kind)
            for shape, kind in zip(picture.shapes, kinds, strict=True)
            if kind != GOOD
        )
        kept.append(replace(picture, shapes=shapes))
    return tuple(kept), left_out
