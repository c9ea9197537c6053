"""The training side of a fold as a folder of its own, so that a training has no path to the test.

    good/NAME                                   supervision good
    good/NAME  bad/NAME                         marks: marked good or bad, without masks
    images/NAME  masks/KIND/NAME.png            masks
    groups.csv                                  pictures of one part

Pictures are links to the user's copy. Masks are written again as 0 and 255.
"""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np

from bench.public_sets.fold import Supervision, side_of
from edge.files import write_atomically
from models.data.dataset import DataError, DataSet, Sample

MASKS, IMAGES, GOOD, BAD = "masks", "images", "good", "bad"


def write_training_folder(
    root: Path, samples: Iterable[Sample], supervision: Supervision, folder: Path
) -> Path:
    """Write the training side to ``folder`` and return it. A complete folder is kept.

    root: the folder to which the names of the samples are relative. FOLDER.csv lists what was
    written. Reads the masks of the samples if supervision is masks; reads no picture. Raises
    DataError if nothing is left to train on, or if the folder holds another training side.
    """
    dataset = side_of(root, _used(samples, supervision))
    if not dataset.samples:
        raise DataError(
            f"{root}: has no picture on the training side for supervision {supervision}"
        )
    manifest = _manifest(dataset, supervision)
    listed = folder.with_name(f"{folder.name}.csv")
    if folder.is_dir():
        if not listed.is_file() or listed.read_text(encoding="utf-8") != manifest:
            raise DataError(f"{folder}: holds another training side; name another OUT or delete it")
        return folder
    part = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    for sample in dataset.samples:
        _write(dataset, sample, supervision, part)
    _write_groups(dataset, supervision, part)
    write_atomically(listed, manifest)
    part.rename(folder)
    return folder


def with_marked(samples: Iterable[Sample], count: int, seed: int) -> tuple[Sample, ...]:
    """Return all good samples, and ``count`` defective ones: some of each kind in turn.

    A smaller count is part of a larger one. seed: of the order. Raises DataError for fewer.
    """
    samples = tuple(samples)
    rng = np.random.default_rng([seed, 20])
    by_kind: dict[tuple[str, ...], list[Sample]] = {}
    for sample in sorted(samples, key=lambda sample: sample.name):
        if not sample.is_good:
            by_kind.setdefault(sample.kinds, []).append(sample)
    turns = [
        (turn, number, some[index].name)
        for number, some in enumerate(by_kind[kind] for kind in sorted(by_kind))
        for turn, index in enumerate(rng.permutation(len(some)).tolist())
    ]
    if len(turns) < count:
        raise DataError(f"marked {count}: the training side has {len(turns)} defective pictures")
    chosen = {name for _, _, name in sorted(turns)[:count]}
    return tuple(sample for sample in samples if sample.is_good or sample.name in chosen)


def file_name(sample: Sample) -> str:
    """Return the name of a sample's picture in the folder: its path, with -- for /."""
    return sample.name.replace("/", "--")


def _used(samples: Iterable[Sample], supervision: Supervision) -> tuple[Sample, ...]:
    """Return the samples that a supervision may see. Masks: without defective ones of no mask."""
    if supervision == "good":
        return tuple(sample for sample in samples if sample.is_good)
    if supervision == "masks":
        return tuple(sample for sample in samples if not sample.unmasked)
    return tuple(samples)


def _place(sample: Sample, supervision: Supervision) -> str:
    """Return the path of the picture inside the folder."""
    if supervision == "masks":
        return f"{IMAGES}/{file_name(sample)}"
    return f"{GOOD if sample.is_good else BAD}/{file_name(sample)}"


def _manifest(dataset: DataSet, supervision: Supervision) -> str:
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(("picture", "source", "kinds", "group"))
    for sample in dataset.samples:
        source = str(sample.image_path.resolve())
        row = (_place(sample, supervision), source, " ".join(sample.kinds), sample.group)
        lines.writerow(row)
    return text.getvalue()


def _write(dataset: DataSet, sample: Sample, supervision: Supervision, part: Path) -> None:
    picture = part / _place(sample, supervision)
    picture.parent.mkdir(parents=True, exist_ok=True)
    if not sample.image_path.is_file():
        raise DataError(f"{sample.image_path}: is missing; expected this picture of the data set")
    picture.symlink_to(sample.image_path.resolve())
    if supervision != "masks" or sample.is_good:
        return
    kind_map = dataset.load_kind_map(sample)
    for number, kind in enumerate(dataset.kinds, start=1):
        drawn = kind_map == number
        if not drawn.any():
            continue
        mask = part / MASKS / kind / f"{Path(file_name(sample)).stem}.png"
        mask.parent.mkdir(parents=True, exist_ok=True)
        if not cv2.imwrite(str(mask), np.where(drawn, 255, 0).astype(np.uint8)):
            raise DataError(f"{mask}: cannot be written")


def _write_groups(dataset: DataSet, supervision: Supervision, part: Path) -> None:
    with (part / "groups.csv").open("w", newline="", encoding="utf-8") as file:
        lines = csv.writer(file, lineterminator="\n")
        lines.writerow(("file", "group"))
        for sample in dataset.samples:
            place = _place(sample, supervision).removeprefix(f"{IMAGES}/")
            lines.writerow((place, sample.group))
