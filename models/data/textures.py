"""Generated specimens of parts: texture, defect, light and sensor, with exact masks and kinds.

They resemble DAGM 2007. `python -m models.data.textures --out DIR --count N --seed S` writes
them in the generic layout (`models/data/generic.py`).
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt
from rich.progress import track

from models.data.texture_defects import TEXTURE_DEFECTS
from models.data.texture_surfaces import SURFACES, Field, smooth

Pixels: TypeAlias = npt.NDArray[np.uint8]

# Both in alphabetical order, as kinds read from a folder, so that numbers in kind maps agree.
KINDS = tuple(sorted(TEXTURE_DEFECTS))
TEXTURES = tuple(sorted(SURFACES))

# A pixel belongs to the mask if the defect alone, without noise, changes it by 4 grey levels (the
# noise of the sensor has a sigma of 1 to 3) and by a fifth of its greatest change. An inspector
# would not include the outermost pixels of a soft edge.
PERCEPTIBLE_GREY = 4.0
PERCEPTIBLE_SHARE = 0.2
LEAST_MASK_PX = 8

SMALLEST_SIDE_PX = 32
WRITTEN = {"images", "masks"}  # --force replaces these, never a folder that holds other things


@dataclass(frozen=True, slots=True)
class TextureSpecimen:
    """One generated part.

    image: uint8 H×W. kind_map: uint8 H×W, 0 for sound surface, k for KINDS[k - 1]. kind: None for a
    good part. texture: one of TEXTURES.
    """

    image: Pixels
    kind_map: Pixels
    kind: str | None
    texture: str


def specimen(
    seed: int,
    index: int,
    size: tuple[int, int] = (256, 256),
    *,
    defective: float = 0.4,
    texture: str | None = None,
) -> TextureSpecimen:
    """Specimen `index` of the series `seed`. It does not depend on the other specimens.

    size: height and width in pixels, 32 or more. defective: probability of a defect. texture: one
    of TEXTURES, or None for any. Raises ValueError for a seed or index below 0, a smaller size or
    an unknown texture.
    """
    height, width = size
    if min(size) < SMALLEST_SIDE_PX:
        raise ValueError(f"size is {size}; expected sides of {SMALLEST_SIDE_PX} px or more")
    if texture is not None and texture not in SURFACES:
        raise ValueError(f"texture is {texture!r}; expected one of {', '.join(TEXTURES)}")
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence((seed, index))))
    drawn_texture, is_defective = TEXTURES[rng.integers(len(TEXTURES))], rng.random() < defective
    kind = KINDS[rng.integers(len(KINDS))] if is_defective else None
    chosen = texture or drawn_texture
    surface = _benign(SURFACES[chosen](rng, height, width), rng)
    light = _light(rng, height, width)
    exposed = surface * light
    kind_map = np.zeros((height, width), np.uint8)
    if kind is not None:
        exposed, mask = _with_defect(kind, surface, light, rng)
        kind_map[mask] = KINDS.index(kind) + 1
    return TextureSpecimen(_sensed(exposed, rng), kind_map, kind, chosen)


def _with_defect(
    kind: str, surface: Field, light: Field, rng: np.random.Generator
) -> tuple[Field, npt.NDArray[np.bool_]]:
    """Return the exposed surface with a defect of that kind, and the pixels that it changed
    visibly."""
    clean = np.clip(surface * light, 0.0, 255.0)
    strength = float(rng.beta(1.1, 1.3))
    while True:
        defect = TEXTURE_DEFECTS[kind](rng, surface, strength)
        exposed = np.asarray(defect.surface * light, np.float32)
        if defect.extent is not None:
            mask = defect.extent
        else:
            change = np.abs(np.clip(exposed, 0.0, 255.0) - clean)
            mask = change >= max(PERCEPTIBLE_GREY, PERCEPTIBLE_SHARE * float(change.max()))
        if np.count_nonzero(mask) >= LEAST_MASK_PX:
            return exposed, mask
        strength = min(1.0, strength + 0.2)  # too faint for a defect: draw a plainer one


def _benign(surface: Field, rng: np.random.Generator) -> Field:
    """Add what a good part may show: dust of 1 px, and smudges far fainter than a stain."""
    height, width = surface.shape
    surface += smooth(rng, height, width, 40.0) * np.float32(rng.uniform(0.3, 1.4))
    specks = int(rng.poisson(height * width / 8192))
    rows, cols = rng.integers(height, size=specks), rng.integers(width, size=specks)
    surface[rows, cols] += rng.uniform(-14.0, 14.0, specks).astype(np.float32)
    return surface


def _light(rng: np.random.Generator, height: int, width: int) -> Field:
    """Return the light: exposure, and a decrease to one side and to the corners; 1 is nominal."""
    exposure = rng.uniform(0.85, 1.15)
    tilt_x, tilt_y = rng.uniform(-0.12, 0.12, 2)
    hollow = rng.uniform(0.0, 0.12)
    x = np.linspace(-1.0, 1.0, width, dtype=np.float32)[None, :]
    y = np.linspace(-1.0, 1.0, height, dtype=np.float32)[:, None]
    falloff = tilt_x * x + tilt_y * y - hollow * (x * x + y * y) / 2.0
    return np.asarray(exposure * (1.0 + falloff), np.float32)


def _sensed(exposed: Field, rng: np.random.Generator) -> Pixels:
    """Add sensor noise, of which a part grows with the light, and convert to 8 bits."""
    noise = rng.standard_normal(exposed.shape, dtype=np.float32)
    noise *= np.sqrt(np.clip(exposed, 0.0, 255.0) / np.float32(128.0)) + np.float32(0.3)
    noise *= np.float32(rng.uniform(0.8, 2.2))
    return np.asarray(np.clip(exposed + noise + np.float32(0.5), 0.0, 255.0), np.uint8)


def write(
    folder: Path,
    count: int,
    seed: int,
    *,
    size_px: int = 256,
    defective: float = 0.4,
    texture: str | None = None,
) -> None:
    """Write `count` square specimens to `folder`, which must not exist, in the generic layout.

    They are written beside it and renamed at the end, so a folder of that name is a whole one.
    Raises OSError, and ValueError as `specimen` does.
    """
    partial = folder.with_name(f".{folder.name}.partial-{os.getpid()}")
    try:
        for index in track(range(count), description="Specimens"):
            made = specimen(seed, index, (size_px, size_px), defective=defective, texture=texture)
            _write_png(partial / "images" / f"{index:05d}.png", made.image)
            if made.kind is not None:
                mask = np.where(made.kind_map > 0, np.uint8(255), np.uint8(0))
                _write_png(partial / "masks" / made.kind / f"{index:05d}.png", mask)
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _write_png(path: Path, pixels: Pixels) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(".png", pixels)[1].tobytes())


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m models.data.textures",
        description="Write generated parts with exact masks, in the generic layout.",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write")
    parser.add_argument("--count", type=int, required=True, help="number of specimens")
    parser.add_argument(
        "--seed", type=int, required=True, help="seed; equal seeds give equal pixels"
    )
    parser.add_argument("--size", type=int, default=256, help="side in px (default 256)")
    parser.add_argument(
        "--defective", type=float, default=0.4, help="share of defective parts (default 0.4)"
    )
    parser.add_argument("--texture", choices=TEXTURES, help="one texture (default: all)")
    parser.add_argument("--force", action="store_true", help="replace earlier specimens in DIR")
    options = parser.parse_args(arguments)
    if options.count < 1:
        parser.error(f"--count is {options.count}; expected 1 or more")
    if options.seed < 0:
        parser.error(f"--seed is {options.seed}; expected 0 or more")
    if options.size < SMALLEST_SIDE_PX:
        parser.error(f"--size is {options.size}; expected {SMALLEST_SIDE_PX} or more")
    if not 0.0 <= options.defective <= 1.0:
        parser.error(f"--defective is {options.defective}; expected 0 to 1")
    return options


def main(arguments: list[str] | None = None) -> int:
    """Run the command. Return 0, or 1 if the folder cannot be written, or 2 for wrong usage."""
    options = _parse(arguments)
    folder: Path = options.out.absolute()
    try:
        held = {entry.name for entry in folder.iterdir()} if folder.exists() else set()
        if held - WRITTEN:
            print(f"{options.out}: holds other files; expected a new folder", file=sys.stderr)
            return 2
        if held and not options.force:
            print(f"{options.out}: is not empty; expected a new one, or --force", file=sys.stderr)
            return 2
        folder.parent.mkdir(parents=True, exist_ok=True)
        staged = folder.with_name(f".{folder.name}.new-{os.getpid()}")
        write(
            staged,
            options.count,
            options.seed,
            size_px=options.size,
            defective=options.defective,
            texture=options.texture,
        )
        _replace(folder, staged)
    except OSError as error:
        print(f"{options.out}: cannot be written ({error.strerror})", file=sys.stderr)
        return 1
    return 0


def _replace(folder: Path, staged: Path) -> None:
    """Replace the old folder by the finished one. The old one is deleted last."""
    old = folder.with_name(f".{folder.name}.old-{os.getpid()}")
    if folder.exists():
        folder.rename(old)
    staged.rename(folder)
    if old.is_dir():
        shutil.rmtree(old)


if __name__ == "__main__":
    sys.exit(main())
