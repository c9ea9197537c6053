"""The CrackForest layout: made-up folders, and the real images where they are present."""

from __future__ import annotations

import logging
from pathlib import Path

import cv2
import numpy as np
import pytest

from models.data.dataset import DataError, DataSet, read_mask
from models.data.layouts import open_dataset
from models.data.split import split

savemat = pytest.importorskip("scipy.io", reason="scipy is not installed").savemat

REAL = Path(__file__).resolve().parents[2] / "../shared/data/crackforest"

LABELS = np.array([[1, 2, 2, 1], [3, 1, 4, 1], [1, 1, 1, 1]], np.uint8)


def image(root: Path, stem: str, size: tuple[int, int] = (3, 4)) -> Path:
    path = root / f"image/{stem}.jpg"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(".jpg", np.full((*size, 3), 90, np.uint8))[1].tobytes())
    return path


def truth(root: Path, stem: str, labels: np.ndarray = LABELS) -> Path:
    path = root / f"groundTruth/{stem}.mat"
    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, {"groundTruth": {"Segmentation": labels, "Boundaries": 0}})
    return path


def test_layout(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for stem in ("002", "001", "003", "119"):
        image(tmp_path, stem)
    truth(tmp_path, "001")
    truth(tmp_path, "002", np.full((3, 4), 1.0))  # MATLAB's own numbers; no crack
    truth(tmp_path, "003")
    with caplog.at_level(logging.INFO, logger="models.data.crackforest"):
        dataset = open_dataset(tmp_path)
    assert (dataset.layout, dataset.kinds, dataset.channels) == ("crackforest", ("crack",), 1)
    assert [(s.name, s.group, s.kinds, s.unmasked) for s in dataset.samples] == [
        ("image/001.jpg", "image/001.jpg", ("crack",), False),
        ("image/002.jpg", "image/002.jpg", ("crack",), True),
        ("image/003.jpg", "image/003.jpg", ("crack",), False),
    ]
    assert "truth-missing count=1: left out of the data set: 119" in caplog.text
    assert "mask-empty image=image/002.jpg" in caplog.text
    pixels, kind_map = dataset.load_pair(dataset.samples[0])
    assert pixels.shape == (3, 4)
    assert kind_map.tolist() == [[0, 1, 1, 0], [0, 0, 0, 0], [0, 0, 0, 0]]
    assert not dataset.load_kind_map(dataset.samples[1]).any()


def test_a_picture_that_has_the_number_of_a_wrong_truth_keeps_its_own(tmp_path: Path) -> None:
    image(tmp_path, "042")
    truth(tmp_path, "042")
    assert not open_dataset(tmp_path).samples[0].unmasked


def test_errors(tmp_path: Path) -> None:
    (tmp_path / "groundTruth").mkdir()
    with pytest.raises(DataError, match="image: is missing; expected image/"):
        open_dataset(tmp_path, "crackforest")
    image(tmp_path, "001")
    with pytest.raises(DataError, match="holds no image with ground truth; expected image/"):
        open_dataset(tmp_path, "crackforest")
    truth(tmp_path, "001", LABELS[:2])
    dataset = open_dataset(tmp_path)
    with pytest.raises(DataError, match=r"001\.mat: the mask is 4x2 and its image image/001\.jpg"):
        dataset.verify()
    truth(tmp_path, "002")
    with pytest.raises(DataError, match=r"image/002\.jpg: is missing; expected the image"):
        open_dataset(tmp_path)
    image(tmp_path, "002")
    image(tmp_path, "road")
    with pytest.raises(DataError, match=r"road\.jpg: expected a name like 001\.jpg"):
        open_dataset(tmp_path)


@pytest.mark.parametrize(
    "labels",
    [
        LABELS + 0.5,
        LABELS.astype(np.int16) - 2,
        np.full((3, 4), 256, np.uint16),
        np.stack([LABELS, LABELS]),
        np.full((3, 4), np.nan),
        "crack",
    ],
)
def test_labels_that_are_no_greys(tmp_path: Path, labels: np.ndarray) -> None:
    with pytest.raises(DataError, match=r"001\.mat: the labels are not H×W whole numbers"):
        read_mask(truth(tmp_path, "001", labels))


def test_files_that_are_no_ground_truth(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"001\.mat: cannot be read: No such file"):
        read_mask(tmp_path / "001.mat")
    path = truth(tmp_path, "001", np.tile(LABELS, (20, 20)))
    whole = path.read_bytes()
    other = tmp_path / "other.mat"
    savemat(other, {"labels": LABELS})
    unnamed = tmp_path / "unnamed.mat"
    savemat(unnamed, {"groundTruth": LABELS})
    contents = [whole[:length] for length in range(0, len(whole), 97)]
    for content in [*contents, b"\x89PNG", other.read_bytes(), unnamed.read_bytes()]:
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"001\.mat: cannot be read as labels; expected a MAT"):
            read_mask(path)


@pytest.fixture(scope="module")
def real() -> DataSet:
    if not REAL.is_dir():
        pytest.skip("the CrackForest images (shared/data/crackforest) are not here")
    return open_dataset(REAL)


def test_real(real: DataSet) -> None:
    assert (real.layout, real.kinds, real.channels) == ("crackforest", ("crack",), 1)
    assert len(real.samples) == len({s.group for s in real.samples}) == 80
    assert all(s.kinds == ("crack",) for s in real.samples)
    assert [s.name for s in real.samples if s.unmasked] == ["image/042.jpg"]


def test_real_pixels(real: DataSet) -> None:
    crack_px = 0
    for sample in real.samples:
        pixels, kind_map = real.load_pair(sample)
        assert pixels.shape == kind_map.shape == (320, 480)
        crack_px += int(kind_map.sum())
    assert crack_px == 197_797
    assert int(real.load_kind_map(real.samples[0]).sum()) == 1831


@pytest.mark.parametrize("seed", range(3))
def test_a_split_without_good_parts(real: DataSet, seed: int) -> None:
    parts = split(real, 0.25, seed)
    assert len(parts.train) + len(parts.validation) == 79
    assert len(parts.validation) in (19, 20)
    assert not set(parts.train) & set(parts.validation)
