"""The protocols of published sets: the sides of each division, on tiny copies."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest

pytest.importorskip("torch")

from bench.public_sets.fold import Fold, side_of
from bench.public_sets.protocols import PROTOCOLS
from bench.public_sets.protocols.kolektor import PARTS, TEST_PARTS
from models.data.dataset import DataError
from tests.support import public_sets
from tests.support.public_sets import COPIES

# Numbers of good and defective pictures of the training and the test side, for each fold.
EXPECTED = {
    "mvtec-ad": {"metal-nut": (6, 0, 3, 3), "screw": (6, 0, 3, 3)},
    "mvtec-ad-2": {"vial": (8, 0, 4, 4)},
    "visa": {"candle": (4, 0, 2, 3)},
    "btad": {"01": (4, 0, 2, 2), "02": (4, 0, 2, 2)},
    "kolektorsdd": {"fold-0": (10, 5, 2, 1), "fold-1": (4, 2, 8, 4), "fold-2": (10, 5, 2, 1)},
    "kolektorsdd2": {"": (6, 2, 3, 1)},
    "dagm2007": {"class1": (2, 1, 2, 1), "class2": (2, 1, 2, 1)},
    "deeppcb": {"": (4, 4, 2, 2)},
    "deepcrack": {"": (0, 4, 0, 2)},
    "crackforest": {"": (0, 3, 0, 2)},
    "elpv": {"": (90, 90, 10, 10)},
    "elpv-by-cell": {"": (70, 80, 30, 20)},
    "magnetic-tile-by-file": {"": (16, 0, 4, 12)},
}


def folds(name: str, root: Path) -> dict[str, Fold]:
    return {fold.name: fold for fold in PROTOCOLS[name].folds(COPIES[name](root))}


@pytest.mark.parametrize("name", EXPECTED)
def test_sides_of_every_fold(name: str, tmp_path: Path) -> None:
    listed = {}
    for fold in folds(name, tmp_path).values():
        sides = fold.train(), fold.test()
        numbers = [sum(s.is_good is good for s in side) for side in sides for good in (True, False)]
        listed[fold.name] = tuple(numbers)
        names = [sample.name for side in sides for sample in side]
        assert len(names) == len(set(names)), "a picture is on both sides"
    assert listed == EXPECTED[name]


@pytest.mark.parametrize("name", PROTOCOLS)
def test_no_part_is_on_both_sides_unless_the_protocol_leaks(name: str, tmp_path: Path) -> None:
    for fold in folds(name, tmp_path).values():
        groups = [{sample.group for sample in side()} for side in (fold.train, fold.test)]
        assert bool(groups[0] & groups[1]) is PROTOCOLS[name].leaks


@pytest.mark.parametrize("name", PROTOCOLS)
def test_every_mask_of_both_sides_can_be_read(name: str, tmp_path: Path) -> None:
    for fold in folds(name, tmp_path).values():
        for side in (fold.train, fold.test):
            dataset = side_of(fold.root, side())
            for sample in dataset.samples:
                drawn = dataset.load_kind_map(sample).any()
                assert drawn == (not sample.is_good and not sample.unmasked), sample.name


def test_a_category_alone_is_a_set_of_one(tmp_path: Path) -> None:
    root = public_sets.mvtec_ad(tmp_path) / "screw"
    assert [fold.name for fold in PROTOCOLS["mvtec-ad"].folds(root)] == ["screw"]
    product = public_sets.btad(tmp_path / "btad") / "01"
    assert [fold.name for fold in PROTOCOLS["btad"].folds(product)] == ["01"]


def test_a_defective_picture_without_a_mask_counts_as_a_picture_only(tmp_path: Path) -> None:
    test = folds("mvtec-ad", tmp_path)["screw"].test()
    unmasked = [sample.name for sample in test if sample.unmasked]
    assert unmasked == ["test/bent/000.png"]
    assert {kind for sample in test for kind in sample.kinds} == {"bent"}


def test_the_folds_of_kolektorsdd_measure_every_part_once(tmp_path: Path) -> None:
    assert [len(parts) for parts in TEST_PARTS] == [17, 17, 16]
    numbers = Counter(part for parts in TEST_PARTS for part in parts)
    assert numbers == Counter(range(1, PARTS + 1))
    remarks = {fold.remark for fold in folds("kolektorsdd", tmp_path).values()}
    assert remarks == {"6 of 50 parts"}


def test_deeppcb_without_lists_measures_the_last_third_and_states_it(tmp_path: Path) -> None:
    root = public_sets.deeppcb(tmp_path, lists=False)
    (fold,) = PROTOCOLS["deeppcb"].folds(root)
    assert "last third" in fold.remark
    assert {sample.image_path.stem[:8] for sample in fold.test()} == {"20085004", "20085005"}
    (root / "PCBData/test.txt").write_text("group20085/20085/20085000.jpg x.txt\n")
    with pytest.raises(DataError, match=r"trainval\.txt: is missing; expected both lists"):
        PROTOCOLS["deeppcb"].folds(root)


def test_deeppcb_states_listed_pairs_that_are_missing(tmp_path: Path) -> None:
    root = public_sets.deeppcb(tmp_path)
    for path in root.rglob("20085003*"):
        path.unlink()
    (fold,) = PROTOCOLS["deeppcb"].folds(root)
    assert fold.remark == "1 of 6 listed pairs are missing"
    both = (root / "PCBData/trainval.txt").read_text()
    (root / "PCBData/test.txt").write_text(both)
    with pytest.raises(DataError, match="is also in trainval"):
        PROTOCOLS["deeppcb"].folds(root)


def test_elpv_counts_a_third_as_good_and_measures_every_fourth_run(tmp_path: Path) -> None:
    fold = folds("elpv", tmp_path)[""]
    numbers = {int(sample.image_path.stem[4:]): sample for sample in fold.test()}
    assert sorted(numbers) == list(range(181, 201))
    assert numbers[181].is_good, "1/3"
    assert not numbers[182].is_good, "2/3"
    assert numbers[182].unmasked
    held_together = {sample.name: sample.group for sample in fold.train()}
    assert held_together["images/cell0001.png"] == held_together["images/cell0060.png"]
    assert len(set(held_together.values())) == 3, "a training holds whole runs back"


def test_elpv_by_cell_is_one_division_at_random(tmp_path: Path) -> None:
    first, again = (folds("elpv-by-cell", tmp_path / name)[""].test() for name in "ab")
    numbers = [int(sample.image_path.stem[4:]) for sample in first]
    assert numbers == [int(sample.image_path.stem[4:]) for sample in again]
    assert len(numbers) == 50
    assert min(numbers) < 60 < 140 < max(numbers)


WITHOUT_TEST_SIDE = {
    "mvtec-ad": ("screw/test", "has no test folder, so no test side"),
    "mvtec-ad-2": ("vial/test_public", "has no test_public folder, so no test side"),
    "btad": ("01/test/ko", "has no test/ko folder, so no test side"),
    "kolektorsdd2": ("test", "is missing; expected train/NNNNN.png"),
    "dagm2007": ("Class1/Test", "has no Test folder"),
    "deepcrack": ("test_img", "is missing, so no test side"),
}


@pytest.mark.parametrize("name", WITHOUT_TEST_SIDE)
def test_a_copy_without_a_test_side_is_refused_with_one_line(name: str, tmp_path: Path) -> None:
    root = COPIES[name](tmp_path)
    folder, words = WITHOUT_TEST_SIDE[name]
    shutil.rmtree(root / folder)
    with pytest.raises(DataError, match=words) as caught:
        PROTOCOLS[name].folds(root)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", PROTOCOLS)
def test_another_folder_is_refused_with_one_line(name: str, tmp_path: Path) -> None:
    for root in (tmp_path, tmp_path / "missing"):
        with pytest.raises(DataError) as caught:
            PROTOCOLS[name].folds(root)
        assert str(root) in str(caught.value)
        assert "expected" in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "path", "text", "words"),
    [
        ("visa", "split_csv/1cls.csv", "a,b\n", "line 1: expected the columns"),
        (
            "visa",
            "split_csv/1cls.csv",
            "object,split,label,image,mask\ncandle,train,good,a.JPG,\n",
            "line 2: expected object,train or test",
        ),
        (
            "visa",
            "split_csv/1cls.csv",
            "object,split,label,image,mask\ncandle,train,normal,a.JPG,\n",
            "candle has no line with the split test",
        ),
        ("elpv", "labels.csv", "images/cell0001.png much mono\n", "line 1: expected picture"),
        ("elpv", "labels.csv", "images/cell0001.png 1.0 mono\n", "names 1 cells; expected 181"),
        (
            "elpv-by-cell",
            "labels.csv",
            "images/cell0001.png 1.0 mono\n",
            "names 1 cells; expected 4",
        ),
    ],
)
def test_a_faulty_list_is_refused_with_its_line(
    name: str, path: str, text: str, words: str, tmp_path: Path
) -> None:
    root = COPIES[name](tmp_path)
    (root / path).write_text(text)
    with pytest.raises(DataError, match=words):
        PROTOCOLS[name].folds(root)
