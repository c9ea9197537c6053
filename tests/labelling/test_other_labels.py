"""A folder with label files of another tool: its labels become those of a data folder."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from edge.errors import OutfeedError, UsageError
from edge.files import write_durably
from edge.labelling import Change, LabelStore, open_folder
from edge.labelling import store as store_module
from edge.labelling.other_labels import read_other_labels
from edge.labelling.taking_over import take_over
from models.data.layouts import open_dataset
from tests.support import label_exports as exports
from tests.support.folders import put
from tests.support.label_pages import label_page, surface, write
from tests.support.labelled import DRAWN, HOLED, SIZE, pictures_of, put_pictures

NAMES = ("a.png", "line2/b.png", "c.png")
BOX = {"bbox": [10, 20, 30, 15], "segmentation": []}


def coco(root: Path, *, more: tuple[str, ...] = (), **annotation: object) -> Path:
    """Pictures a.png (a ring and a dent), line2/b.png (a thin dent) and c.png (good), and others
    that the COCO file does not name. annotation: a further one, of c.png."""
    put_pictures(root, (*NAMES, *more))
    drawn = dict(zip(NAMES, (HOLED, DRAWN, ()), strict=True))
    path = root / "annotations/instances_default.json"
    exports.coco(path, pictures_of(drawn, SIZE), "runs")
    if annotation:
        content = json.loads(path.read_text())
        image = next(each["id"] for each in content["images"] if each["file_name"] == "c.png")
        kind = content["categories"][0]["id"]
        entry = {"id": 99, "image_id": image, "category_id": kind, "area": 1, "iscrowd": 0}
        content["annotations"].append(entry | annotation)
        path.write_text(json.dumps(content))
    return root


def taken_over(root: Path, out: Path) -> tuple[LabelStore, tuple[str, ...]]:
    store = LabelStore(open_folder(root, out))
    return store, take_over(store)


def test_labels_are_taken_over_and_the_label_file_stays(tmp_path: Path) -> None:
    root, out = coco(tmp_path / "export", more=("d.png",)), tmp_path / "data"
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    store, lines = taken_over(root, out)
    with closing(store):
        labels = {name: (store.state(name).label, store.state(name).by) for name in store.names}
        assert labels == {
            "a.png": ("bad", "COCO"),
            "c.png": ("good", "COCO"),
            "d.png": ("none", ""),
            "line2/b.png": ("bad", "COCO"),
        }
        opened = store.open("a.png")
        for kind, mask in HOLED:
            assert np.array_equal(opened.masks[kind], mask)
        assert store.kinds() == ("dent", "kratzer ü")
    assert lines == (
        f"{root}: took over the labels of 3 pictures from COCO into {out}; the label files stay as "
        "they are, and later changes of them are not read",
    )
    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before
    # Training reads the same masks from both folders.
    given = coco(tmp_path / "same")
    kinds = [
        {s.name: data.load_kind_map(s).tolist() for s in data.samples}
        for data in (open_dataset(given), open_dataset(out))
    ]
    assert kinds[0] == kinds[1]


def test_labels_of_the_page_stay_and_only_new_ones_are_taken_over(tmp_path: Path) -> None:
    root, out = coco(tmp_path / "export"), tmp_path / "data"
    store, _ = taken_over(root, out)
    with closing(store):
        store.save("a.png", Change(store.open("a.png").version, "good", "Ada", {}))
    store, lines = taken_over(root, out)
    with closing(store):
        assert (store.state("a.png").label, store.state("a.png").by) == ("good", "Ada")
        assert "took over the labels of 0 pictures" in lines[0]


def test_after_a_crash_the_next_start_takes_over_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, out = coco(tmp_path / "export"), tmp_path / "data"
    written = 0

    def full(path: Path, data: bytes) -> None:
        nonlocal written
        written += path.suffix == ".png"
        if written == 3:
            raise OSError(28, "No space left on device", str(path))
        write_durably(path, data)

    monkeypatch.setattr(store_module, "write_durably", full)
    store = LabelStore(open_folder(root, out))
    with closing(store), pytest.raises(OutfeedError, match="No space left"):
        take_over(store)
    monkeypatch.undo()
    dataset = open_dataset(root)
    # Nothing that is written in part is read as a label.
    with closing(LabelStore(open_folder(root, out))) as store:
        assert {store.state(name).label for name in store.names} == {"unfinished"}
        take_over(store)
    copied = open_dataset(out)
    assert [each.kinds for each in copied.samples] == [each.kinds for each in dataset.samples]


def test_pictures_with_boxes_have_no_label_and_name_them(tmp_path: Path) -> None:
    root, out = coco(tmp_path / "export", **BOX), tmp_path / "data"
    store, lines = taken_over(root, out)
    with closing(store):
        assert store.state("c.png").label == "none"
        assert store.picture("c.png").remark == (
            "COCO has boxes here (left top right bottom in px): dent 10 20 40 35; draw the defects "
            "in them"
        )
    assert lines[1] == (
        "1 picture with boxes: not labelled yet, because a box does not show which of its pixels "
        "are the defect"
    )
    with label_page(root, tmp_path / "other") as page:
        assert "COCO has boxes here" in page.admit().post("/api/open", name="c.png").json["remark"]


def test_classes_that_are_ignored_are_skipped(tmp_path: Path) -> None:
    root, out = coco(tmp_path / "export"), tmp_path / "data"
    put(root / "labels.toml", '[classes]\n"kratzer ü" = "ignore"\n')
    store, _ = taken_over(root, out)
    with closing(store):
        labels = {name: store.state(name).label for name in store.names}
    assert labels == {"a.png": "skipped", "c.png": "good", "line2/b.png": "bad"}
    assert not (out / "images/a.png").exists()


def test_marks_of_whole_pictures_keep_their_kind(tmp_path: Path) -> None:
    root, out = tmp_path / "export", tmp_path / "data"
    put_pictures(root, ("a.png",))
    side = f'width="{SIZE[1]}" height="{SIZE[0]}"'
    image = f'<image id="0" name="a.png" {side}><tag label="stain"/></image>'
    put(root / "annotations.xml", f"<annotations>{image}</annotations>")
    store, _ = taken_over(root, out)
    with closing(store):
        state = store.state("a.png")
        assert (state.label, state.kind, state.masks, state.by) == ("bad", "stain", (), "CVAT")


def test_a_picture_that_cannot_be_read_has_no_label(tmp_path: Path) -> None:
    root, out = coco(tmp_path / "export"), tmp_path / "data"
    path = root / "images/line2/b.png"
    path.write_bytes(path.read_bytes()[:-60])
    store, lines = taken_over(root, out)
    with closing(store):
        assert store.state("line2/b.png").label == "none"
        assert store.state("a.png").label == "bad"
    assert lines[1].startswith(f"{path}: ")
    assert lines[1].endswith("; not labelled yet")


def refusal(root: Path, out: Path | None) -> OutfeedError:
    with pytest.raises(OutfeedError) as caught:
        open_folder(root, out)
    assert len(str(caught.value).splitlines()) == 1
    return caught.value


def test_label_files_are_never_labelled_in_place(tmp_path: Path) -> None:
    root = coco(tmp_path / "export")
    error = refusal(root, None)
    assert isinstance(error, UsageError)
    assert "has labels of COCO, which stay as they are; expected --out DATA" in str(error)
    error = refusal(root, root / "data")
    assert isinstance(error, UsageError)
    assert "whose label files name every picture below it; expected another place" in str(error)
    assert not (root / "data").exists()


def test_faults_of_label_files_stop_the_start(tmp_path: Path) -> None:
    root = coco(tmp_path / "export", segmentation=[[0, 0, 900, 0, 900, 9]], bbox=[0, 0, 900, 9])
    line = str(refusal(root, tmp_path / "data"))
    assert "expected coordinates inside of it" in line
    (root / "images/a.png").unlink()
    assert "(and 1 more, which `make train DATA=" in str(refusal(root, tmp_path / "data"))
    assert not (tmp_path / "data").exists()


def test_a_class_that_is_no_name_of_a_folder_is_named(tmp_path: Path) -> None:
    root = tmp_path / "export"
    put_pictures(root, ("a.png",))
    drawn = {"a.png": (SIZE, (("deep/scratch", DRAWN[0][1]),))}
    exports.coco(root / "labels.json", drawn, "runs")
    line = str(refusal(root, tmp_path / "data"))
    assert "'deep/scratch'" in line
    assert line.endswith("labels.toml can give the class another kind")
    put(root / "labels.toml", '[classes]\n"deep/scratch" = "scratch"\n')
    store, _ = taken_over(root, tmp_path / "data")
    with closing(store):
        assert set(store.open("a.png").masks) == {"scratch"}


def test_where_two_shapes_overlap_the_later_one_counts(tmp_path: Path) -> None:
    root, ring = tmp_path / "export", HOLED[0][1]
    put_pictures(root, ("a.png",))
    all_of_it = np.ones(SIZE, np.bool_)
    drawn = {"a.png": (SIZE, (("dent", ring), ("stain", all_of_it), ("dent", ring)))}
    exports.coco(root / "labels.json", drawn, "runs")
    store, _ = taken_over(root, tmp_path / "data")
    with closing(store):
        masks = store.open("a.png").masks
    assert np.array_equal(masks["dent"], ring)
    assert np.array_equal(masks["stain"], ~ring)


def test_folders_without_label_files_have_none(tmp_path: Path) -> None:
    write(tmp_path / "shots/a.png", surface())
    assert read_other_labels(tmp_path / "shots") is None
    store, lines = taken_over(tmp_path / "shots", tmp_path / "data")
    with closing(store):
        assert lines == ()
