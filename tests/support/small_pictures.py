"""Small pictures and masks, and the errors of the folders that hold them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from models.data.dataset import DataError, DataSet, Sample
from models.data.layouts import open_dataset


def put(path: Path, pixels: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(path.suffix, pixels)[1].tobytes())
    return path


def grey(value: int = 100, size: tuple[int, int] = (12, 16)) -> np.ndarray:
    return np.full(size, value, np.uint8)


def square(value: int = 255, rows: slice = slice(2, 5)) -> np.ndarray:
    pixels = grey(0)
    pixels[rows, 3:7] = value
    return pixels


def by_name(dataset: DataSet) -> dict[str, Sample]:
    return {sample.name: sample for sample in dataset.samples}


def message(root: Path, layout: str = "auto") -> str:
    with pytest.raises(DataError) as caught:
        open_dataset(root, layout).verify()
    text = str(caught.value)
    assert "\n" not in text
    return text
