"""The comparison of masks, filled boxes and boxes as weak labels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import typer

pytest.importorskip("torch")

from bench.weak_boxes import MODES, boxes_of, choose, main, set_aside, write_folder
from models.data.boxes import is_boxed
from models.data.layouts import open_dataset
from tests.support.preloaded import run_module
from tests.support.tinyrun import write_pictures

ROOT = Path(__file__).resolve().parents[2]


def test_each_defect_has_a_box() -> None:
    mask = np.zeros((60, 60), np.bool_)
    mask[5:10, 5:20] = mask[40:50, 30:33] = mask[12:14, 5:6] = True
    assert sorted(boxes_of(mask)) == [(5, 5, 20, 14), (30, 40, 33, 50)]


def test_the_three_folders_mark_the_same_defects(tmp_path: Path) -> None:
    pictures = choose(open_dataset(write_pictures(tmp_path / "data", 12)), ("pit",), 3)
    assert [len(picture.drawn) for picture in pictures] == [0, 0, 0, 1, 1, 1]
    maps = {}
    for mode in MODES:
        write_folder(tmp_path / mode, pictures, mode)
        dataset = open_dataset(tmp_path / mode)
        assert dataset.kinds == ("pit",)
        sample = next(each for each in dataset.samples if not each.is_good)
        maps[mode] = dataset.load_kind_map(sample)
        assert is_boxed(sample) is (mode == "boxes")
    assert np.array_equal(maps["filled"], maps["boxes"])
    assert (maps["filled"] >= maps["masks"]).all()
    assert maps["filled"].sum() > maps["masks"].sum()


def test_the_test_has_parts_of_its_own(tmp_path: Path) -> None:
    pictures = choose(open_dataset(write_pictures(tmp_path / "data", 12)), ("pit",), 6)
    named = [replace(picture, group=f"part{n // 2}") for n, picture in enumerate(pictures)]
    learned, tested = set_aside(tuple(named))
    assert {each.group for each in learned}.isdisjoint(each.group for each in tested)
    assert {each.name for each in (*learned, *tested)} == {each.name for each in named}
    assert sum(bool(each.drawn) for each in tested) == 2
    assert sum(not each.drawn for each in tested) == 2
    again = set_aside(tuple(named))[1]
    assert [each.name for each in again] == [each.name for each in tested]


@pytest.mark.timeout(400)  # a process with two trainings, on a busy machine
def test_the_command_prints_a_row_for_each(tmp_path: Path) -> None:
    data = write_pictures(tmp_path / "data", 18)
    (tmp_path / "tiny.toml").write_text(
        'name = "tiny"\n[detector]\nnetwork = "nano"\nsteps = 4\nbatch = 1\npatch_px = 64\n'
    )
    command = ["bench.weak_boxes", "--data", str(data), "--parts", "6"]
    command += ["--recipe", str(tmp_path / "tiny.toml"), "--steps", "2", "--kind", "pit"]
    command += ["--threads", "1", "--out", str(tmp_path / "out"), "--seed", "3"]
    command += ["--labels", "filled", "--labels", "boxes"]
    done = run_module(*command)
    assert done.returncode == 0, done.stderr
    table = [line.split("|") for line in done.stdout.splitlines() if line.startswith("|")]
    rows = [(row[1].strip(), row[2].strip()) for row in table[2:]]
    assert rows == [("filled", "3"), ("boxes", "3")]
    assert all(0.0 <= float(row[column]) <= 1.0 for row in table[2:] for column in (3, 4, 5, 7, 8))


def test_labels_of_another_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(typer.BadParameter, match="'none'; expected masks, filled, boxes"):
        main(tmp_path, tmp_path / "out", labels=["boxes", "none"])
