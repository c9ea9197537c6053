"""Features of cells of good parts, and of cells with a synthetic defect.

A limited number of cells is drawn from every picture, so that memory does not grow with their
number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from models.augmentation.synthetic_defects import add_defect
from models.data.dataset import DataError, Pixels, as_channels
from models.networks import DetectorNetwork, normalise
from models.training.device import device_of
from models.training.patches import Picture

WINDOW_PX = 512  # side of the window for synthetic defects, which take 0.3 s per million pixels
STRUCTURE_PX = 128  # side of the window for synthetic defects on edges
DEFECTIVE_SHARE = 0.15  # share of defect pixels from which on a cell counts as defective
MOST_DEFECTS = 3  # most synthetic defects in one picture
SIDE_PX = 32  # least side of a picture for a synthetic defect


class CellNetwork(Protocol):
    """A network that describes each cell of a picture by features."""

    stride_px: int
    multiple_px: int

    def cell_features(self, x: Tensor) -> Tensor:
        """Return the features of the cells of one picture: 1×C×H×W → (rows·cols)×F."""
        ...


@dataclass(frozen=True, slots=True)
class Placement:
    """The choice of sound cells, and of places for synthetic defects.

    rank: returns a value for each row of features; half of the sound cells are those of the highest
    values. None takes all at random. on_structure: place half of the synthetic defects where the
    picture has edges, because parts on a plain ground cover a small share of it.
    """

    rank: Callable[[Tensor], Tensor] | None = None
    on_structure: bool = False


@dataclass(frozen=True, slots=True)
class Surface:
    """Cells of a surface.

    features: float32 N×F. defective: float32 N, 1 for a visible synthetic defect.
    """

    features: Tensor
    defective: Tensor

    @property
    def good(self) -> Tensor:
        return self.features[self.defective == 0]

    @property
    def bad(self) -> Tensor:
        return self.features[self.defective > 0]


def require_defects(surface: Surface) -> None:
    """Raise DataError where no synthetic defect is visible."""
    if not len(surface.bad):
        raise DataError(
            "no synthetic defect is visible on a good part; expected pictures of 32 px a side or "
            "more that are not all black or white"
        )


@torch.no_grad()
def collect_cells(
    network: CellNetwork,
    pictures: tuple[Picture, ...],
    *,
    synthetic_pictures: int,
    most_cells: int,
    seed: int,
    placement: Placement = Placement(),
) -> Surface:
    """Return cells of all pictures, and of ``synthetic_pictures`` copies with synthetic defects.

    Copies take the pictures in turn. There are at most ``most_cells`` sound cells and as many
    defective ones, on the processor. Blocks for minutes. Equal seeds give equal cells.
    """
    rng = np.random.default_rng([seed, 28])
    turns = rng.permutation(len(pictures))
    quota = max(1, most_cells // (len(pictures) + synthetic_pictures))
    # One block of memory: small pieces between the features of whole pictures would fragment it.
    most, used = 2 * quota * (len(pictures) + synthetic_pictures), 0
    stored, marks = torch.empty(0), torch.empty(most)
    for pixels, kind_map in _views(pictures, turns, synthetic_pictures, rng, placement):
        features, share = _cells(network, pixels, kind_map)
        around = functional.max_pool2d(share[None], 3, 1, 1)[0].flatten()
        share = share.flatten()
        for mark, chosen in ((0.0, around == 0), (1.0, share >= DEFECTIVE_SHARE)):
            places = torch.nonzero(chosen)[:, 0]
            first = _highest(features, places, quota // 2, placement) if not mark else places[:0]
            rest = torch.from_numpy(rng.permutation(len(places))[: quota - len(first)])
            taken = torch.cat([first, places[rest]])
            if not len(stored):
                stored = torch.empty(most, features.shape[1])
            rows = slice(used, used + len(taken))
            stored[rows], marks[rows], used = features[taken], mark, rows.stop
    return Surface(stored[:used], marks[:used])


def _highest(features: Tensor, places: Tensor, count: int, placement: Placement) -> Tensor:
    """Return the places whose features rank highest; none without a rank."""
    if placement.rank is None:
        return places[:0]
    values = placement.rank(features[places])
    return places[values.topk(min(count, len(places))).indices]


def _views(
    pictures: tuple[Picture, ...],
    turns: npt.NDArray[np.int64],
    synthetic_pictures: int,
    rng: np.random.Generator,
    placement: Placement,
) -> Iterator[tuple[Pixels, Pixels]]:
    """Yield pixels and kind map of each picture, then of copies with synthetic defects."""
    for picture in pictures:
        yield picture.pixels, picture.kind_map
    large_enough = [i for i in turns.tolist() if min(pictures[i].kind_map.shape) >= SIDE_PX]
    for number in range(synthetic_pictures if large_enough else 0):
        picture = pictures[large_enough[number % len(large_enough)]]
        pixels, kind_map = picture.pixels.copy(), picture.kind_map.copy()
        on_structure = placement.on_structure and number % 2 == 1
        window = _structured_window(picture, rng) if on_structure else _window(picture, rng)
        for _ in range(int(rng.integers(1, MOST_DEFECTS + 1))):
            pixels[window], kind_map[window] = add_defect(pixels[window], kind_map[window], rng)
        yield pixels, kind_map


def _window(picture: Picture, rng: np.random.Generator) -> tuple[slice, slice]:
    """Return the window for synthetic defects; the network takes the whole picture."""
    starts = [int(rng.integers(0, max(side - WINDOW_PX, 0) + 1)) for side in picture.kind_map.shape]
    return slice(starts[0], starts[0] + WINDOW_PX), slice(starts[1], starts[1] + WINDOW_PX)


def _structured_window(picture: Picture, rng: np.random.Generator) -> tuple[slice, slice]:
    """Return a small window around a pixel, which is the likelier the stronger its edges are."""
    grey = as_channels(picture.pixels, 1).astype(np.float32)
    across, down = (cv2.Sobel(grey, cv2.CV_32F, *order) for order in ((1, 0), (0, 1)))
    strength = cv2.blur(np.hypot(across, down), (2 * SIDE_PX + 1, 2 * SIDE_PX + 1)).ravel()
    total = np.cumsum(strength.astype(np.float64))
    place = int(np.searchsorted(total, rng.random() * total[-1])) if total[-1] > 0 else 0
    spot = divmod(min(place, len(total) - 1), grey.shape[1])
    starts = [
        min(max(at - STRUCTURE_PX // 2, 0), max(side - STRUCTURE_PX, 0))
        for at, side in zip(spot, grey.shape, strict=True)
    ]
    return slice(starts[0], starts[0] + STRUCTURE_PX), slice(starts[1], starts[1] + STRUCTURE_PX)


def _cells(network: CellNetwork, pixels: Pixels, kind_map: Pixels) -> tuple[Tensor, Tensor]:
    """Return the features of every cell, and its share of defect pixels, 1×rows×cols."""
    marked = _reflected(kind_map, network.multiple_px) > 0
    share = functional.avg_pool2d(torch.from_numpy(marked)[None].float(), network.stride_px)
    return network.cell_features(input_of(network, pixels)).cpu(), share


def input_of(network: DetectorNetwork | CellNetwork, pixels: Pixels) -> Tensor:
    """Return the pixels as ``planes`` does, for a network and on its device."""
    x = planes(pixels, network.multiple_px)
    return x.to(device_of(network)) if isinstance(network, nn.Module) else x


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
