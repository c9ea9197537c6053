"""Groups by a pattern, on any layout."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from models.data.dataset import DataError
from models.data.layouts import open_dataset
from models.data.split import split

NAMES = ("line2/part07_a", "line2/part07_b", "line2/part08_a", "line3/part07_a")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for name in NAMES:
        path = tmp_path / f"images/{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), np.full((8, 8), 90, np.uint8))
    (tmp_path / "groups.csv").write_text("line2/part07_a.png,from the file\n")
    return tmp_path


@pytest.mark.parametrize(
    ("pattern", "groups"),
    [
        (r"part(\d+)", ["07", "07", "08", "07"]),
        (r"(line\d/part\d+)_", ["line2/part07", "line2/part07", "line2/part08", "line3/part07"]),
        (r"(line\d)/part(?P<part>\d+)", ["07", "07", "08", "07"]),
        (r"^images/(.+)_[ab]\.png$", [name[:-2] for name in NAMES]),
    ],
)
def test_groups_of_the_pattern(data: Path, pattern: str, groups: list[str]) -> None:
    dataset = open_dataset(data, groups=pattern)
    assert [s.name for s in dataset.samples] == [f"images/{name}.png" for name in NAMES]
    assert [s.group for s in dataset.samples] == groups
    plain = open_dataset(data)
    assert plain.samples[0].group == "from the file"
    assert (dataset.kinds, dataset.channels, dataset.root) == (
        plain.kinds,
        plain.channels,
        plain.root,
    )


def test_any_layout(tmp_path: Path) -> None:
    for number in (10, 20, 900, 910):
        path = tmp_path / f"MT_Free/Imgs/exp1_num_{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), np.full((8, 8), 90, np.uint8))
    dataset = open_dataset(tmp_path, "magnetic_tile", groups=r"num_\d*(\d)0\.jpg")
    assert [s.group for s in dataset.samples] == ["1", "2", "0", "1"]


def test_split_follows_the_pattern(data: Path) -> None:
    for seed in range(10):
        parts = split(open_dataset(data, groups=r"part(\d+)"), 0.3, seed)
        assert [s.group for s in parts.validation] in (["08"], ["07"] * 3, [])
        assert not {s.group for s in parts.train} & {s.group for s in parts.validation}


@pytest.mark.parametrize(
    ("pattern", "says"),
    [
        ("(part", r"groups '\(part': is no regular expression: missing \)"),
        (r"part\d+", "has no group; expected parentheses around the part"),
        (r"line2/(part\d+)", "images/line3/part07_a.png: groups .* finds no part in this name"),
        (r"part\d+(_b)?", "images/line2/part07_a.png: groups .* finds no part in this name"),
        (r"part(x*)", "images/line2/part07_a.png: groups .* finds no part in this name"),
    ],
)
def test_errors(data: Path, pattern: str, says: str) -> None:
    with pytest.raises(DataError, match=says) as caught:
        open_dataset(data, groups=pattern)
    assert "\n" not in str(caught.value)
