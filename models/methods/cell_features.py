"""What the cells of good parts look like to a network, and those with a painted flaw.

Of every picture a few cells are drawn, so memory does not grow with the number of pictures.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from models.augmentation.synthetic_defects import paint_flaw
from models.data.dataset import Pixels
from models.methods.memory_bank.network import MemoryBankDetector, cells
from models.networks import normalise
from models.training.patches import Picture

WINDOW_PX = 512  # of a larger picture a window is painted: painting takes 0.3 s per million pixels
FLAWED_SHARE = 0.15  # of a cell's pixels, from which on it counts as flawed
MOST_FLAWS = 3  # in one painted picture
SIDE_PX = 32  # the least that can be painted


@dataclass(frozen=True, slots=True)
class Surface:
    """features: N×FEATURES float32. flawed: N float32, 1 where a painted flaw is seen."""

    features: Tensor
    flawed: Tensor

    @property
    def good(self) -> Tensor:
        return self.features[self.flawed == 0]

    @property
    def bad(self) -> Tensor:
        return self.features[self.flawed > 0]


@torch.no_grad()
def look(
    network: MemoryBankDetector,
    pictures: tuple[Picture, ...],
    *,
    paintings: int,
    most_cells: int,
    seed: int,
) -> Surface:
    """Cells of all pictures as they are, and of ``paintings`` painted copies, in turn over the
    pictures. At most ``most_cells`` sound ones and as many flawed. Blocks for minutes;
    deterministic by seed."""
    rng = np.random.default_rng([seed, 28])
    turns = rng.permutation(len(pictures))
    quota = max(1, most_cells // (len(pictures) + paintings))
    found: list[Tensor] = []
    marks: list[Tensor] = []
    for pixels, kind_map in _views(pictures, turns, paintings, rng):
        features, share = _cells(network, pixels, kind_map)
        around = functional.max_pool2d(share[None], 3, 1, 1)[0].flatten()
        share = share.flatten()
        for mark, chosen in ((0.0, around == 0), (1.0, share >= FLAWED_SHARE)):
            places = torch.nonzero(chosen)[:, 0]
            taken = places[torch.from_numpy(rng.permutation(len(places))[:quota])]
            found.append(features[taken])
            marks.append(torch.full((len(taken),), mark))
    return Surface(torch.cat(found), torch.cat(marks))


def _views(
    pictures: tuple[Picture, ...],
    turns: npt.NDArray[np.int64],
    paintings: int,
    rng: np.random.Generator,
) -> Iterator[tuple[Pixels, Pixels]]:
    """Each picture, then painted ones: pixels, and a map that is 0 on the sound surface."""
    for picture in pictures:
        yield picture.pixels, picture.kind_map
    paintable = [i for i in turns.tolist() if min(pictures[i].kind_map.shape) >= SIDE_PX]
    for number in range(paintings if paintable else 0):
        picture = pictures[paintable[number % len(paintable)]]
        pixels, kind_map = picture.pixels.copy(), picture.kind_map.copy()
        window = _window(picture, rng)
        for _ in range(int(rng.integers(1, MOST_FLAWS + 1))):
            pixels[window], kind_map[window] = paint_flaw(pixels[window], kind_map[window], rng)
        yield pixels, kind_map


def _window(picture: Picture, rng: np.random.Generator) -> tuple[slice, slice]:
    """Where flaws are painted; the network sees the picture whole, or the cut would be a rim."""
    starts = [int(rng.integers(0, max(side - WINDOW_PX, 0) + 1)) for side in picture.kind_map.shape]
    return slice(starts[0], starts[0] + WINDOW_PX), slice(starts[1], starts[1] + WINDOW_PX)


def _cells(network: MemoryBankDetector, pixels: Pixels, kind_map: Pixels) -> tuple[Tensor, Tensor]:
    """Features of every cell, and by 1×rows×cols the share of it that is marked."""
    marked = _reflected(kind_map, network.multiple_px) > 0
    share = functional.avg_pool2d(torch.from_numpy(marked)[None].float(), network.stride_px)
    return cells(network.taps(planes(pixels, network.multiple_px))), share


def planes(pixels: Pixels, multiple_px: int) -> Tensor:
    """uint8 H×W or H×W×3 → what a network takes, 1×C×h×w: normalised, reflected up to the multiple
    as a station does it."""
    whole = _reflected(pixels, multiple_px)
    stacked = whole[None, None] if whole.ndim == 2 else whole.transpose(2, 0, 1)[None]
    return normalise(torch.from_numpy(np.ascontiguousarray(stacked)))


def _reflected(pixels: Pixels, multiple_px: int) -> Pixels:
    pad = [(0, -side % multiple_px) for side in pixels.shape[:2]]
    return np.pad(pixels, pad + [(0, 0)] * (pixels.ndim - 2), mode="reflect")
