"""Features of cells of good parts, and of cells with a synthetic defect.

A limited number of cells is drawn from every picture, so that memory does not grow with their
number.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from models.augmentation.synthetic_defects import add_defect
from models.data.dataset import Pixels
from models.methods.memory_bank.network import MemoryBankDetector, cells
from models.networks import normalise
from models.training.patches import Picture

WINDOW_PX = 512  # side of the window for synthetic defects, which take 0.3 s per million pixels
DEFECTIVE_SHARE = 0.15  # share of defect pixels from which on a cell counts as defective
MOST_DEFECTS = 3  # most synthetic defects in one picture
SIDE_PX = 32  # least side of a picture for a synthetic defect


@dataclass(frozen=True, slots=True)
class Surface:
    """Cells of a surface.

    features: float32 N×FEATURES. defective: float32 N, 1 for a visible synthetic defect.
    """

    features: Tensor
    defective: Tensor

    @property
    def good(self) -> Tensor:
        return self.features[self.defective == 0]

    @property
    def bad(self) -> Tensor:
        return self.features[self.defective > 0]


@torch.no_grad()
def collect_cells(
    network: MemoryBankDetector,
    pictures: tuple[Picture, ...],
    *,
    synthetic_pictures: int,
    most_cells: int,
    seed: int,
) -> Surface:
    """Return cells of all pictures, and of ``synthetic_pictures`` copies with synthetic defects.

    Copies take the pictures in turn. There are at most ``most_cells`` sound cells and as many
    defective ones. Blocks for minutes. Equal seeds give equal cells.
    """
    rng = np.random.default_rng([seed, 28])
    turns = rng.permutation(len(pictures))
    quota = max(1, most_cells // (len(pictures) + synthetic_pictures))
    chosen_features: list[Tensor] = []
    marks: list[Tensor] = []
    for pixels, kind_map in _views(pictures, turns, synthetic_pictures, rng):
        features, share = _cells(network, pixels, kind_map)
        around = functional.max_pool2d(share[None], 3, 1, 1)[0].flatten()
        share = share.flatten()
        for mark, chosen in ((0.0, around == 0), (1.0, share >= DEFECTIVE_SHARE)):
            places = torch.nonzero(chosen)[:, 0]
            taken = places[torch.from_numpy(rng.permutation(len(places))[:quota])]
            chosen_features.append(features[taken])
            marks.append(torch.full((len(taken),), mark))
    return Surface(torch.cat(chosen_features), torch.cat(marks))


def _views(
    pictures: tuple[Picture, ...],
    turns: npt.NDArray[np.int64],
    synthetic_pictures: int,
    rng: np.random.Generator,
) -> Iterator[tuple[Pixels, Pixels]]:
    """Yield pixels and kind map of each picture, then of copies with synthetic defects."""
    for picture in pictures:
        yield picture.pixels, picture.kind_map
    large_enough = [i for i in turns.tolist() if min(pictures[i].kind_map.shape) >= SIDE_PX]
    for number in range(synthetic_pictures if large_enough else 0):
        picture = pictures[large_enough[number % len(large_enough)]]
        pixels, kind_map = picture.pixels.copy(), picture.kind_map.copy()
        window = _window(picture, rng)
        for _ in range(int(rng.integers(1, MOST_DEFECTS + 1))):
            pixels[window], kind_map[window] = add_defect(pixels[window], kind_map[window], rng)
        yield pixels, kind_map


def _window(picture: Picture, rng: np.random.Generator) -> tuple[slice, slice]:
    """Return the window for synthetic defects; the network takes the whole picture."""
    starts = [int(rng.integers(0, max(side - WINDOW_PX, 0) + 1)) for side in picture.kind_map.shape]
    return slice(starts[0], starts[0] + WINDOW_PX), slice(starts[1], starts[1] + WINDOW_PX)


def _cells(network: MemoryBankDetector, pixels: Pixels, kind_map: Pixels) -> tuple[Tensor, Tensor]:
    """Return the features of every cell, and its share of defect pixels, 1×rows×cols."""
    marked = _reflected(kind_map, network.multiple_px) > 0
    share = functional.avg_pool2d(torch.from_numpy(marked)[None].float(), network.stride_px)
    return cells(network.taps(planes(pixels, network.multiple_px))), share


def planes(pixels: Pixels, multiple_px: int) -> Tensor:
    """Convert pixels, uint8 H×W or H×W×3, to the input of a network: 1×C×h×w, normalised.

    They are reflected up to the multiple, as on a station.
    """
    whole = _reflected(pixels, multiple_px)
    stacked = whole[None, None] if whole.ndim == 2 else whole.transpose(2, 0, 1)[None]
    return normalise(torch.from_numpy(np.ascontiguousarray(stacked)))


def _reflected(pixels: Pixels, multiple_px: int) -> Pixels:
    pad = [(0, -side % multiple_px) for side in pixels.shape[:2]]
    return np.pad(pixels, pad + [(0, 0)] * (pixels.ndim - 2), mode="reflect")
