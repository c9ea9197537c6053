"""A video of pictures with and without a defect."""

from __future__ import annotations

from pathlib import Path

import cv2

from tests.support.bundles import BLOCK_PX, picture


def video(path: Path, frames: int) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25.0, (128, 96))
    for number in range(frames):
        spot = (16, 16, 16 + BLOCK_PX // 2, 48, 0) if number % 2 else (0, 0, 0, 0, 0)
        writer.write(cv2.cvtColor(picture(spot), cv2.COLOR_GRAY2BGR))
    writer.release()
    return path
