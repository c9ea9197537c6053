"""The Magnetic Tile layout: made-up folders, and the real images where they are present."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest

from models.data.dataset import DataError, DataSet
from models.data.layouts import open_dataset
from models.data.magnetic_tile import TilePhotograph, group_photographs
from models.data.split import split

REAL = Path(__file__).resolve().parents[2] / "../shared/data/magnetic_tile"


def put(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(path.suffix, pixels)[1].tobytes())


def tile(root: Path, kind: str, exposure: int, number: int, mask: np.ndarray) -> None:
    stem = root / f"MT_{kind}/Imgs/exp{exposure}_num_{number}"
    put(stem.with_suffix(".jpg"), np.full(mask.shape, 90, np.uint8))
    put(stem.with_suffix(".png"), mask)


def test_layout(tmp_path: Path) -> None:
    soft = np.array([[0, 127, 128, 255]] * 4, np.uint8)
    tile(tmp_path, "Uneven", 1, 100, soft)
    tile(tmp_path, "Uneven", 2, 120, np.zeros((4, 4), np.uint8))
    tile(tmp_path, "Crack", 3, 140, soft)
    tile(tmp_path, "Free", 1, 900, np.zeros((4, 4), np.uint8))
    dataset = open_dataset(tmp_path)
    assert dataset.layout == "magnetic_tile"
    assert dataset.kinds == ("crack", "uneven")
    assert dataset.channels == 1
    rows = [(s.name, s.group, s.kinds, s.unmasked) for s in dataset.samples]
    assert rows == [
        ("MT_Crack/Imgs/exp3_num_140.jpg", "tile_000100", ("crack",), False),
        ("MT_Free/Imgs/exp1_num_900.jpg", "tile_000900", (), False),
        ("MT_Uneven/Imgs/exp1_num_100.jpg", "tile_000100", ("uneven",), False),
        ("MT_Uneven/Imgs/exp2_num_120.jpg", "tile_000100", ("uneven",), True),
    ]
    assert dataset.load_kind_map(dataset.samples[2])[0].tolist() == [0, 0, 2, 2]
    assert not dataset.load_kind_map(dataset.samples[3]).any()


def test_groups_are_cut_where_the_gap_is_wide() -> None:
    shots = [
        TilePhotograph(0, 1, "a"),
        TilePhotograph(110, 1, "b"),  # as far apart as one place can lie
        TilePhotograph(1610, 2, "c"),  # 1500, the exposure rises: the same series
        TilePhotograph(1721, 1, "d"),  # 111, the exposure starts again: another tile
        TilePhotograph(3222, 2, "e"),  # 1501: another tile, whatever the exposure
    ]
    groups = group_photographs(reversed(shots))
    assert groups == {
        "a": "tile_000000",
        "b": "tile_000000",
        "c": "tile_000000",
        "d": "tile_001721",
        "e": "tile_003222",
    }


def test_a_tile_photographed_again_is_one_group() -> None:
    shots = [
        TilePhotograph(5892, 6, "first"),
        TilePhotograph(13526, 1, "again"),
        TilePhotograph(13549, 2, "again too"),
        TilePhotograph(355732, 6, "its other half is not here"),
        TilePhotograph(10642, 4, "nor is this one's"),
    ]
    assert group_photographs(shots) == {
        "first": "tile_005892",
        "again": "tile_005892",
        "again too": "tile_005892",
        "its other half is not here": "tile_355732",
        "nor is this one's": "tile_010642",
    }


def test_errors(tmp_path: Path) -> None:
    (tmp_path / "MT_Crack/Imgs").mkdir(parents=True)
    with pytest.raises(DataError, match="holds no image; expected MT_<kind>"):
        open_dataset(tmp_path)
    put(tmp_path / "MT_Crack/Imgs/exp1_num_5.jpg", np.zeros((4, 4), np.uint8))
    with pytest.raises(DataError, match=r"exp1_num_5\.png: is missing; expected the mask"):
        open_dataset(tmp_path)
    put(tmp_path / "MT_Crack/Imgs/other.jpg", np.zeros((4, 4), np.uint8))
    with pytest.raises(DataError, match="expected a name like exp1_num_4727"):
        open_dataset(tmp_path)


@pytest.fixture(scope="module")
def real() -> DataSet:
    if not REAL.is_dir():
        pytest.skip("the Magnetic Tile images (shared/data/magnetic_tile) are not here")
    return open_dataset(REAL)


def test_real_counts(real: DataSet) -> None:
    assert real.kinds == ("blowhole", "break", "crack", "fray", "uneven")
    assert Counter("".join(s.kinds) for s in real.samples) == {
        "blowhole": 79,
        "break": 54,
        "crack": 41,
        "fray": 20,
        "uneven": 79,
        "": 485,
    }
    assert sorted(s.name for s in real.samples if s.unmasked) == [
        "MT_Uneven/Imgs/exp4_num_124690.jpg",
        "MT_Uneven/Imgs/exp4_num_352527.jpg",
    ]


def test_real_groups(real: DataSet) -> None:
    sizes = Counter(Counter(s.group for s in real.samples).values())
    assert sizes.total() == 116
    assert sizes[6] > 80  # one tile, six exposures
    by_stem = {s.image_path.stem: s.group for s in real.samples}
    assert by_stem["exp3_num_86892"] == by_stem["exp4_num_88149"]  # 1257 apart, one crack
    assert by_stem["exp1_num_124236"] == by_stem["exp2_num_124592"]
    assert by_stem["exp5_num_8676"] == by_stem["exp4_num_10642"]  # photographed again
    assert by_stem["exp6_num_10790"] != by_stem["exp1_num_10903"]  # 113 apart, two tiles
    assert by_stem["exp6_num_263900"] != by_stem["exp1_num_264189"]


def test_real_images_load_as_grey_with_the_size_of_their_masks(real: DataSet) -> None:
    for sample in real.samples[::25]:
        image, kind_map = real.load_pair(sample)
        assert image.ndim == 2
        assert image.shape == kind_map.shape
        expected = {real.kinds.index(kind) + 1 for kind in sample.kinds if not sample.unmasked}
        assert set(np.unique(kind_map)) - {0} == expected


@pytest.mark.parametrize("seed", range(5))
def test_real_split_is_near_the_share_for_every_kind(real: DataSet, seed: int) -> None:
    parts = split(real, 0.25, seed)
    assert len(parts.unmasked) == 2
    assert len(parts.train) + len(parts.validation) == 756
    assert not {s.group for s in parts.train} & {s.group for s in parts.validation}
    everything = Counter(k for s in parts.train + parts.validation for k in s.kinds or ("",))
    held = Counter(k for s in parts.validation for k in s.kinds or ("",))
    for kind, count in everything.items():
        assert abs(held[kind] - 0.25 * count) <= 6, kind  # one tile's six exposures
