"""DeepPCB template/test pairs (Tang et al. 2019, arXiv:1902.06197), as published.

`group<n>/<n>/<id>_temp.jpg` and `<id>_test.jpg`, 640×640. `group<n>/<n>_not/<id>.txt` annotates the
test picture, with one line `x1 y1 x2 y2 type` for each defect. Templates are good parts, test
pictures defective ones. A folder `group` is one board, cut into adjacent pictures. A template and
its test picture are one group of the data set, so that no pair is on both sides of a split.

The publishers give boxes with about 10 px of margin, and no masks: every pixel of a box counts as
its kind. The numbers of kinds are theirs; 0 is the background and is never annotated.
"""

from __future__ import annotations

import re
from pathlib import Path

from models.data.dataset import DataError, DataSet, KindBox, Sample, files_in

LAYOUT = "deeppcb"
LOOKS_FOR = (
    "group<nnnnn>/<nnnnn>/<id>_temp.jpg with <id>_test.jpg and <nnnnn>_not/<id>.txt (DeepPCB)"
)
KINDS = {1: "open", 2: "short", 3: "mousebite", 4: "spur", 5: "copper", 6: "pin-hole"}
INNER = "PCBData"  # the folder around the groups in the published archive

_TEMPLATE, _TEST = "_temp", "_test"
_LINE = re.compile(r"(\d{1,6})[ ,](\d{1,6})[ ,](\d{1,6})[ ,](\d{1,6})[ ,]([1-6])")


def matches(root: Path) -> bool:
    """Return true if the folder `root` has this layout."""
    return any(_inner(root).glob("group[0-9]*/[0-9]*/*_temp.jpg"))


def read(root: Path) -> DataSet:
    """Return the data set at `root`, the folder of the groups or of PCBData. Raises DataError."""
    folders = sorted(p for p in _inner(root).glob("group[0-9]*/[0-9]*") if p.is_dir())
    folders = [folder for folder in folders if not folder.name.endswith("_not")]
    samples = [sample for folder in folders for sample in _samples(folder, root)]
    if not samples:
        raise DataError(f"{root}: holds no image; expected {LOOKS_FOR}")
    kinds = tuple(sorted({kind for sample in samples for kind in sample.kinds}))
    ordered = tuple(sorted(samples, key=lambda sample: sample.name))
    return DataSet(root, LAYOUT, kinds, channels=1, samples=ordered)


def pairs(dataset: DataSet) -> tuple[tuple[Sample, Sample], ...]:
    """Return template and test picture of each pair, by name. Raises DataError for others."""
    if dataset.layout != LAYOUT:
        raise DataError(f"{dataset.root}: is laid out as {dataset.layout}; expected {LOOKS_FOR}")
    templates, tests = (
        {sample.group: sample for sample in dataset.samples if sample.image_path.stem.endswith(end)}
        for end in (_TEMPLATE, _TEST)
    )
    return tuple((templates[group], test) for group, test in tests.items())


def _inner(root: Path) -> Path:
    return root / INNER if (root / INNER).is_dir() else root


def _samples(folder: Path, root: Path) -> list[Sample]:
    samples = []
    pictures = set(files_in(folder, (".jpg",)))
    for path in sorted(pictures):
        stem = path.stem.removesuffix(_TEMPLATE).removesuffix(_TEST)
        if stem == path.stem:
            raise DataError(f"{path}: expected a name like 00041000_temp.jpg or 00041000_test.jpg")
        for other in (_TEMPLATE, _TEST):
            if path.with_name(f"{stem}{other}.jpg") not in pictures:
                raise DataError(f"{path}: is half a pair; expected {stem}{other}.jpg beside it")
        name = path.relative_to(root).as_posix()
        group = f"{folder.parent.name}/{stem}"
        if path.stem.endswith(_TEMPLATE):
            samples.append(Sample(name, path, group))
            continue
        boxes = _boxes(folder.with_name(f"{folder.name}_not") / f"{stem}.txt", name)
        kinds = tuple(sorted({box.kind for box in boxes}))
        samples.append(Sample(name, path, group, kinds, boxes=boxes))
    return samples


def _boxes(path: Path, name: str) -> tuple[KindBox, ...]:
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except OSError as error:
        raise DataError(f"{path}: cannot be read; expected the annotation of {name}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is no text; expected lines of x1 y1 x2 y2 type") from error
    boxes = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        match = _LINE.fullmatch(line.strip())
        if match is None:
            raise DataError(f"{path}:{number}: expected x1 y1 x2 y2 type, with a type from 1 to 6")
        left, top, right, bottom, kind = map(int, match.groups())
        if left >= right or top >= bottom:
            raise DataError(f"{path}:{number}: the box is empty; expected x1 < x2 and y1 < y2")
        boxes.append(KindBox(KINDS[kind], left, top, right, bottom))
    return tuple(boxes)
