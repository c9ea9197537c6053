"""Training, scoring, demo and inspect take the same files of a folder for pictures, and the same
parts for good: on published sets as they are published, and on small ones in their form."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edge.data_folder import find_pictures, read_folder
from edge.demo.parts import find_demo_pictures
from models.data.layouts import open_dataset
from models.data.summary import account
from tests.support.folders import images, mask, picture, put

SHARED = Path(__file__).resolve().parents[2] / "../shared/data"


def magnetic_tile(root: Path) -> None:
    for kind, number, drawn in (("Free", 5, 0), ("Crack", 900, 255), ("Uneven", 5000, 0)):
        put(root / f"MT_{kind}/Imgs/exp1_num_{number}.jpg", picture())
        put(root / f"MT_{kind}/Imgs/exp1_num_{number}.png", mask(drawn))


def kolektorsdd(root: Path) -> None:
    for part, drawn in (("kos01/Part0", 0), ("kos01/Part1", 255)):
        put(root / f"{part}.jpg", picture())
        put(root / f"{part}_label.bmp", mask(drawn))


def crackforest(root: Path) -> None:
    savemat = pytest.importorskip("scipy.io").savemat
    put(root / "image/001.jpg", picture())
    (root / "groundTruth").mkdir()
    truth = {"Segmentation": mask(1).astype(np.uint8) + 1}
    savemat(root / "groundTruth/001.mat", {"groundTruth": truth})


def deeppcb(root: Path) -> None:
    for end in ("temp", "test"):
        put(root / f"PCBData/group00041/00041/00041002_{end}.jpg", picture())
    put(root / "PCBData/group00041/00041_not/00041002.txt", "2 3 10 12 1\n")


def dagm2007(root: Path) -> None:
    for name in ("0001", "0002"):
        put(root / f"Class7/Train/{name}.PNG", picture())
    put(root / "Class7/Train/Label/0002_label.PNG", mask())
    put(root / "Class7/Train/Label/Labels.txt", "1\n1\t1\t0002.PNG\t0\t0002_label.PNG\n")


def aiglern(root: Path) -> None:
    put(root / "TITS/IMAGES/AIGLE_RN/Im_GT_AIGLE_RN_C18aor.png", picture())
    put(root / "TITS/GROUND_TRUTH/AIGLE_RN/GT_AIGLE_RN_C18a.png", 255 - mask())


def mvtec_ad(root: Path) -> None:
    for name in ("train/good/000", "test/good/000", "test/hole/000"):
        put(root / f"{name}.png", picture())
    put(root / "ground_truth/hole/000_mask.png", mask())


def generic(root: Path) -> None:
    images(root, 3, "images/train")
    images(root, 2, "images")
    put(root / "masks/scratch/train/001.webp", np.dstack([mask()] * 3))


def generic_flat(root: Path) -> None:
    images(root, 3)
    for number in range(3):
        put(root / f"masks/{number:03d}.png", mask(255 * (number != 1)))


def generic_alone(root: Path) -> None:
    images(root, 3, suffix=".webp")


def in_folders(root: Path) -> None:
    images(root, 3, "OK")
    images(root, 2, "dent")
    images(root, 2, "bad")
    put(root / "masks/pit/bad/000_mask.png", mask())


SETS = (
    *(magnetic_tile, kolektorsdd, crackforest, deeppcb, dagm2007, aiglern, mvtec_ad),
    *(generic, generic_flat, generic_alone, in_folders),
)


def agree(root: Path) -> None:
    dataset = open_dataset(root)
    good = {sample.image_path: sample.is_good for sample in dataset.samples}
    folder = read_folder(root)
    assert (folder.layout, folder.complaints) == (dataset.layout, ())
    assert set(find_pictures(root).pictures) == set(good) == set(folder.pictures)
    assert {each.path: each.kind is None for each in find_demo_pictures(root)} == good
    assert account(dataset)[0].startswith(f"{root}: {len(good)} picture")


@pytest.mark.parametrize("make", SETS, ids=[make.__name__ for make in SETS])
def test_one_answer(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path)
    agree(tmp_path)


def test_the_folder_of_good_parts_itself(tmp_path: Path) -> None:
    images(tmp_path, 3, "Good")
    agree(tmp_path / "Good")


def test_one_class_of_dagm(tmp_path: Path) -> None:
    dagm2007(tmp_path)
    agree(tmp_path / "Class7")


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("magnetic_tile", 485, 273),
        ("kolektorsdd", 84, 12),
        ("crackforest", 0, 80),
        ("deeppcb", 400, 400),
        ("mvtec_screw/train", 320, 0),
    ],
)
def test_one_answer_on_the_real_sets(name: str, good: int, bad: int) -> None:
    root = SHARED / name
    if not root.is_dir():
        pytest.skip(f"the pictures of {name} (shared/data) are not here")
    agree(root)
    dataset = open_dataset(root)
    assert sum(sample.is_good for sample in dataset.samples) == good
    assert len(dataset.samples) == good + bad
    dataset.verify(dataset.samples[:: max(1, len(dataset.samples) // 100)])
    unread = [line for line in account(dataset) if line.startswith("not read")]
    assert unread == []


def test_the_real_set_with_a_table_of_labels_stops() -> None:
    root = SHARED / "elpv"
    if not root.is_dir():
        pytest.skip("the pictures of elpv (shared/data) are not here")
    (told,) = read_folder(root).complaints
    assert told.startswith(f"{root}/labels.csv: looks like a table of labels and would not be read")


def test_the_real_set_in_no_layout_is_told_what_to_rename() -> None:
    root = SHARED / "deepcrack"
    if not root.is_dir():
        pytest.skip("the pictures of deepcrack (shared/data) are not here")
    found = find_pictures(root)
    assert len(found.pictures) == len(found.truths) == 300
    assert {path.parent.name for path in found.pictures} == {"train_img"}
