"""The DeepPCB benchmark on generated boards: detections, chosen settings and errors."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

pytest.importorskip("torch")

from bench.boxes import count
from bench.deeppcb import UNIT_GREY, Setting, choose, inspect, main, reported
from models.data.deeppcb import pairs
from models.data.layouts import open_dataset
from models.methods.recipe import TemplateRecipe

SIDE = 160


def write(root: Path, number: int, shift: int) -> None:
    """Write a board of traces, and the same board moved by ``shift`` with a bridge and a hole."""
    folder = root / "group1/1"
    notes = root / "group1/1_not"
    for path in (folder, notes):
        path.mkdir(parents=True, exist_ok=True)
    board = np.full((SIDE, SIDE), 255, np.uint8)
    for row in range(20, 150, 24):
        board[row : row + 8, 10 + (row * 7 + number * 11) % 40 : 130] = 0
    board[20:140, 130:138] = 0
    cv2.circle(board, (40, 80 + number % 5), 12, 0, -1)
    moved = np.roll(board, (shift, -shift), (0, 1))
    left, top = 80 - shift, 50 + shift
    moved[top : top + 20, left : left + 5] = 0
    hole = 100 - shift, 24 + shift
    cv2.circle(moved, hole, 3, 255, -1)
    lines = [
        f"{left - 10} {top - 12} {left + 15} {top + 26} 2",
        f"{hole[0] - 13} {hole[1] - 13} {hole[0] + 14} {hole[1] + 14} 6",
    ]
    (notes / f"{number}.txt").write_text("\n".join(lines))
    for kind, pixels in (("temp", board), ("test", moved)):
        (folder / f"{number}_{kind}.jpg").write_bytes(cv2.imencode(".jpg", pixels)[1].tobytes())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("boards")
    for number in range(8):
        write(root, number, number % 4)
    return root


def test_both_defects_of_each_board_are_detected(folder: Path) -> None:
    dataset = open_dataset(folder)
    inspected = inspect(dataset, pairs(dataset), TemplateRecipe())
    setting = choose(inspected)
    counts = [count(reported(e, setting, None), e.annotated, same_kind=False) for e in inspected]
    assert sum(each.right for each in counts) >= 14
    assert sum(each.reported for each in counts) <= 18


def test_registration_can_be_disabled(folder: Path) -> None:
    """Without registration a board that is moved by 3 px differs along every trace."""
    dataset = open_dataset(folder)
    shifted = pairs(dataset)[3:4]
    setting = Setting(4.0, 4.0, 8)
    registered, not_registered = (
        inspect(dataset, shifted, TemplateRecipe(registration=on, min_match=0.01))[0]
        for on in (True, False)
    )
    assert len(reported(registered, setting, None)) <= 4
    assert len(reported(not_registered, setting, None)) > 6


def test_black_in_the_place_of_white_has_severity_12(folder: Path) -> None:
    dataset = open_dataset(folder)
    inspected = inspect(dataset, pairs(dataset)[:1], TemplateRecipe(smooth_px=1))[0]
    assert inspected.severity.peak() == pytest.approx(12.0, abs=0.1)
    assert pytest.approx(21.25) == UNIT_GREY


def call(*words: object) -> Result:
    """Run the command in this process, because another one would import torch again."""
    app = typer.Typer()
    app.command()(main)
    return CliRunner().invoke(app, [str(word) for word in words], env={"COLUMNS": "200"})


def test_the_command_prints_the_figures_of_both_variants(folder: Path, tmp_path: Path) -> None:
    done = call("--data", folder, "--steps", 0, "--share", 0.5, "--every", 1, "--seed", 1)
    assert done.exit_code == 0, done.output
    assert "4 pairs to choose and train on, 4 measured" in done.stdout
    assert done.stdout.count("any kind") == 2
    assert "registered: Setting(" in done.stdout
    plain = tmp_path / "plain.toml"
    plain.write_text('name = "plain"\nmethod = "template"\n[classifier]\nbatch = 2\n')
    fewer = call("--data", folder, "--steps", 1, "--every", 2, "--recipe", plain)
    assert "2 pairs to choose and train on, 2 measured" in fewer.stdout, fewer.output
    assert "its kind" in fewer.stdout
    assert "annotated \\ reported" in fewer.stdout


def test_errors_are_one_line(folder: Path, tmp_path: Path) -> None:
    none = call("--data", tmp_path / "none")
    assert (none.exit_code, none.stdout.strip().count("\n")) == (1, 0)
    assert "is not a folder" in none.stdout
    few = call("--data", folder, "--every", 8, "--steps", 0)
    assert few.exit_code == 1
    assert "too few pairs" in few.stdout
    assert "no recipe 'x'" in call("--data", folder, "--recipe", "x").stdout


def test_the_official_division_is_that_of_the_lists(folder: Path, tmp_path: Path) -> None:
    root = tmp_path / "boards"
    shutil.copytree(folder, root)
    lines = [f"group1/1/{n}.jpg group1/1_not/{n}.txt\n" for n in range(8)]
    (root / "trainval.txt").write_text("".join(lines[2:]))
    (root / "test.txt").write_text("".join(lines[:2]))
    done = call("--data", root, "--official", "--steps", 0)
    assert done.exit_code == 0, done.output
    assert "6 pairs to choose and train on, 2 measured" in done.output
