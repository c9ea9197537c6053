"""Faults of a data folder: all of them are listed at once."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from models.data.dataset import DataError
from models.data.layouts import open_dataset
from tests.support.folders import encoded, images, mask, picture, put


def test_all_faults_are_reported_at_once(tmp_path: Path) -> None:
    images(tmp_path, 4)
    put(tmp_path / "images/001.png", b"")
    put(tmp_path / "images/002.png", b"\xff\xd8\xff")
    put(tmp_path / "images/003.png", picture().astype(np.uint16) * 256)
    put(tmp_path / "masks/scratch/000.png", b"")
    put(tmp_path / "masks/scratch/009.png", mask())
    with pytest.raises(DataError) as caught:
        open_dataset(tmp_path)
    first, *lines = str(caught.value).replace(str(tmp_path), "ROOT").splitlines()
    assert first == "ROOT: 5 things to put right"
    assert [line.split(":")[0].strip() for line in lines] == [
        "ROOT/masks/scratch/009.png",
        "ROOT/masks/scratch/000.png",
        "ROOT/images/001.png",
        "ROOT/images/002.png",
        "ROOT/images/003.png",
    ]


def test_many_faults_are_counted(tmp_path: Path) -> None:
    images(tmp_path, 50)
    for path in sorted((tmp_path / "images").iterdir())[:45]:
        path.write_bytes(b"")
    with pytest.raises(DataError) as caught:
        open_dataset(tmp_path).verify()
    lines = str(caught.value).splitlines()
    assert (lines[0], len(lines)) == (f"{tmp_path}: 45 things to put right", 42)
    assert lines[-1] == "  and 5 more"


def test_what_went_away_between_two_readings(tmp_path: Path) -> None:
    images(tmp_path, 2)
    found = open_dataset(tmp_path)
    shutil.rmtree(tmp_path / "images")
    assert len(found.faults()) == 2


def test_a_published_set_names_every_damaged_file_too(tmp_path: Path) -> None:
    for part in range(4):
        put(tmp_path / f"kos01/Part{part}.jpg", picture())
        put(tmp_path / f"kos01/Part{part}_label.bmp", mask())
    for name in ("Part1.jpg", "Part2_label.bmp", "Part3_label.bmp"):
        put(tmp_path / "kos01" / name, b"")
    with pytest.raises(DataError) as caught:
        open_dataset(tmp_path)
    assert sorted(str(caught.value).splitlines()[1:]) == [
        f"  {tmp_path}/kos01/{name}: is empty"
        for name in ("Part1.jpg", "Part2_label.bmp", "Part3_label.bmp")
    ]


@pytest.mark.parametrize("suffix", [".webp", ".pnm", ".ppm", ".PNG", ".JPG", ".tiff", ".pgm"])
def test_every_form_that_the_line_reads_is_trained_on(tmp_path: Path, suffix: str) -> None:
    images(tmp_path, 2)
    pixels = picture() if suffix == ".pgm" else np.dstack([picture()] * 3)
    put(tmp_path / f"images/a{suffix}", pixels)
    put(tmp_path / "masks/scratch/a.webp", encoded(".webp", np.dstack([mask()] * 3)))
    found = open_dataset(tmp_path)
    found.verify()
    assert {s.name: s.kinds for s in found.samples}[f"images/a{suffix}"] == ("scratch",)
