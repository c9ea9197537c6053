"""Generated flaws on real pictures: for lines that have few bad parts.

A painted flaw gives the detector more places and shapes than the few annotated ones; which kind it
is does not matter to it. After Zavrtanik et al. 2021 (DRAEM, ICCV) and Li et al. 2021 (CutPaste,
CVPR), who train on simulated defects alone; here they stand beside the annotated ones.
"""

from __future__ import annotations

import cv2
import numpy as np

from models.data.dataset import Pixels, as_channels
from models.data.texture_defects import TEXTURE_DEFECTS

# Scuffs replace the texture by one of the generator's own; on real surfaces that is no flaw.
_KINDS = tuple(kind for kind in sorted(TEXTURE_DEFECTS) if kind != "scuff")
_PERCEPTIBLE_GREY, _PERCEPTIBLE_SHARE = 5.0, 0.25
PAINTED = 255  # the value of painted pixels in a kind map: a defect of no annotated kind


def paint_flaw(pixels: Pixels, kind_map: Pixels, rng: np.random.Generator) -> tuple[Pixels, Pixels]:
    """Copies with one flaw painted in; kind_map is PAINTED where it is seen. uint8, same shapes.

    pixels: H×W or H×W×3 (every channel changes alike), sides of 32 px or more. The flaw's contrast
    grows with the picture's brightness, as a real one's does under another exposure. Deterministic
    by rng; a flaw too faint to see leaves kind_map as it was.
    """
    grey = as_channels(pixels, 1).astype(np.float32)
    kind = _KINDS[rng.integers(len(_KINDS))]
    flaw = TEXTURE_DEFECTS[kind](rng, grey.copy(), float(rng.beta(1.1, 1.3)))
    gain = np.clip(cv2.blur(grey, (31, 31)) / 128.0, 0.3, 1.3)
    change = (flaw.surface - grey) * gain
    changed = np.clip(grey + change, 0.0, 255.0)
    size = np.abs(changed - grey)
    seen = size >= max(_PERCEPTIBLE_GREY, _PERCEPTIBLE_SHARE * float(size.max()))
    delta = changed - grey
    painted = pixels.astype(np.float32) + (delta if pixels.ndim == 2 else delta[:, :, None])
    marked = kind_map.copy()
    marked[seen & (kind_map == 0)] = PAINTED
    return np.clip(painted + 0.5, 0, 255).astype(np.uint8), marked
