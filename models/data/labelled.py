"""The layout of label files: pictures with an export of COCO, YOLO, LabelMe, CVAT and others.

    images/0001.png  annotations.json     one file for all pictures: COCO, CVAT, Label Studio
    images/0001.png  labels/0001.txt      one file for each: YOLO, LabelMe, Pascal VOC
    labels.toml                           classes that are good or ignored; the format if in doubt
    good/0002.png                         a good part that no label file names
    groups.csv    file,group              images of one part, file inside images/ or the folder

The module edge/data_folder recognises the files, and edge/label_files reads them.
"""

from __future__ import annotations

from pathlib import Path

from edge.data_folder import FolderEntry, is_labelled, read_folder
from edge.data_folder.names import IMAGES
from models.data.dataset import DataError, DataSet, Sample, refuse
from models.data.generic import channels_of, read_groups

LAYOUT = "labels"
MOST_KINDS = 255  # a kind map has a byte for each pixel
LOOKS_FOR = "pictures with labels of COCO, YOLO, LabelMe, CVAT, Label Studio or Pascal VOC (labels)"


def matches(root: Path) -> bool:
    """Return true if the folder `root` has this layout. Reads the beginning of its files."""
    return is_labelled(root)


def read(root: Path) -> DataSet:
    """Return the data set at `root`. Every label file is read. Raises DataError with all faults."""
    folder = read_folder(root, LAYOUT)
    paths = list(folder.pictures)
    if folder.layout is None or not (paths or folder.complaints):
        raise DataError(f"{root}: holds no labelled picture; expected {LOOKS_FOR}")
    below = [path for path in paths if path.relative_to(root).parts[0].lower() == IMAGES]
    base = (
        root / below[0].relative_to(root).parts[0] if below and len(below) == len(paths) else root
    )
    groups = read_groups(root / "groups.csv", base, paths)
    samples = [_sample(entry, root, groups.get(entry.path)) for entry in folder.entries]
    kinds = tuple(sorted({kind for sample in samples for kind in sample.kinds}))
    if len(kinds) > MOST_KINDS:
        raise DataError(
            f"{root}: the labels have {len(kinds)} classes of defects; "
            f"expected at most {MOST_KINDS}"
        )
    samples.sort(key=lambda sample: sample.name)
    channels = channels_of(paths) if paths else 1
    dataset = DataSet(root, LAYOUT, kinds, channels, tuple(samples))
    refuse(folder.complaints, dataset)
    return dataset


def _sample(entry: FolderEntry, root: Path, group: str | None) -> Sample:
    name = entry.path.relative_to(root).as_posix()
    kinds = tuple(sorted({shape.kind for shape in entry.shapes}))
    shapes = tuple(shape for shape in entry.shapes if shape.area is not None)
    unmasked = bool(kinds) and not shapes
    return Sample(name, entry.path, group or name, kinds, unmasked=unmasked, shapes=shapes)
