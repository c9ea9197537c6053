"""The KolektorSDD layout: made-up folders, and the real images where they are present."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest

from models.data.dataset import DataError, DataSet
from models.data.layouts import open_dataset
from models.data.split import split

REAL = Path(__file__).resolve().parents[2] / "../shared/data/kolektorsdd"

EMPTY = np.zeros((6, 4), np.uint8)
SPOT = EMPTY.copy()
SPOT[1, 1:3] = 255


def put(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(path.suffix, pixels)[1].tobytes())


def part(root: Path, stem: str, label: np.ndarray) -> None:
    put(root / f"{stem}.jpg", np.full((6, 4), 90, np.uint8))
    put(root / f"{stem}_label.bmp", label)


def test_layout(tmp_path: Path) -> None:
    part(tmp_path, "kos02/Part0", EMPTY)
    part(tmp_path, "kos02/Part1", SPOT)
    part(tmp_path, "kos01/Part7", EMPTY)
    dataset = open_dataset(tmp_path)
    assert (dataset.layout, dataset.kinds, dataset.channels) == ("kolektorsdd", ("defect",), 1)
    assert [(s.name, s.group, s.kinds, s.unmasked) for s in dataset.samples] == [
        ("kos01/Part7.jpg", "kos01", (), False),
        ("kos02/Part0.jpg", "kos02", (), False),
        ("kos02/Part1.jpg", "kos02", ("defect",), False),
    ]
    assert dataset.load_kind_map(dataset.samples[2])[1].tolist() == [0, 1, 1, 0]
    assert not dataset.load_kind_map(dataset.samples[1]).any()


def test_good_parts_only(tmp_path: Path) -> None:
    part(tmp_path, "kos01/Part0", EMPTY)
    assert open_dataset(tmp_path).kinds == ()


def test_errors(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no image; expected kos<nn>/Part<m>"):
        open_dataset(tmp_path, "kolektorsdd")
    part(tmp_path, "kos01/Part0", SPOT[:5])
    with pytest.raises(DataError, match=r"Part0_label\.bmp: the mask is 4x5 and its image kos01/"):
        open_dataset(tmp_path).verify()
    put(tmp_path / "kos01/Part1_label.bmp", SPOT)
    with pytest.raises(DataError, match=r"Part1_label\.bmp: is a label without .* Part1\.jpg"):
        open_dataset(tmp_path)
    put(tmp_path / "kos01/Part1.jpg", SPOT)
    put(tmp_path / "kos01/Part2.jpg", SPOT)
    with pytest.raises(DataError, match=r"Part2_label\.bmp: is missing; expected the label of kos"):
        open_dataset(tmp_path)
    part(tmp_path, "kos01/Part2", SPOT)
    part(tmp_path, "kos01/top", SPOT)
    with pytest.raises(DataError, match=r"top\.jpg: expected a name like Part0\.jpg"):
        open_dataset(tmp_path)


@pytest.fixture(scope="module")
def real() -> DataSet:
    if not REAL.is_dir():
        pytest.skip("the KolektorSDD images (shared/data/kolektorsdd) are not here")
    return open_dataset(REAL)


def test_real(real: DataSet) -> None:
    assert (real.layout, real.kinds, real.channels) == ("kolektorsdd", ("defect",), 1)
    assert Counter(s.kinds for s in real.samples) == {(): 84, ("defect",): 12}
    assert Counter(s.group for s in real.samples) == {f"kos{n:02d}": 8 for n in range(1, 13)}
    assert not any(s.unmasked for s in real.samples)


def test_real_pixels(real: DataSet) -> None:
    found = {}
    for sample in real.samples:
        pixels, kind_map = real.load_pair(sample)
        assert pixels.shape == kind_map.shape
        assert pixels.shape[1] == 500
        if sample.kinds:
            found[sample.name] = int(kind_map.sum())
        else:
            assert not kind_map.any()
    assert len(found) == 12
    assert found["kos01/Part5.jpg"] == 1143
    assert sum(found.values()) == 20_804


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("share", [0.15, 0.25, 0.5])
def test_no_commutator_is_on_both_sides(real: DataSet, share: float, seed: int) -> None:
    parts = split(real, share, seed)
    assert len(parts.train) + len(parts.validation) == 96
    assert not {s.group for s in parts.train} & {s.group for s in parts.validation}
    assert not {s.name[:5] for s in parts.train} & {s.name[:5] for s in parts.validation}
    for side in (parts.train, parts.validation):
        assert {s.kinds for s in side} == {(), ("defect",)}
