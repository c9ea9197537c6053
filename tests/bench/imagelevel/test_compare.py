"""The comparison as a whole: it learns, repeats, and keeps parts on one side."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("sklearn")

import torch

from bench.imagelevel.compare import compare
from bench.imagelevel.record import ImageLevelComparison, ImageLevelRun
from bench.imagelevel.settings import METHODS, ImageLevelSettings, Method
from models.data.dataset import DataError, DataSet
from models.data.layouts import open_dataset
from tests.bench.imagelevel.easy import HAS_WEIGHTS, easy_set, quick, write_easy

AVAILABLE = tuple(method for method in METHODS if HAS_WEIGHTS or method != "pretrained")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> DataSet:
    return easy_set(tmp_path_factory.mktemp("easy") / "data")


@pytest.fixture(scope="module")
def lines() -> list[str]:
    return []


@pytest.fixture(scope="module")
def compared(dataset: DataSet, lines: list[str]) -> ImageLevelComparison:
    return compare(dataset, quick(methods=AVAILABLE), lines.append)


def figures(runs: tuple[ImageLevelRun, ...]) -> list[dict[str, object]]:
    return [run.model_dump(exclude={"train_s", "ms_per_picture"}) for run in runs]


@pytest.mark.parametrize("method", AVAILABLE)
def test_every_method_beats_chance(compared: ImageLevelComparison, method: Method) -> None:
    for run in compared.at(method, 8):
        assert run.score.f1 > 0.8  # a third is chance
        assert run.score.bad_f1 > 0.8
        assert run.train_s > 0
        assert run.ms_per_picture > 0
        assert np.sum(run.confusion) == sum(compared.validation.pictures.values())


def test_calling_all_good_is_given_for_comparison(compared: ImageLevelComparison) -> None:
    validation = compared.validation.pictures
    share = validation["good"] / sum(validation.values())
    assert compared.always_good.accuracy == pytest.approx(share)
    assert compared.always_good.bad_recall == 0.0


def test_no_part_is_on_both_sides(compared: ImageLevelComparison) -> None:
    assert not set(compared.train.groups) & set(compared.validation.groups)
    assert len(compared.train.names) == 2 * len(compared.train.groups)
    assert len(compared.train.names) + len(compared.validation.names) == 64
    assert min(compared.validation.pictures.values()) > 0


def test_every_cell_is_measured_and_reported(
    compared: ImageLevelComparison, lines: list[str]
) -> None:
    cells = [(run.method, run.dimension) for run in compared.runs]
    assert sorted(cells) == sorted((m, d) for m in AVAILABLE for d in (4, 8))
    assert "reading" in lines[0]
    assert lines[-1].startswith(f"[{len(cells)}/{len(cells)}] seed 0, dimension 8, ")


def small(**changes: object) -> ImageLevelSettings:
    return quick(**{"methods": ("mlp", "cnn"), "dimensions": (4,), "cnn_steps": 4, **changes})


def test_the_same_seed_gives_the_same_figures(dataset: DataSet) -> None:
    first, again = (compare(dataset, small(seeds=2)) for _ in range(2))
    assert figures(first.runs) == figures(again.runs)
    assert [run.seed for run in first.at("cnn", 4)] == [0, 1]
    second = compare(dataset, small(first_seed=1))
    assert figures(second.runs) == figures(first.runs[2:])  # a seed does not hang on others


def test_the_splits_options_are_followed(dataset: DataSet) -> None:
    settings = small(methods=("knn",))
    usual = compare(dataset, settings)
    other = compare(dataset, settings.model_copy(update={"split_seed": 1}))
    half = compare(dataset, settings.model_copy(update={"validation_share": 0.5}))
    assert usual.validation.names != other.validation.names
    assert len(usual.validation.names) < len(half.validation.names) == 32


def test_threads_are_as_before(dataset: DataSet) -> None:
    before = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(2)
    cv2.setNumThreads(2)
    try:
        compare(dataset, small(methods=("knn",)))
        assert (torch.get_num_threads(), cv2.getNumThreads()) == (2, 2)
    finally:
        torch.set_num_threads(before[0])
        cv2.setNumThreads(before[1])


def test_dimensions_beyond_the_pictures_are_left_out(tmp_path: Path) -> None:
    few = open_dataset(write_easy(tmp_path / "data", 8))
    settings = small(methods=("knn",), dimensions=(4, 300), balance=False)
    compared = compare(few, settings)
    assert (compared.dimensions, compared.dimensions_left_out) == ((4,), (300,))
    with pytest.raises(DataError, match="dimension 300: the training pictures give"):
        compare(few, settings.model_copy(update={"dimension": 300}))


def test_data_without_good_or_without_bad_is_refused(tmp_path: Path) -> None:
    bad_only = open_dataset(write_easy(tmp_path / "bad", 8, good=0))
    with pytest.raises(DataError, match="no good training picture"):
        compare(bad_only, small())
    folder = write_easy(tmp_path / "good", 8)
    for mask in (folder / "masks").rglob("*.png"):
        mask.unlink()
    with pytest.raises(DataError, match="no defective training picture"):
        compare(open_dataset(folder), small())
