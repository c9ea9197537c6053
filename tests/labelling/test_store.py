"""Labels on the disk: what a save writes, refuses, and leaves after a fault."""

from __future__ import annotations

import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.data_folder.label_table import read_label_table
from edge.files import write_durably
from edge.journal.lock import LockHeldError
from edge.labelling import Change, LabelStore, OpenPicture, open_folder
from edge.labelling import store as store_module
from edge.labelling.errors import ConflictError, LabelPageError, UnknownPictureError
from models.data.dataset import DataError, DataSet
from models.data.layouts import open_dataset
from tests.support.label_pages import square, surface, unlabelled, write


def opened(folder: Path, out: Path | None = None, **options: bool) -> LabelStore:
    return LabelStore(open_folder(folder, out), **options)


def give(store: LabelStore, name: str, label: str, kind: str = "", **masks: object) -> OpenPicture:
    version = store.open(name).version
    return store.save(name, Change(version, label, "Ada", masks, kind))


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".outfeed-label" not in path.parts
    }


def kinds_of(dataset: DataSet) -> dict[str, tuple[str, ...]]:
    return {sample.name: sample.kinds for sample in dataset.samples}


def test_each_label_is_read_as_training_reads_it(tmp_path: Path) -> None:
    root = unlabelled(tmp_path / "d", 6)
    before = files(root)
    store = opened(root)
    give(store, "1.png", "good")
    give(store, "2.png", "bad", scratch=square(3, 4, 13, 9))
    give(store, "3.png", "bad")
    give(store, "4.png", "bad", "dent")
    give(store, "5.png", "skipped")
    store.close()
    dataset = open_dataset(root)
    assert kinds_of(dataset) == {
        "images/1.png": (),
        "images/2.png": ("scratch",),
        "images/3.png": ("bad",),
        "images/4.png": ("dent",),
    }
    assert [sample.name for sample in dataset.samples if sample.unmasked] == [
        "images/3.png",
        "images/4.png",
    ]
    kind_map = dataset.load_kind_map(dataset.samples[1])
    expected = square(3, 4, 13, 9) * (1 + dataset.kinds.index("scratch"))
    assert np.array_equal(kind_map, expected)
    after = files(root)
    assert {name: after[name] for name in before} == before  # the pictures are as they were
    assert sorted(after.keys() - before.keys()) == ["labelled.csv", "masks/scratch/2.png"]


def test_what_nobody_has_labelled_is_named_and_never_good(tmp_path: Path) -> None:
    root = unlabelled(tmp_path / "d", 2)
    store = opened(root)
    give(store, "1.png", "skipped")
    store.close()
    with pytest.raises(DataError, match=r"holds no image.*2\.png: is not labelled yet") as caught:
        open_dataset(root)
    assert "1.png: was skipped" in str(caught.value)


def test_a_label_can_be_changed_and_taken_back(tmp_path: Path) -> None:
    root = unlabelled(tmp_path / "d", 2)
    store = opened(root)
    give(store, "1.png", "bad", hole=square(0, 0, 5, 5), dent=square(20, 20, 30, 30))
    assert store.state("1.png").masks == ("dent", "hole")
    give(store, "1.png", "bad", hole=square(0, 0, 6, 5))
    assert sorted(files(root)) == [
        "images/1.png",
        "images/2.png",
        "labelled.csv",
        "masks/hole/1.png",
    ]
    give(store, "1.png", "good")
    assert not (root / "masks/hole/1.png").exists()
    assert store.state("1.png").label == "good"
    give(store, "1.png", "none")
    assert read_label_table(root) == {}
    assert store.state("1.png").label == "none"
    store.close()


def test_a_mask_that_did_not_change_keeps_its_file(tmp_path: Path) -> None:
    root = unlabelled(tmp_path / "d", 1)
    soft = cv2.GaussianBlur(square(10, 10, 40, 40).astype(np.uint8) * 255, (0, 0), 2)
    path = write(root / "masks/hole/1.png", soft)
    before = path.read_bytes()
    store = opened(root)
    hole = store.open("1.png").masks["hole"]
    give(store, "1.png", "bad", hole=hole, dent=square(0, 0, 4, 4))
    assert path.read_bytes() == before
    give(store, "1.png", "bad", hole=hole & ~square(10, 10, 20, 20), dent=square(0, 0, 4, 4))
    assert path.read_bytes() != before
    store.close()


def test_a_save_on_an_old_version_is_a_conflict_and_changes_nothing(tmp_path: Path) -> None:
    root = unlabelled(tmp_path / "d", 1)
    store = opened(root)
    version = store.open("1.png").version
    store.save("1.png", Change(version, "bad", "Ben", {"hole": square(1, 1, 9, 9)}))
    before = files(root)
    with pytest.raises(ConflictError) as caught:
        store.save("1.png", Change(version, "good", "Ada", {}))
    assert caught.value.by == "Ben"
    assert files(root) == before
    store.close()


def test_a_mask_that_another_program_changes_is_a_conflict(tmp_path: Path) -> None:
    root = unlabelled(tmp_path / "d", 1)
    store = opened(root)
    give(store, "1.png", "bad", hole=square(1, 1, 9, 9))
    version = store.open("1.png").version
    write(root / "masks/hole/1.png", square(1, 1, 20, 9).astype(np.uint8) * 255)
    with pytest.raises(ConflictError):
        store.save("1.png", Change(version, "good", "Ada", {}))
    store.close()


def test_a_line_that_a_person_adds_to_the_table_stays(tmp_path: Path) -> None:
    root = unlabelled(tmp_path / "d", 3)
    store = opened(root)
    give(store, "1.png", "good")
    table = root / "labelled.csv"
    table.write_text(table.read_text() + "images/3.png,good,,by hand,\n")
    give(store, "2.png", "good")
    assert set(read_label_table(root) or {}) == {"images/1.png", "images/2.png", "images/3.png"}
    store.close()


def test_a_save_that_breaks_off_is_no_label(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = unlabelled(tmp_path / "d", 2)
    store = opened(root)
    give(store, "2.png", "good")
    version = store.open("1.png").version

    def fails(path: Path, content: bytes | str) -> None:
        if path.parent.name == "hole":
            raise OSError(28, "No space left on device", str(path))
        write_durably(path, content)

    monkeypatch.setattr(store_module, "write_durably", fails)
    masks = {"dent": square(0, 0, 5, 5), "hole": square(10, 10, 15, 15)}
    with pytest.raises(LabelPageError, match=r"hole/1\.png: cannot be written: No space left"):
        store.save("1.png", Change(version, "bad", "Ada", masks))
    store.close()
    assert kinds_of(open_dataset(root)) == {"images/2.png": ()}
    monkeypatch.undo()
    again = opened(root)
    assert again.state("1.png").label == "unfinished"
    give(again, "1.png", "bad", **masks)
    again.close()
    assert kinds_of(open_dataset(root))["images/1.png"] == ("dent", "hole")


@pytest.mark.parametrize(
    ("label", "masks", "kind", "reason"),
    [
        ("good", {"hole": square(0, 0, 5, 5)}, "", "has no mask"),
        ("none", {"hole": square(0, 0, 5, 5)}, "", "has no mask"),
        ("bad", {"../up": square(0, 0, 5, 5)}, "", "expected a name for a folder"),
        ("bad", {}, "good", "another meaning"),
    ],
)
def test_a_label_that_contradicts_itself_is_refused(
    tmp_path: Path, label: str, masks: dict[str, object], kind: str, reason: str
) -> None:
    root = unlabelled(tmp_path / "d", 1)
    before = files(root)
    store = opened(root)
    version = store.open("1.png").version
    with pytest.raises(LabelPageError, match=reason):
        store.save("1.png", Change(version, label, "Ada", masks, kind))
    store.close()
    assert files(root) == before
    assert not (tmp_path / "up").exists()


def test_an_empty_mask_is_no_mask(tmp_path: Path) -> None:
    root = unlabelled(tmp_path / "d", 1)
    store = opened(root)
    give(store, "1.png", "good", hole=square(0, 0, 0, 0))
    assert store.state("1.png").masks == ()
    store.close()


def test_the_journal_names_who_labelled_what_and_when(tmp_path: Path) -> None:
    root = unlabelled(tmp_path / "d", 1)
    store = opened(root)
    give(store, "1.png", "bad", hole=square(0, 0, 5, 4))
    give(store, "1.png", "good")
    store.close()
    lines = (root / ".outfeed-label/journal.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    assert [(r["by"], r["file"], r["label"], r["mask_px"]) for r in records] == [
        ("Ada", "images/1.png", "bad", {"hole": 20}),
        ("Ada", "images/1.png", "good", {}),
    ]
    assert records[0]["utc"] < records[1]["utc"]


def test_one_process_at_a_time_labels_a_folder(tmp_path: Path) -> None:
    root = unlabelled(tmp_path / "d", 1)
    store = opened(root)
    with pytest.raises(LockHeldError, match="another process labels this folder"):
        opened(root)
    store.close()
    opened(root).close()


def test_pictures_known_to_be_good_get_their_label_with_the_first_save(tmp_path: Path) -> None:
    root = unlabelled(tmp_path / "d", 3)
    write(root / "masks/hole/2.png", square(5, 5, 9, 9).astype(np.uint8) * 255)
    store = opened(root, assume_good=True)
    assert [store.state(name).label for name in store.names] == ["good", "bad", "good"]
    assert not (root / "labelled.csv").exists()
    give(store, "3.png", "bad")
    store.close()
    assert kinds_of(open_dataset(root)) == {
        "images/1.png": (),
        "images/2.png": ("hole",),
        "images/3.png": ("bad",),
    }


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        (tmp_path / "d").mkdir()
        (tmp_path / "d/.outfeed-label").write_text("a file in its place")
    unlabelled(tmp_path / "d", 1)
    if os.geteuid() != 0:
        (tmp_path / "d").chmod(0o555)
    try:
        with pytest.raises(LabelPageError, match=r"\.outfeed-label: cannot be created: "):
            opened(tmp_path / "d")
    finally:
        (tmp_path / "d").chmod(0o755)


def test_a_name_outside_the_folder_is_no_picture(tmp_path: Path) -> None:
    write(tmp_path / "secret.png", surface())
    store = opened(unlabelled(tmp_path / "d", 1))
    for name in ("../secret.png", "/etc/passwd", str(tmp_path / "secret.png"), ""):
        with pytest.raises(UnknownPictureError):
            store.open(name)
    store.close()
