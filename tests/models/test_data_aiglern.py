"""The AigleRN layout, on made-up folders: the set itself is not at hand."""

from __future__ import annotations

import logging
from pathlib import Path

import cv2
import numpy as np
import pytest

from models.data.dataset import DataError, DataSet
from models.data.layouts import open_dataset
from models.data.split import split

WHITE = np.full((10, 12), 255, np.uint8)
BLACK_ON_WHITE = WHITE.copy()
BLACK_ON_WHITE[4, 2:9] = 0
CRACK = (BLACK_ON_WHITE == 0).astype(np.uint8)


def put(path: Path, pixels: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(path.suffix, pixels)[1].tobytes())
    return path


def picture(images: Path, truths: Path, place: str, truth: np.ndarray = BLACK_ON_WHITE) -> Path:
    put(images / f"Im_GT_AIGLE_RN_{place}or.png", WHITE // 2)
    return put(truths / f"GT_AIGLE_RN_{place}.png", truth)


def published(root: Path, place: str, truth: np.ndarray = BLACK_ON_WHITE) -> Path:
    tits = root / "TITS"
    return picture(tits / "IMAGES/AIGLE_RN", tits / "GROUND_TRUTH/AIGLE_RN", place, truth)


def cracks(dataset: DataSet) -> list[list[list[int]]]:
    return [dataset.load_kind_map(sample).tolist() for sample in dataset.samples]


def test_layout(tmp_path: Path) -> None:
    for place in ("F01a", "C18b", "C18a"):
        published(tmp_path, place)
    put(tmp_path / "TITS/IMAGES/ESAR/Im_GT_ESAR_20a.jpg", WHITE)
    put(tmp_path / "TITS/GROUND_TRUTH/ESAR/GT_ESAR_20a.png", WHITE)
    dataset = open_dataset(tmp_path)
    assert (dataset.layout, dataset.kinds, dataset.channels) == ("aiglern", ("crack",), 1)
    assert [(s.name, s.group, s.kinds) for s in dataset.samples] == [
        ("TITS/IMAGES/AIGLE_RN/Im_GT_AIGLE_RN_C18aor.png", "C18", ("crack",)),
        ("TITS/IMAGES/AIGLE_RN/Im_GT_AIGLE_RN_C18bor.png", "C18", ("crack",)),
        ("TITS/IMAGES/AIGLE_RN/Im_GT_AIGLE_RN_F01aor.png", "F01", ("crack",)),
    ]
    assert cracks(dataset) == [CRACK.tolist()] * 3
    inner = open_dataset(tmp_path / "TITS")
    assert inner.layout == "aiglern"
    assert [s.name for s in inner.samples] == [s.name[5:] for s in dataset.samples]


def test_pictures_right_inside_images(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    images, truths = tmp_path / "IMAGES", tmp_path / "GROUND_TRUTH"
    picture(images, truths, "E17a")
    put(images / "Im_GT_LCMS_24aor.png", WHITE)
    put(images / "Im_noGT_AIGLE_RN_A01aor.png", WHITE)
    put(truths / "GT_LCMS_24a.png", WHITE)
    with caplog.at_level(logging.INFO, logger="models.data.aiglern"):
        dataset = open_dataset(tmp_path)
    assert [s.name for s in dataset.samples] == ["IMAGES/Im_GT_AIGLE_RN_E17aor.png"]
    assert "IMAGES count=2: left out" in caplog.text
    assert "GROUND_TRUTH count=1: left out" in caplog.text


@pytest.mark.parametrize(
    "truth",
    [
        BLACK_ON_WHITE,
        255 - BLACK_ON_WHITE,
        np.stack([BLACK_ON_WHITE] * 3, -1),
        CRACK,
        np.clip(BLACK_ON_WHITE, 40, 215),
        np.where(CRACK > 0, 100, 255).astype(np.uint8),
    ],
    ids=["published", "inverted", "colour", "0 and 1", "weak", "grey on white"],
)
def test_either_polarity(tmp_path: Path, truth: np.ndarray) -> None:
    published(tmp_path, "C18a", truth)
    assert cracks(open_dataset(tmp_path)) == [CRACK.tolist()]


@pytest.mark.parametrize("value", [0, 255])
def test_a_truth_of_one_colour_is_left_out_of_training(
    tmp_path: Path, value: int, caplog: pytest.LogCaptureFixture
) -> None:
    published(tmp_path, "C18a", WHITE * 0 + np.uint8(value))
    with caplog.at_level(logging.INFO, logger="models.data.aiglern"):
        dataset = open_dataset(tmp_path)
    assert [s.unmasked for s in dataset.samples] == [True]
    assert "mask-empty image=TITS/IMAGES/AIGLE_RN/Im_GT_AIGLE_RN_C18aor.png" in caplog.text
    assert not dataset.load_kind_map(dataset.samples[0]).any()


def test_split_keeps_pairs(tmp_path: Path) -> None:
    for number in range(1, 17):
        published(tmp_path, f"F{number:02d}a")
        published(tmp_path, f"F{number:02d}b")
    parts = split(open_dataset(tmp_path), 0.25, 0)
    assert (len(parts.train), len(parts.validation)) == (24, 8)
    assert not {s.group for s in parts.train} & {s.group for s in parts.validation}


def test_errors(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="expected TITS/IMAGES/AIGLE_RN/ and TITS"):
        open_dataset(tmp_path, "aiglern")
    images = tmp_path / "TITS/IMAGES/AIGLE_RN"
    (tmp_path / "TITS/GROUND_TRUTH/AIGLE_RN").mkdir(parents=True)
    images.mkdir(parents=True)
    with pytest.raises(DataError, match="AIGLE_RN: holds no image; expected TITS"):
        open_dataset(tmp_path, "aiglern")
    published(tmp_path, "C18a", BLACK_ON_WHITE[:8])
    with pytest.raises(DataError, match=r"GT_AIGLE_RN_C18a\.png: the mask is 12x8 and its image"):
        open_dataset(tmp_path).verify()
    truth = published(tmp_path, "C18b")
    truth.unlink()
    with pytest.raises(DataError, match=r"GT_AIGLE_RN_C18b\.png: is missing; expected the ground"):
        open_dataset(tmp_path)
    put(truth, BLACK_ON_WHITE)
    (images / "Im_GT_AIGLE_RN_C18bor.png").unlink()
    with pytest.raises(DataError, match=r"RN_C18b\.png: is ground truth without an image in"):
        open_dataset(tmp_path)
    put(images / "Im_GT_AIGLE_RN_C18b.png", WHITE)
    put(images / "GT_AIGLE_RN_C18b.png", WHITE)
    with pytest.raises(DataError, match=r"is the same place as GT_AIGLE_RN_C18b\.png; expected"):
        open_dataset(tmp_path)
    put(images / "1.png", WHITE)
    with pytest.raises(DataError, match=r"1\.png: expected a name like Im_GT_AIGLE_RN_C18aor"):
        open_dataset(tmp_path)
