"""The commands that complaints about pictures name: pasted into a shell, they put it right."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.data_folder import read_drawn, read_folder, remarks, unrecognised
from edge.errors import FrameError
from edge.images import read_image
from tests.support.folders import encoded, images, mask, picture, put, turned

magick = pytest.mark.skipif(
    shutil.which("mogrify") is None, reason="ImageMagick is not installed: apt install imagemagick"
)
exiftool = pytest.mark.skipif(
    shutil.which("exiftool") is None, reason="exiftool is not installed: apt install exiftool"
)
NAME = "it's a part.jpg"  # to be quoted


def run(line: str, pattern: str, folder: Path) -> None:
    """Run what a pattern finds in a line."""
    found = re.search(pattern, line)
    assert found is not None, line
    subprocess.run(found[1], shell=True, check=True, cwd=folder)


@magick
def test_turning_the_pixels(tmp_path: Path) -> None:
    path = put(tmp_path / NAME, turned(".jpg", 6))
    (line,) = remarks(path)
    run(line, r"(mogrify -auto-orient .*?) \(ImageMagick\)", tmp_path)
    assert remarks(path) == ()
    assert read_image(path).shape == (50, 40)


@exiftool
def test_keeping_the_pixels(tmp_path: Path) -> None:
    path = put(tmp_path / NAME, turned(".jpg", 6))
    before = read_image(path)
    (line,) = remarks(path)
    run(line, r"(exiftool .*)$", tmp_path)
    assert remarks(path) == ()
    assert np.array_equal(read_image(path), before)


@magick
def test_a_mask_out_of_the_alpha_channel(tmp_path: Path) -> None:
    pixels = np.dstack([picture(), picture(), picture(), mask()])
    path = put(tmp_path / "a b.png", pixels)
    (line,) = remarks(path)
    run(line, r"(convert .*?) \(ImageMagick\)", tmp_path)
    run(line, r"(mogrify -alpha off .*)$", tmp_path)
    assert remarks(path) == ()
    assert np.array_equal(read_image(path), pixels[:, :, :3])
    assert np.array_equal(read_image(tmp_path / "MASK.png"), mask())


@magick
@pytest.mark.parametrize(("bits", "factor"), [(12, 16), (10, 64), (16, 1)])
def test_sixteen_bits(tmp_path: Path, bits: int, factor: int) -> None:
    full = np.linspace(0, 2**bits - 1, 2000).astype(np.uint16).reshape(40, 50)
    path = put(tmp_path / "deep.png", full)
    with pytest.raises(FrameError) as caught:
        read_image(path)
    out = tmp_path / "out"
    out.mkdir()
    command = re.search(r"(mogrify .*?) \(ImageMagick\)", str(caught.value))
    assert command is not None
    shell = command[1].replace("OUT", str(out)).replace("FILES", str(path))
    subprocess.run(shell, shell=True, check=True)
    found = read_image(out / "deep.png").astype(int)
    assert np.abs(found - full.astype(int) * factor / 257).max() <= 1


@magick
def test_pages(tmp_path: Path) -> None:
    pages = [picture(), picture()]
    cv2.imwritemulti(str(tmp_path / "a.tif"), pages)
    with pytest.raises(FrameError) as caught:
        read_image(tmp_path / "a.tif")
    line = str(caught.value).replace("FILE", str(tmp_path / "a.tif"))
    run(line, r"(convert .*?) \(ImageMagick\)", tmp_path)
    assert np.array_equal(read_image(tmp_path / "PAGE-1.png"), pages[1])


@magick
@pytest.mark.parametrize("where", ["inverted", "alpha"])
def test_masks(tmp_path: Path, where: str) -> None:
    images(tmp_path, 2)
    black = mask(0)
    drawn = 255 - mask() if where == "inverted" else np.dstack([black, black, black, mask()])
    path = put(tmp_path / "masks/my kind/000.png", drawn)
    (line,) = read_drawn(read_folder(tmp_path)).faults
    run(line, r"((?:mogrify|convert) .*?) \(ImageMagick\)", tmp_path)
    found = read_drawn(read_folder(tmp_path))
    assert (found.faults, list(found.kinds.values())) == ((), ["my kind"])
    assert np.array_equal(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE), mask())


def test_renaming(tmp_path: Path) -> None:
    root = tmp_path / "my data"
    images(root, 2, "img")
    put(root / "mask/000.png", mask())
    line = unrecognised(read_folder(root))
    for command in re.findall(r"mv .*?(?= and |;)", line):
        subprocess.run(command, shell=True, check=True)
    assert read_folder(root).layout == "generic"
    assert encoded(".png", mask()) == (root / "masks/000.png").read_bytes()
