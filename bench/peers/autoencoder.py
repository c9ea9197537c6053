"""A plain autoencoder deployment: PyTorch, reconstruction error, a threshold and SQLite.

It follows a practical text on anomaly detection (its sections 2.2 and 3.2). Five strided
convolutions lead to 512 channels, and their mirror back. Pictures have 224×224 px. The mean squared
error is compared with a percentile of good parts. Each frame opens a database connection. Here the
weights are random, and the threshold is a constant.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.networks import mmac

SIDE_PX = 224
WIDTHS = (32, 64, 128, 256, 512)
_TABLE = (
    "CREATE TABLE IF NOT EXISTS results (id INTEGER PRIMARY KEY AUTOINCREMENT, timestamp TIMESTAMP "
    "DEFAULT CURRENT_TIMESTAMP, is_defective BOOLEAN, recon_error REAL, confidence REAL)"
)
_INSERT = "INSERT INTO results (is_defective, recon_error, confidence) VALUES (?, ?, ?)"


class PeerAutoencoder(nn.Module):
    """A network that reconstructs N×C×224×224 float32 in [0, 1] from 512 channels of 7×7."""

    def __init__(self, channels: int = 1) -> None:
        super().__init__()
        widths = (channels, *WIDTHS)
        down: list[nn.Module] = []
        up: list[nn.Module] = []
        for layer, (wide, deep) in enumerate(pairwise(widths)):
            down += [nn.Conv2d(wide, deep, 4, 2, 1), *_follow(deep, normalised=layer in (1, 2, 3))]
            last = [nn.Sigmoid()] if layer == 0 else _follow(wide, normalised=layer > 1)
            up = [nn.ConvTranspose2d(deep, wide, 4, 2, 1), *last, *up]
        self.encoder, self.decoder = nn.Sequential(*down), nn.Sequential(*up)

    def forward(self, x: Tensor) -> Tensor:
        return self.decoder(self.encoder(x))  # type: ignore[no-any-return]

    def mmac(self, channels: int = 1) -> float:
        """Return the million multiply-accumulates of a picture.

        Encoder and decoder cost the same.
        """
        return 2 * mmac(self.encoder, channels, SIDE_PX)


class Deployment:
    """The deployment of that text: it inspects a frame and stores the result.

    The text resizes by Pillow through torchvision, this class by OpenCV, which is faster. It uses
    one thread and blocks until the row is on disk.
    """

    def __init__(self, database: Path, channels: int = 1, threshold: float = 0.1) -> None:
        self.network = PeerAutoencoder(channels).eval()
        self._loss = nn.MSELoss()
        self._database, self._threshold = database, threshold
        with closing(sqlite3.connect(database)) as connection, connection:
            connection.execute(_TABLE)

    def inspect(self, pixels: NDArray[np.uint8]) -> bool:
        """Return whether the frame (uint8, H×W or H×W×C) is defective, and store a row."""
        small = cv2.resize(pixels, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_LINEAR)
        planes = torch.from_numpy(small.reshape(1, SIDE_PX, SIDE_PX, -1)).permute(0, 3, 1, 2)
        with torch.no_grad():
            picture = planes.float().div(255)
            error = float(self._loss(self.network(picture), picture).item())
        defective = error > self._threshold
        confidence = min(error / self._threshold, 2.0)
        with closing(sqlite3.connect(self._database)) as connection, connection:
            connection.execute(_INSERT, (defective, error, confidence))
        return defective


def _follow(channels: int, *, normalised: bool) -> list[nn.Module]:
    return [*([nn.BatchNorm2d(channels)] if normalised else []), nn.ReLU(inplace=True)]
