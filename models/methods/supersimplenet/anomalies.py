"""Places of anomalies in feature space: thresholded Perlin noise.

Sources: Perlin 1985 (SIGGRAPH 19:287); for synthetic defects Zavrtanik et al. 2021 (DRAEM, ICCV);
in feature space Rolih et al. 2025 (SuperSimpleNet), section III.B.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

LEAST = 0.2  # of the noise, at an anomaly
MOST_WAVES = 5  # powers of two: most periods of the noise along a side are 2**5


def anomaly_mask(rows: int, cols: int, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Return 1 where features get noise, and 0 elsewhere: float32 rows×cols.

    The number of periods along each side is a random power of two, so anomalies have all sizes.
    """
    periods = [min(2 ** int(rng.integers(MOST_WAVES + 1)), side) for side in (rows, cols)]
    return (perlin_noise((rows, cols), (periods[0], periods[1]), rng) > LEAST).astype(np.float32)


def perlin_noise(
    shape: tuple[int, int], periods: tuple[int, int], rng: np.random.Generator
) -> npt.NDArray[np.float64]:
    """Return gradient noise, about -1 to 1: float64 of the shape. periods: along rows and cols."""
    angles = rng.uniform(0, 2 * np.pi, (periods[0] + 1, periods[1] + 1))
    places = [(np.arange(n) + 0.5) / n * p for n, p in zip(shape, periods, strict=True)]
    corner = [place.astype(np.int64) for place in places]
    y, x = (place - at for place, at in zip(places, corner, strict=True))

    def product(down: int, right: int) -> npt.NDArray[np.float64]:
        """Return the product of the gradient at a corner and the distance from it."""
        angle = angles[np.ix_(corner[0] + down, corner[1] + right)]
        across, along = (x - right)[None, :], (y - down)[:, None]
        return np.asarray(np.cos(angle) * across + np.sin(angle) * along)

    rise, run = (t * t * t * (t * (t * 6 - 15) + 10) for t in (y[:, None], x[None, :]))
    top = product(0, 0) * (1 - run) + product(0, 1) * run
    bottom = product(1, 0) * (1 - run) + product(1, 1) * run
    return np.asarray(np.sqrt(2) * (top * (1 - rise) + bottom * rise))
