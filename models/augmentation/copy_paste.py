"""Copy-paste augmentation: pieces of one picture in another, for data with few defective parts.

A network that is trained with each defect on one part only learns the part. Defects are therefore
copied with a soft rim into other pictures. Pieces of sound surface are copied in the same way, so
that the rim is no sign of a defect. Source: Ghiasi et al. 2021 (Simple Copy-Paste, CVPR).
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from models.data.dataset import Pixels, as_channels

_RIM_PX = (3, 14)  # width of the surface around a defect that is copied with it
_SOFT_PX = (1.0, 4.0)  # sigma of the soft rim
_LEAST_PX = 4  # a donor with fewer defect pixels gives a piece of its sound surface


def paste_piece(
    pixels: Pixels,
    kind_map: Pixels,
    donor: Pixels,
    donor_kinds: Pixels,
    rng: np.random.Generator,
) -> tuple[Pixels, Pixels]:
    """Return pixels and kind map with a piece of the donor: its defects, or some of its surface.

    All have one size: uint8 H×W or H×W×3, kind maps uint8 H×W. The piece keeps its contrast and
    takes the brightness of its new place. The arrays are new. Equal states of rng give equal
    results.
    """
    defect = donor_kinds > 0
    whole = defect if np.count_nonzero(defect) >= _LEAST_PX else _blob(defect.shape, rng)
    rim = int(rng.integers(*_RIM_PX))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * rim + 1, 2 * rim + 1))
    grown = cv2.dilate(whole.astype(np.float32), disc)
    share = cv2.GaussianBlur(grown, (0, 0), float(rng.uniform(*_SOFT_PX)))
    inside = share > 0.5
    around = inside & ~defect
    if not inside.any() or not around.any():
        return pixels.copy(), kind_map.copy()
    level = _mean(pixels, inside) - _mean(donor, around)
    weight = share if pixels.ndim == 2 else share[:, :, None]
    target = pixels.astype(np.float32)
    mixed = target + weight * (donor.astype(np.float32) + level - target)
    marked = np.where(inside, donor_kinds, kind_map).astype(np.uint8)
    return np.clip(mixed + 0.5, 0, 255).astype(np.uint8), marked


def _blob(shape: tuple[int, ...], rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    """Return an ellipse at a random place, 8 to 60 px across, for a piece of sound surface."""
    blob = np.zeros(shape, np.uint8)
    centre = (int(rng.integers(shape[1])), int(rng.integers(shape[0])))
    axes = (int(rng.integers(4, 31)), int(rng.integers(4, 31)))
    cv2.ellipse(blob, centre, axes, float(rng.uniform(0, 180)), 0, 360, 1, -1)
    return blob > 0


def _mean(pixels: Pixels, where: npt.NDArray[np.bool_]) -> np.float32:
    return np.float32(as_channels(pixels, 1)[where].mean())
