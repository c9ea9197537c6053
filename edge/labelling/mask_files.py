"""Masks of the label page on the disk: reading as training does, and writing as PNG."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.images import read_image
from edge.labelling.errors import LabelPageError

_ON = 127  # as in training: masks with soft edges count from here


def mask_bytes(path: Path) -> bytes:
    """Return the content of a mask, b"none" where there is no file. Raises LabelPageError."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b"none"
    except OSError as error:
        raise LabelPageError(f"{path}: cannot be read: {error.strerror}") from error


def read_mask(path: Path, height: int, width: int) -> NDArray[np.bool_]:
    """Return where a mask is drawn, as training reads it: bool height×width.

    Blocks on the disk. Raises OutfeedError.
    """
    pixels = read_image(path)
    grey = pixels.max(axis=2) if pixels.ndim == 3 else pixels
    if grey.shape != (height, width):
        raise LabelPageError(
            f"{path}: the mask is {grey.shape[1]}×{grey.shape[0]} px and its picture "
            f"{width}×{height}; expected the same size"
        )
    return np.asarray(grey > (_ON if grey.max(initial=0) > _ON else 0))


def mask_png(mask: NDArray[np.bool_]) -> bytes:
    """Return a mask, bool H×W, as PNG with 0 and 255."""
    fine, data = cv2.imencode(".png", mask.astype(np.uint8) * 255)
    if not fine:
        raise LabelPageError("a mask could not be written as PNG")
    return data.tobytes()
