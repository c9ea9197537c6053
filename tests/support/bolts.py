"""Pictures of a bolt on a plain ground, in any pose: a part with a long axis and a heavier end."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

GROUND, BODY, MARK = 200, 80, 250
HEAD_PX, LENGTH_PX = 40, 140  # width of the head, length of the bolt


def draw_bolt(
    angle_deg: float = 0.0,
    *,
    centre: tuple[float, float] = (128.0, 128.0),
    size: tuple[int, int] = (256, 256),
    mark_px: float | None = None,
    has_head: bool = True,
    noise_seed: int | None = None,
) -> npt.NDArray[np.uint8]:
    """Return a grey picture, uint8 height×width, of a bolt with its head to the left at 0 degrees.

    angle_deg: rotation, anticlockwise as displayed. centre: x and y in px. mark_px: place of a
    bright mark of 6 px along the bolt, from its middle towards the tip. noise_seed: adds noise of 2
    grey levels.
    """
    upright = np.full((512, 512), GROUND, np.uint8)
    half = LENGTH_PX // 2
    cv2.rectangle(upright, (256 - half, 250), (256 + half, 262), BODY, -1)
    if has_head:
        cv2.rectangle(
            upright,
            (256 - half, 256 - HEAD_PX // 2),
            (256 - half + 16, 256 + HEAD_PX // 2),
            BODY,
            -1,
        )
    if mark_px is not None:
        x = 256 + round(mark_px)
        cv2.rectangle(upright, (x - 3, 253), (x + 3, 259), MARK, -1)
    matrix = cv2.getRotationMatrix2D((256.0, 256.0), angle_deg, 1.0)
    matrix[:, 2] += np.array(centre) - 256.0
    drawn = cv2.warpAffine(upright, matrix, size[::-1], flags=cv2.INTER_LINEAR, borderValue=GROUND)
    if noise_seed is not None:
        noise = np.random.default_rng(noise_seed).normal(0, 2, drawn.shape)
        drawn = np.clip(drawn + noise, 0, 255).astype(np.uint8)
    return np.asarray(drawn, np.uint8)


def scatter(folder: Path, count: int, *, mark: bool = False, seed: int = 0) -> None:
    """Write pictures of bolts in random poses. mark: with a bright mark on each."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        angle, x, y = rng.uniform([-180, 100, 100], [180, 156, 156]).tolist()
        place = float(rng.uniform(-30, 50)) if mark else None
        pixels = draw_bolt(angle, centre=(x, y), mark_px=place, noise_seed=number)
        cv2.imwrite(str(folder / f"{number:03d}.png"), pixels)
