"""Label files of every format, written from known masks and read back as kind maps."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edge.data_folder import find_pictures
from edge.demo.parts import find_demo_pictures
from models.data.dataset import DataSet
from models.data.layouts import open_dataset
from models.data.summary import account
from tests.support import label_exports as exports
from tests.support.folders import images, put
from tests.support.labelled import (
    DRAWN,
    HOLED,
    NAMES,
    SIZE,
    SOLID,
    bitmap_of,
    iou,
    magnetic_masks,
    pictures_of,
    put_pictures,
    voc_picture,
)

Size = tuple[int, int]
Write = Callable[[Path, dict[str, exports.Drawn], Size], None]


def coco_of(form: str) -> Write:
    """Source: the data format page of COCO (cocodataset.org, "Format data"), and the fields that
    CVAT's export adds (docs.cvat.ai, "COCO": licenses, info, attributes)."""

    def write(root: Path, drawn: dict[str, exports.Drawn], size: Size) -> None:
        exports.coco(root / "annotations/instances_default.json", pictures_of(drawn, size), form)

    return write


def labelme_of(form: str) -> Write:
    """Source: wkentaro/labelme, examples/tutorial/apc2016_obj3.json and `LabelFile.save`; shapes of
    the type mask as of version 5.2. The path to the picture is that of Windows."""

    def write(root: Path, drawn: dict[str, exports.Drawn], size: Size) -> None:
        for name, shapes in drawn.items():
            file = root / "json" / f"{Path(name).stem}.json"
            exports.labelme(file, f"..\\images\\{name}".replace("/", "\\"), size, shapes, form)

    return write


def cvat_of(form: str) -> Write:
    """Source: docs.cvat.ai, "XML annotation format", version 1.1, annotation of images."""

    def write(root: Path, drawn: dict[str, exports.Drawn], size: Size) -> None:
        exports.cvat(root / "annotations.xml", pictures_of(drawn, size), form)

    return write


def label_studio_of(form: str) -> Write:
    """Source: labelstud.io, "Label Studio task format" and the pages of the tags PolygonLabels,
    BrushLabels and RectangleLabels. An upload has a prefix of eight digits."""

    def write(root: Path, drawn: dict[str, exports.Drawn], size: Size) -> None:
        tasks = [
            exports.label_studio_task(
                number, f"/data/upload/1/0a1b2c3d-{Path(name).name}", size, shapes, form
            )
            for number, (name, shapes) in enumerate(drawn.items(), start=1)
        ]
        put(root / "project-1-at-2026-11-30.json", json.dumps(tasks))

    return write


def yolo(root: Path, drawn: dict[str, exports.Drawn], size: Size) -> None:
    """Source: docs.ultralytics.com, "Instance segmentation datasets": data.yaml with path, train
    and names; one line for each object. Outlines are joined to their holes
    (`merge_multi_segment`)."""
    kinds = sorted({kind for shapes in drawn.values() for kind, _ in shapes})
    names = "".join(f"  {number}: {kind}\n" for number, kind in enumerate(kinds))
    put(root / "data.yaml", f"path: ../parts\ntrain: images\nval: images\nnames:\n{names}")
    for name, shapes in drawn.items():
        text = exports.yolo_lines(size, shapes, kinds, "polygon")
        put((root / "labels" / name).with_suffix(".txt"), text)


def voc(root: Path, drawn: dict[str, exports.Drawn], size: Size) -> None:
    """Source: docs.cvat.ai, "Pascal VOC" and "Segmentation mask": Annotations/, SegmentationClass/
    and labelmap.txt, with pictures of palette colours."""
    kinds = sorted({kind for shapes in drawn.values() for kind, _ in shapes})
    colours = {kind: (40 + 60 * place, 250, 10 * place) for place, kind in enumerate(kinds)}
    lines = [f"{kind}:{r},{g},{b}::" for kind, (r, g, b) in colours.items()]
    put(
        root / "labelmap.txt",
        "\n".join(["# label:color_rgb:parts:actions", "background:0,0,0::"])
        + "\n"
        + "\n".join(lines)
        + "\n",
    )
    for name, shapes in drawn.items():
        exports.voc_xml(
            (root / "Annotations" / name).with_suffix(".xml"), name.rsplit("/", 1)[-1], size, shapes
        )
        png = voc_picture(size, shapes, [(0, 0, 0), *colours.values()], ["", *colours])
        put((root / "SegmentationClass" / name).with_suffix(".png"), png)


ROUND_TRIPS = [
    ("COCO", coco_of("polygon"), HOLED),
    ("COCO", coco_of("runs"), HOLED),
    ("COCO", coco_of("compressed"), HOLED),
    ("LabelMe", labelme_of("polygon"), SOLID),
    ("LabelMe", labelme_of("mask"), HOLED),
    ("CVAT", cvat_of("polygon"), SOLID),
    ("CVAT", cvat_of("mask"), HOLED),
    ("Label Studio", label_studio_of("polygon"), SOLID),
    ("Label Studio", label_studio_of("brush"), HOLED),
    ("YOLO", yolo, HOLED),
    ("Pascal VOC", voc, HOLED),
]


def read_back(root: Path, drawn: dict[str, exports.Drawn]) -> tuple[DataSet, float]:
    """Return the data set, and the least IoU of its kind maps with the masks."""
    dataset = open_dataset(root)
    dataset.verify()
    least = 1.0
    for sample in dataset.samples:
        shapes = drawn[sample.name.removeprefix("images/")]
        kind_map = dataset.load_kind_map(sample)
        assert sample.kinds == tuple(sorted({kind for kind, _ in shapes}))
        for kind, mask in shapes:
            least = min(least, iou(kind_map == dataset.kinds.index(kind) + 1, mask))
        assert (kind_map > 0).sum() == sum(int(mask.sum()) for _, mask in shapes)
    return dataset, least


@pytest.mark.parametrize(
    ("title", "write", "shapes"),
    ROUND_TRIPS,
    ids=[f"{title}-{number}" for number, (title, _, _) in enumerate(ROUND_TRIPS)],
)
def test_every_format_gives_the_masks_that_it_was_written_from(
    tmp_path: Path, title: str, write: Write, shapes: exports.Drawn
) -> None:
    drawn: dict[str, exports.Drawn] = dict(zip(NAMES, (shapes, DRAWN, ()), strict=True))
    put_pictures(tmp_path, NAMES)
    write(tmp_path, drawn, SIZE)
    dataset, least = read_back(tmp_path, drawn)
    assert least >= 0.99
    assert len(dataset.samples) == 3
    head, good, bad = account(dataset)[:3]
    assert head == f"{tmp_path}: 3 pictures, read as labels of {title}, grey"
    assert good == "taken as good: 1 (images/ 1)"
    assert bad.startswith("taken as bad: 2: ")
    # The demo and inspect take the same files for parts, and the same parts for good.
    shown = {part.path: part for part in find_demo_pictures(tmp_path)}
    assert {sample.image_path: sample.is_good for sample in dataset.samples} == {
        path: part.kind is None for path, part in shown.items()
    }
    assert all(part.known for part in shown.values())
    found = find_pictures(tmp_path)
    assert set(found.pictures) == set(shown)
    assert all(path.suffix == ".png" for path in found.truths)


def test_a_bitmap_may_have_ones_or_white() -> None:
    assert iou(bitmap_of(HOLED[0][1], 1), HOLED[0][1]) == 1.0
    assert iou(bitmap_of(HOLED[0][1], 255), HOLED[0][1]) == 1.0


def test_several_files_of_one_format_and_parts_in_good(tmp_path: Path) -> None:
    """As Roboflow exports COCO: a file in each folder of a split."""
    for split, name in (("train", "a.png"), ("valid", "a.png")):
        images(tmp_path, 0)
        put_pictures(tmp_path, (name,), split)
        exports.coco(tmp_path / split / "_annotations.coco.json", {name: (SIZE, SOLID)}, "polygon")
    put_pictures(tmp_path, ("b.png",), "good")
    put(tmp_path / "README.roboflow.txt", "exported")
    dataset = open_dataset(tmp_path)
    assert {sample.name: sample.kinds for sample in dataset.samples} == {
        "good/b.png": (),
        "train/a.png": ("kratzer ü",),
        "valid/a.png": ("kratzer ü",),
    }
    dataset.verify()


def test_real_masks_of_magnetic_tile(tmp_path: Path) -> None:
    """Masks drawn by hand, of five kinds, through every format and form."""
    shared = Path(__file__).resolve().parents[2] / "../shared/data/magnetic_tile"
    if not shared.is_dir():
        pytest.skip("the pictures of magnetic_tile (shared/data) are not here")

    for number, (_, write, shapes) in enumerate(ROUND_TRIPS):
        if shapes is SOLID:
            continue  # these forms have no holes
        for size, path, drawn in magnetic_masks(shared, 8):
            root = tmp_path / f"{number}/{path.stem}"
            put(root / "images/a.png", np.full(size, 128, np.uint8))
            write(root, {"a.png": drawn}, size)
            dataset, least = read_back(root, {"a.png": drawn})
            assert least >= 0.99, (path, write)
            assert np.unique(dataset.load_kind_map(dataset.samples[0])).size == len(drawn) + 1
