"""The file of a board: its content, and the files that are refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("torch")

from models.data.dataset import DataError
from models.ladder.board import read_board
from models.ladder.record import Subject
from tests.support.boards import report, write_report


def test_the_size_nearest_to_the_pictures_counts(tmp_path: Path) -> None:
    sizes = {"256x256": (4000.0, 5000.0), "640x480": (18000.0, 20000.0)}
    path = write_report(tmp_path / "pi.json", sizes)
    near = read_board(path, 300 * 300)
    assert near.subject == Subject(name="lean", height=256, width=256, channels=1)
    assert (near.p50_ms, near.p99_ms) == (4.0, 5.0)
    assert near.engine == "litert tflite-int8, 1 core"
    assert read_board(path, 1000 * 1000).subject.size == "640x480"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("no json", "is not the JSON of outfeed bench"),
        ("{}", "is not the JSON of outfeed bench"),
        (json.dumps(report({"256x256": (0.0, 1.0)})), "p50_us"),
        (json.dumps(report({"256x256": (1.0, 1.0)}, bundle="mine-1-abcdefabcdef")), "not known"),
        (
            json.dumps(report({"256x256": (1.0, 1.0)}, sort="with regions")),
            "no frame without a defect",
        ),
    ],
)
def test_another_file_gets_one_line_that_names_it(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "board.json"
    path.write_text(text)
    with pytest.raises(DataError, match=message) as refused:
        read_board(path, 1)
    assert str(refused.value).startswith(f"{path}: ")
    assert len(str(refused.value).splitlines()) == 1


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"none: cannot be read: .*expected 'this', rpi4, .*, or the JSON"
    ):
        read_board(tmp_path / "none", 1)
