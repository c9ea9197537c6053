"""Synthetic defects on real pictures, for data with few defective parts.

They give the detector more places and shapes than the annotated defects. Their kind does not matter
for it. Sources: Zavrtanik et al. 2021 (DRAEM, ICCV) and Li et al. 2021 (CutPaste, CVPR), who train
on synthetic defects only; here they supplement annotated ones.
"""

from __future__ import annotations

import cv2
import numpy as np

from models.data.dataset import Pixels, as_channels
from models.data.texture_defects import TEXTURE_DEFECTS

# A scuff replaces the texture by one of the generator, which is no realistic defect on real
# surfaces.
_KINDS = tuple(kind for kind in sorted(TEXTURE_DEFECTS) if kind != "scuff")
_PERCEPTIBLE_GREY, _PERCEPTIBLE_SHARE = 5.0, 0.25
SYNTHETIC = 255  # value of a synthetic defect in a kind map, which is no annotated kind


def add_defect(pixels: Pixels, kind_map: Pixels, rng: np.random.Generator) -> tuple[Pixels, Pixels]:
    """Return copies with one synthetic defect. kind_map is SYNTHETIC at its visible pixels.

    pixels: uint8 H×W or H×W×3, sides of 32 px or more; every channel changes equally. The contrast
    grows with the brightness of the picture, as that of a real defect does with the exposure. A
    defect that is too faint to see leaves kind_map unchanged. Equal states of rng give equal
    results.
    """
    grey = as_channels(pixels, 1).astype(np.float32)
    kind = _KINDS[rng.integers(len(_KINDS))]
    defect = TEXTURE_DEFECTS[kind](rng, grey.copy(), float(rng.beta(1.1, 1.3)))
    gain = np.clip(cv2.blur(grey, (31, 31)) / 128.0, 0.3, 1.3)
    change = (defect.surface - grey) * gain
    changed = np.clip(grey + change, 0.0, 255.0)
    size = np.abs(changed - grey)
    visible = size >= max(_PERCEPTIBLE_GREY, _PERCEPTIBLE_SHARE * float(size.max()))
    delta = changed - grey
    result = pixels.astype(np.float32) + (delta if pixels.ndim == 2 else delta[:, :, None])
    marked = kind_map.copy()
    marked[visible & (kind_map == 0)] = SYNTHETIC
    return np.clip(result + 0.5, 0, 255).astype(np.uint8), marked
