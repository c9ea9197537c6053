"""A data set with drawn defects, from pictures of good parts alone, in the layout of MVTec AD.

    python -m bench.drawn_defects --data FOLDER --out build/drawn/screw
    make benchmark SET=mvtec-ad DATA=build/drawn/screw

It serves to choose between methods where no real defect is at hand. A quarter of the pictures is
held back for the test side, once as it is and once with one drawn defect. Each defect is a push of
the edge, a turned patch, a scratch or a dent, at a random place of the part. The programs that draw
synthetic defects in training (models/augmentation) have no part in it.

Drawn defects rank methods roughly only: they differ from real ones in kind and in size.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import numpy.typing as npt
import typer
from rich.console import Console

from edge.chain.align import difference_from_ground, outline_of
from models.data.dataset import DataError, Pixels, as_channels, files_in, read_pixels

TEST_SHARE = 0.25
USUAL_PX = 512  # longest side for which the sizes below are; they grow with the picture
CONTRAST = 40.0  # grey levels between a part and its plain ground
MOST_AREA = 0.6  # of the picture; a larger region is not a part on a ground
VISIBLE = 4  # grey levels; pixels that change less are not in the mask
CLEAR = 25  # grey levels by which CLEAR_PX pixels change at least; a fainter defect is drawn again
CLEAR_PX = 12  # of a picture with USUAL_PX a side
TRIES = 50

_Place = tuple[int, int]
_Draw = Callable[[Pixels, _Place, float, np.random.Generator], Pixels]


def push(pixels: Pixels, at: _Place, scale: float, rng: np.random.Generator) -> Pixels:
    """Return the picture with the surroundings of a place moved by 6 to 12 px."""
    angle = rng.uniform(0, 2 * np.pi)
    amount, radius = rng.uniform(6, 12) * scale, rng.uniform(7, 14) * scale
    rows, cols = (each.astype(np.float32) for each in np.indices(pixels.shape[:2]))
    bump = np.exp(-((rows - at[0]) ** 2 + (cols - at[1]) ** 2) / (2 * radius**2))
    moved = cv2.remap(
        pixels,
        (cols - bump * amount * np.cos(angle)).astype(np.float32),
        (rows - bump * amount * np.sin(angle)).astype(np.float32),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT,
    )
    return np.asarray(moved, np.uint8)


def patch(pixels: Pixels, at: _Place, scale: float, rng: np.random.Generator) -> Pixels:
    """Return the picture with a disc of 18 to 32 px replaced by a turned disc from its vicinity."""
    radius = int(rng.uniform(9, 16) * scale)
    rows, cols = pixels.shape[:2]
    if min(rows, cols) < 4 * radius + 2:
        return pixels
    source = np.array(at) + rng.uniform(-4 * radius, 4 * radius, 2)
    top, left = (
        int(np.clip(at[i] - radius, 0, side - 2 * radius - 1))
        for i, side in enumerate((rows, cols))
    )
    high, near = (
        int(np.clip(source[i] - radius, 0, side - 2 * radius - 1))
        for i, side in enumerate((rows, cols))
    )
    side = 2 * radius + 1
    turned = np.rot90(pixels[high : high + side, near : near + side], 1 + 2 * int(rng.integers(2)))
    down, right = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    share = np.clip((radius - np.hypot(down, right)) / 2 + 0.5, 0, 1)
    share = share if pixels.ndim == 2 else share[:, :, None]
    changed = pixels.copy()
    target = changed[top : top + side, left : left + side]
    target[...] = (share * turned + (1 - share) * target).astype(np.uint8)
    return changed


def scratch(pixels: Pixels, at: _Place, scale: float, rng: np.random.Generator) -> Pixels:
    """Return the picture with a line of 20 to 50 px, 40 to 80 grey levels darker or brighter."""
    length, angle = rng.uniform(20, 50) * scale, rng.uniform(0, np.pi)
    level = rng.uniform(40, 80) * rng.choice([-1, 1])
    steps = np.linspace(-0.5, 0.5, 6)[:, None] * length
    line = np.array(at)[::-1] + steps * [np.cos(angle), np.sin(angle)] + rng.normal(0, 1, (6, 2))
    layer = np.zeros(pixels.shape[:2], np.float32)
    width = max(1, round(rng.integers(2, 4) * scale))
    cv2.polylines(layer, [np.int32(np.round(line))], False, (1.0,), width, cv2.LINE_AA)  # type: ignore[list-item]
    return _added(pixels, cv2.GaussianBlur(layer, (3, 3), 0.7) * level)


def dent(pixels: Pixels, at: _Place, scale: float, rng: np.random.Generator) -> Pixels:
    """Return the picture with a spot of 8 to 18 px, 35 to 70 grey levels darker or brighter."""
    radius, level = rng.uniform(4, 9) * scale, rng.uniform(35, 70) * rng.choice([-1, 1])
    flat = radius * rng.uniform(0.5, 1)
    rows, cols = np.indices(pixels.shape[:2])
    spot = np.exp(-(((rows - at[0]) / radius) ** 2 + ((cols - at[1]) / flat) ** 2))
    return _added(pixels, spot * level)


KINDS: dict[str, _Draw] = {"push": push, "patch": patch, "scratch": scratch, "dent": dent}
ON_EDGE = ("push", "patch")


def draw_defect(
    pixels: Pixels, kind: str, rng: np.random.Generator
) -> tuple[Pixels, npt.NDArray[np.uint8]]:
    """Return the picture with one defect, and its mask: uint8 H×W, 255 where it is visible.

    pixels: uint8 H×W or H×W×3. Defects lie on the part where the picture shows one on a plain
    ground, and anywhere otherwise. A push of the soft shadow beside a part is hardly visible; it is
    drawn again. Raises DataError where no defect of the kind is clearly visible.
    """
    on_part = _part_of(as_channels(pixels, 1))
    square = np.ones((3, 3), np.uint8)
    places = (
        cv2.morphologyEx(on_part, cv2.MORPH_GRADIENT, square)
        if kind in ON_EDGE
        else cv2.erode(on_part, np.ones((7, 7), np.uint8))
    )
    rows, cols = np.nonzero(places if places.any() else np.ones_like(places))
    scale = max(pixels.shape[:2]) / USUAL_PX
    for _ in range(TRIES):
        i = int(rng.integers(len(rows)))
        changed = KINDS[kind](pixels, (int(rows[i]), int(cols[i])), scale, rng)
        difference = cv2.absdiff(as_channels(changed, 1), as_channels(pixels, 1))
        if np.count_nonzero(difference >= CLEAR) >= CLEAR_PX * scale**2:
            return changed, np.where(difference >= VISIBLE, 255, 0).astype(np.uint8)
    raise DataError(f"no defect of kind {kind} is clearly visible after {TRIES} tries")


def write_set(data: Path, out: Path, seed: int) -> int:
    """Write the data set, and return the number of test pictures. Raises DataError."""
    if out.exists() and any(out.iterdir()):
        raise DataError(f"{out}: is not empty; name another folder or delete it")
    paths = files_in(data) if data.is_dir() else []
    count = round(TEST_SHARE * len(paths))
    if count < len(KINDS):
        raise DataError(f"{data}: has {len(paths)} pictures; expected 16 or more of good parts")
    rng = np.random.default_rng(seed)
    order = [paths[i] for i in rng.permutation(len(paths))]
    for folder in ("train/good", "test/good"):
        (out / folder).mkdir(parents=True)
    for path in order[count:]:
        (out / "train/good" / path.name).symlink_to(path.resolve())
    for number, path in enumerate(order[:count]):
        (out / "test/good" / path.name).symlink_to(path.resolve())
        kind = tuple(KINDS)[number % len(KINDS)]
        pixels, mask = draw_defect(read_pixels(path), kind, rng)
        _write(out / "test" / kind / f"{path.stem}.png", pixels)
        _write(out / "ground_truth" / kind / f"{path.stem}_mask.png", mask)
    return 2 * count


def _write(path: Path, pixels: Pixels) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if not cv2.imwrite(str(path), pixels):
        raise DataError(f"{path}: cannot be written")


def _part_of(grey: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Return a mask of the part: uint8 H×W, 1 on it; of the whole picture without a ground.

    The region that differs from the ground includes a soft shadow. Otsu's limit within it
    separates the part from the shadow.
    """
    everything = np.ones_like(grey)
    difference, _ = difference_from_ground(grey)
    region = _filled(difference, CONTRAST)
    if not region.any() or region.mean() > MOST_AREA:
        return everything
    limit, _ = cv2.threshold(difference[region > 0], 0, 1, cv2.THRESH_OTSU)
    mask = _filled(difference, max(limit, CONTRAST))
    rim = np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]])
    if rim.any() or not mask.any():
        return everything
    size = grey.shape[1], grey.shape[0]
    return np.asarray(cv2.resize(mask, size, interpolation=cv2.INTER_NEAREST), np.uint8)


def _filled(difference: npt.NDArray[np.uint8], contrast: float) -> npt.NDArray[np.uint8]:
    """Return the largest region that differs from the ground, filled: uint8 h×w, 0 or 1."""
    mask = np.zeros(difference.shape, np.uint8)
    outline = outline_of(difference, contrast)
    if outline is not None:
        cv2.drawContours(mask, [outline], -1, 1, cv2.FILLED)
    return mask


def _added(pixels: Pixels, levels: npt.NDArray[np.floating]) -> Pixels:
    levels = levels if pixels.ndim == 2 else levels[:, :, None]
    return np.clip(pixels + levels, 0, 255).astype(np.uint8)


def main(
    data: Annotated[Path, typer.Option(help="Folder of pictures of good parts.")],
    out: Annotated[Path, typer.Option(help="Folder for the data set; empty or new.")],
    seed: Annotated[int, typer.Option(min=0, help="Seed of the division and the defects.")] = 0,
) -> None:
    """Write a data set with drawn defects in the layout of MVTec AD."""
    try:
        count = write_set(data, out, seed)
    except (DataError, OSError) as error:
        Console(stderr=True).print(
            f"drawn_defects: {str(error).splitlines()[0]}", highlight=False, soft_wrap=True
        )
        sys.exit(1)
    Console().print(f"{out}: {count} test pictures", highlight=False, soft_wrap=True)


if __name__ == "__main__":
    typer.run(main)
