"""Folders that can be labelled, and where their labels go."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from edge.errors import UsageError
from edge.labelling import Change, LabelStore, open_folder
from edge.labelling.errors import LabelPageError
from edge.quarantine import read_index, read_pixels
from models.data.layouts import open_dataset
from tests.support.label_pages import square, surface, unlabelled, write
from tests.support.marked import pitted, quarantine, ringed


def names(folder: Path, out: Path | None = None) -> list[str]:
    return [picture.name for picture in open_folder(folder, out).pictures]


def label(folder: Path, out: Path | None, **labels: object) -> None:
    """Label pictures by name: "good", "bad", or masks by kind."""
    with closing(LabelStore(open_folder(folder, out))) as store:
        for name, given in labels.items():
            version = store.open(name).version
            masks = given if isinstance(given, dict) else {}
            store.save(name, Change(version, "bad" if masks else str(given), "Ada", masks))


def test_any_folder_is_labelled_into_another_one_and_stays_as_it_is(tmp_path: Path) -> None:
    source = tmp_path / "shots"
    for number, name in enumerate(("a.png", "line2/b.bmp", "line2/c.png", "d.png")):
        write(source / name, surface(number))
    before = {path: path.read_bytes() for path in source.rglob("*") if path.is_file()}
    assert names(source, tmp_path / "data") == ["a.png", "d.png", "line2/b.bmp", "line2/c.png"]
    assert not (tmp_path / "data").exists()  # reading the folder creates nothing
    given = {"a.png": "good", "line2/b.bmp": {"dent": square(2, 2, 9, 9)}, "d.png": "skipped"}
    label(source, tmp_path / "data", **given)
    assert {path: path.read_bytes() for path in source.rglob("*") if path.is_file()} == before
    dataset = open_dataset(tmp_path / "data")
    assert {sample.name: sample.kinds for sample in dataset.samples} == {
        "images/a.png": (),
        "images/line2/b.bmp": ("dent",),
    }
    assert np.array_equal(dataset.load_kind_map(dataset.samples[1]) > 0, square(2, 2, 9, 9))
    # What has no label, and what was skipped, is not even copied.
    assert not list((tmp_path / "data").rglob("c.png")) + list((tmp_path / "data").rglob("d.png"))
    again = LabelStore(open_folder(source, tmp_path / "data"))
    assert [again.state(name).label for name in again.names] == ["good", "skipped", "bad", "none"]
    assert set(again.open("line2/b.bmp").masks) == {"dent"}
    again.close()


def test_the_result_may_lie_inside_the_folder(tmp_path: Path) -> None:
    write(tmp_path / "shots/a.png", surface())
    label(tmp_path / "shots", tmp_path / "shots/labelled", **{"a.png": "good"})
    assert names(tmp_path / "shots", tmp_path / "shots/labelled") == ["a.png"]


def test_a_sorted_folder_is_labelled_in_place(tmp_path: Path) -> None:
    root = tmp_path / "d"
    write(root / "good/1.png", surface(1))
    write(root / "good/2.png", surface(2))
    write(root / "dent/3.png", surface(3))
    store = LabelStore(open_folder(root, None))
    assert [(n, store.state(n).label, store.state(n).kind) for n in store.names] == [
        ("dent/3.png", "bad", "dent"),
        ("good/1.png", "good", ""),
        ("good/2.png", "good", ""),
    ]
    store.close()
    label(root, None, **{"dent/3.png": {"dent": square(5, 5, 20, 20)}, "good/2.png": "bad"})
    label(root, None, **{"good/1.png": {"hole": square(0, 0, 5, 9)}})
    write(root / "good/4.png", surface(4))
    dataset = open_dataset(root)
    assert {sample.name: (sample.kinds, sample.unmasked) for sample in dataset.samples} == {
        "dent/3.png": (("dent",), False),
        "good/1.png": (("hole",), False),
        "good/2.png": (("bad",), True),
        "good/4.png": ((), False),  # by its folder
    }


def test_a_kind_that_is_a_folder_of_pictures_too(tmp_path: Path) -> None:
    root = tmp_path / "d"
    write(root / "images/dent/1.png", surface(1))
    write(root / "images/1.png", surface(2))
    write(root / "images/2.png", surface(3))
    label(
        root,
        None,
        **{"dent/1.png": {"dent": square(0, 0, 9, 9)}, "2.png": {"dent": square(1, 1, 5, 5)}},
    )
    with pytest.raises(LabelPageError, match=r"'dent'.*would belong to another picture"):
        label(root, None, **{"1.png": {"dent": square(0, 0, 9, 9)}})
    label(root, None, **{"1.png": "good"})
    dataset = open_dataset(root)
    assert {sample.name: sample.kinds for sample in dataset.samples} == {
        "images/1.png": (),
        "images/2.png": ("dent",),
        "images/dent/1.png": ("dent",),
    }


def test_marked_parts_of_a_station_are_drawn_in_their_folder(tmp_path: Path) -> None:
    root = quarantine(tmp_path, [(pitted(1), "escape"), (ringed(2), "false-reject")])
    index = (root / "quarantine.json").read_bytes()
    found = open_folder(root, None)
    assert ["marked escape" in each.remark for each in found.pictures] == [True, False]
    name = found.pictures[0].name
    side = found.read(found.pictures[0]).shape[0]
    mask = square(10, 10, 30, 20, (side, side))
    label(root, None, **{name: {"pit": mask}})
    assert (root / "quarantine.json").read_bytes() == index
    entry = read_index(root).entries[0]
    assert read_pixels(root, entry).shape[:2] == (side, side)
    store = LabelStore(open_folder(root, None))
    assert np.array_equal(store.open(name).masks["pit"], mask)
    assert (root / f"masks/pit/{entry.id}.png").is_file()
    store.close()


def test_marked_parts_go_into_a_data_folder(tmp_path: Path) -> None:
    root = quarantine(tmp_path, [(pitted(1), "escape")])
    name = open_folder(root, None).pictures[0].name
    data = unlabelled(tmp_path / "data", 2)
    store = LabelStore(open_folder(root, data), assume_good=True)
    side = store.pixels(name).shape[0]
    mask = square(10, 10, 30, 20, (side, side))
    store.save(name, Change(store.open(name).version, "bad", "Ada", {"pit": mask}))
    store.close()
    kinds = {sample.name: sample.kinds for sample in open_dataset(data).samples}
    assert kinds == {"images/1.png": (), "images/2.png": (), f"images/{name}": ("pit",)}


def refusal(folder: Path, out: Path | None = None) -> str:
    with pytest.raises(UsageError) as caught:
        open_folder(folder, out)
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


def test_folders_that_cannot_be_labelled_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    write(tmp_path / "loose/a.png", surface())
    write(tmp_path / "good/a.png", surface())
    (tmp_path / "d/images").mkdir(parents=True)
    (tmp_path / "file").write_text("")
    assert "is not a folder" in refusal(tmp_path / "none")
    assert "--out DATA" in refusal(tmp_path / "loose")
    assert "--out DATA" in refusal(tmp_path / "good")
    assert "holds no picture" in refusal(tmp_path / "d")
    assert "holds no picture" in refusal(tmp_path / "empty", tmp_path / "out")
    assert "is the folder of the pictures" in refusal(tmp_path / "loose", tmp_path / "loose")
    assert "is not a folder" in refusal(tmp_path / "loose", tmp_path / "file")
    assert "one with images/" in refusal(tmp_path / "loose", tmp_path / "good")


def test_masks_that_the_page_cannot_edit_are_shown_and_kept(tmp_path: Path) -> None:
    root = unlabelled(tmp_path / "d", 2)
    write(root / "masks/1.png", square(5, 5, 9, 9).astype(np.uint8) * 255)
    write(root / "masks/dent/2.bmp", square(5, 5, 9, 9).astype(np.uint8) * 255)
    found = open_folder(root, None)
    assert "colours are kinds" in found.pictures[0].refused
    assert "no PNG" in found.pictures[1].refused
    with pytest.raises(LabelPageError, match="colours are kinds"):
        label(root, None, **{"1.png": "good"})


def test_two_pictures_that_differ_in_their_suffix_only(tmp_path: Path) -> None:
    root = tmp_path / "d"
    write(root / "images/1.png", surface(1))
    write(root / "images/1.bmp", surface(2))
    first, second = open_folder(root, None).pictures
    assert (first.refused, second.refused) == (
        "",
        "has the name of 1.bmp but for the suffix; rename one of the two",
    )


def test_pictures_that_counted_as_good_are_counted_once(tmp_path: Path) -> None:
    root = unlabelled(tmp_path / "d", 2)
    assert open_folder(root, None).assumed == ("images/1.png", "images/2.png")
    label(root, None, **{"1.png": "good"})
    assert open_folder(root, None).assumed == ()
