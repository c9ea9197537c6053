"""The training side as a folder of its own, and the proof that it has nothing of the test side."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

pytest.importorskip("torch")

from rich.console import Console

from bench.jobs import work
from bench.public_sets.fold import Fold, Supervision
from bench.public_sets.plan import plan
from bench.public_sets.protocols import PROTOCOLS
from bench.public_sets.training_folder import with_marked, write_training_folder
from models.data.dataset import DataError, MaskRef
from models.data.layouts import open_dataset
from tests.support import public_sets
from tests.support.public_sets import COPIES

GARBAGE = b"no picture"
EVERY = [(name, each) for name, one in PROTOCOLS.items() for each in one.supervisions]


def content(folder: Path) -> dict[str, str | bytes]:
    """Return every file of a folder: the target of a link, the bytes of a file."""
    return {
        path.relative_to(folder).as_posix(): str(path.readlink())
        if path.is_symlink()
        else path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if not path.is_dir()
    }


def poison(fold: Fold) -> int:
    """Overwrite every file of the test side: pictures, masks and annotations of boxes."""
    train = {file for sample in fold.train() for file in _files(sample.image_path, sample.masks)}
    count = 0
    for sample in fold.test():
        for file in _files(sample.image_path, sample.masks):
            assert file not in train
            file.write_bytes(GARBAGE)
            count += 1
        boxes = sample.image_path.parent.with_name(f"{sample.image_path.parent.name}_not")
        annotation = boxes / f"{sample.image_path.stem.removesuffix('_test')}.txt"
        if annotation.is_file():
            annotation.write_text("1 1 3 3 6\n")
    return count


def _files(picture: Path, masks: tuple[MaskRef, ...]) -> list[Path]:
    return [picture, *(mask.path for mask in masks)]


@pytest.mark.parametrize(("name", "supervision"), EVERY)
def test_a_poisoned_test_side_changes_nothing_of_the_training_side(
    name: str, supervision: Supervision, tmp_path: Path
) -> None:
    root, protocol = COPIES[name](tmp_path / "copy"), PROTOCOLS[name]
    for number, fold in enumerate(protocol.folds(root)):
        clean = tmp_path / f"clean-{number}"
        write_training_folder(fold.root, fold.train(), supervision, clean)
        before = content(clean)
        assert before
        poisoned = COPIES[name](tmp_path / f"copy-{number}")
        assert poison(protocol.folds(poisoned)[number])
        fold = protocol.folds(poisoned)[number]
        again = tmp_path / f"again-{number}"
        write_training_folder(fold.root, fold.train(), supervision, again)
        there = {
            name: text.replace(str(poisoned), str(root)) if isinstance(text, str) else text
            for name, text in content(again).items()
        }
        assert there == before


@pytest.mark.parametrize("name", ["mvtec-ad", "mvtec-ad-2", "btad", "kolektorsdd2", "deepcrack"])
def test_renamed_test_pictures_change_nothing_of_the_training_side(
    name: str, tmp_path: Path
) -> None:
    root, protocol = COPIES[name](tmp_path / "copy"), PROTOCOLS[name]
    supervision = protocol.supervisions[0]
    fold = protocol.folds(root)[0]
    before = content(write_training_folder(fold.root, fold.train(), supervision, tmp_path / "a"))
    for sample in fold.test():
        sample.image_path.rename(sample.image_path.with_name(f"x{sample.image_path.name}"))
    fold = protocol.folds(root)[0]
    after = content(write_training_folder(fold.root, fold.train(), supervision, tmp_path / "b"))
    assert after == before


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("visa", ("candle,test,normal,", "candle,test,anomaly,")),
        ("elpv", ("images/cell0181.png  0.3", "images/cell0181.png  0.9")),
    ],
)
def test_changed_labels_of_the_test_side_change_nothing_of_the_training_side(
    name: str, change: tuple[str, str], tmp_path: Path
) -> None:
    root, protocol = COPIES[name](tmp_path / "copy"), PROTOCOLS[name]
    path = root / ("labels.csv" if name == "elpv" else "split_csv/1cls.csv")
    listed = []
    for turn in range(2):
        fold = protocol.folds(root)[0]
        folder = tmp_path / str(turn)
        write_training_folder(fold.root, fold.train(), protocol.supervisions[0], folder)
        listed.append(content(folder))
        text = path.read_text()
        assert change[0] in text or turn
        path.write_text(text.replace(*change))
    assert listed[0] == listed[1]


@pytest.mark.parametrize(("name", "supervision"), EVERY)
def test_the_reader_of_a_training_finds_the_training_side_and_its_masks(
    name: str, supervision: Supervision, tmp_path: Path
) -> None:
    fold = PROTOCOLS[name].folds(COPIES[name](tmp_path / "copy"))[0]
    train = fold.train()
    folder = write_training_folder(fold.root, train, supervision, tmp_path / "data")
    dataset = open_dataset(folder)
    dataset.verify()
    expected = [s for s in train if s.is_good or supervision != "good"]
    assert len(dataset.samples) == len(expected)
    assert sum(s.is_good for s in dataset.samples) == sum(s.is_good for s in expected)
    assert {s.group for s in dataset.samples} == {s.group for s in expected}
    drawn = sum(not s.unmasked for s in dataset.samples if not s.is_good)
    assert drawn == (sum(not s.is_good for s in expected) if supervision == "masks" else 0)


def test_masks_are_written_as_the_published_ones(tmp_path: Path) -> None:
    (fold,) = PROTOCOLS["kolektorsdd2"].folds(public_sets.kolektorsdd2(tmp_path / "copy"))
    folder = write_training_folder(fold.root, fold.train(), "masks", tmp_path / "data")
    dataset = open_dataset(folder)
    sample = next(sample for sample in dataset.samples if not sample.is_good)
    source = fold.root / sample.image_path.name.replace("--", "/").replace(".png", "_GT.png")
    truth = public_sets.cv2.imread(str(source), 0)
    assert ((dataset.load_kind_map(sample) > 0) == (truth > 127)).all()
    assert dataset.kinds == ("defect",)


def test_a_folder_of_another_training_side_is_refused(tmp_path: Path) -> None:
    (fold,) = PROTOCOLS["kolektorsdd2"].folds(public_sets.kolektorsdd2(tmp_path / "copy"))
    folder = tmp_path / "data"
    write_training_folder(fold.root, fold.train(), "masks", folder)
    assert write_training_folder(fold.root, fold.train(), "masks", folder) == folder
    with pytest.raises(DataError, match="holds another training side"):
        write_training_folder(fold.root, fold.train()[1:], "masks", folder)
    with pytest.raises(DataError, match="no picture on the training side for supervision good"):
        write_training_folder(fold.root, (), "good", tmp_path / "none")


@pytest.mark.timeout(600)
def test_a_poisoned_test_side_gives_the_same_bundle_byte_for_byte(tmp_path: Path) -> None:
    root = public_sets.mvtec_ad(tmp_path / "copy", good=12)
    bundles = []
    for turn in range(2):
        out = tmp_path / "out"
        cells = plan(PROTOCOLS["mvtec-ad"], root, ["threshold"], [0], out, categories=["screw"])
        (cell,) = cells
        failed = work([cell.job], [min(os.sched_getaffinity(0))], Console())
        assert not failed, (cell.job.folder / "job.log").read_text()
        bundles.append(cell.job.bundle.read_bytes())
        out.rename(tmp_path / f"out-{turn}")
        if not turn:
            assert poison(cell.fold)
    assert bundles[0] == bundles[1]


def test_a_number_of_marked_pictures_is_part_of_a_larger_one(tmp_path: Path) -> None:
    fold = PROTOCOLS["magnetic-tile"].folds(COPIES["magnetic-tile"](tmp_path / "copy"))[0]
    train = fold.train()
    good = [sample.name for sample in train if sample.is_good]
    kinds = {sample.kinds for sample in train if not sample.is_good}
    before: set[str] = set()
    for count in range(sum(not sample.is_good for sample in train) + 1):
        some = with_marked(train, count, seed=0)
        assert [sample.name for sample in some if sample.is_good] == good
        bad = {sample.name: sample.kinds for sample in some if not sample.is_good}
        assert len(bad) == count
        assert before <= set(bad)
        assert len(set(bad.values())) == min(count, len(kinds)), "each kind in turn"
        before = set(bad)
    with pytest.raises(DataError, match=f"marked {count + 1}: the training side has {count}"):
        with_marked(train, count + 1, seed=0)


def test_the_seed_chooses_the_marked_pictures(tmp_path: Path) -> None:
    fold = PROTOCOLS["elpv"].folds(COPIES["elpv"](tmp_path / "copy"))[0]
    chosen = {
        frozenset(s.name for s in with_marked(fold.train(), 2, seed) if not s.is_good)
        for seed in range(8)
    }
    assert len(chosen) > 1
