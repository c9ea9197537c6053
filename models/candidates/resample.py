"""Bootstrap over physical parts: the confidence that one candidate is better than another.

Source: Efron 1979 (Annals of Statistics 7:1). Parts are drawn with replacement. All pictures of a
part are drawn together. Good and bad parts are drawn separately, so that every resample has the
same number of each.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

RESAMPLES = 2000
_BLOCK = 250  # resamples at a time; their weights for 2,000 pictures take 4 MB

Floats = npt.NDArray[np.float64]


def resampled_auroc(
    good: Floats,
    bad: Floats,
    good_parts: Sequence[str],
    bad_parts: Sequence[str],
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Floats:
    """Return the AUROC of each candidate in each resample, float64 resamples × candidates.

    A resample without a good or without a bad picture is left out. Deterministic by seed.

    good, bad: scores, candidates × pictures, at least one of each. good_parts, bad_parts: the part
    that each picture shows. A part with a synthetic defect is on both sides, and is drawn for both
    at once.
    """
    wins = np.stack([_wins(g, b) for g, b in zip(good, bad, strict=True)])
    rng = np.random.default_rng(seed)
    names, members = np.unique([*good_parts, *bad_parts], return_inverse=True)
    of_good, of_bad = members[: len(good_parts)], members[len(good_parts) :]
    sound = np.isin(np.arange(len(names)), of_good)
    groups = (np.flatnonzero(sound), np.flatnonzero(~sound))
    strata = [group for group in groups if len(group)]
    blocks = []
    for start in range(0, resamples, _BLOCK):
        rows = min(_BLOCK, resamples - start)
        weights = np.zeros((rows, len(names)))
        for stratum in strata:
            share = np.full(len(stratum), 1.0 / len(stratum))
            weights[:, stratum] = rng.multinomial(len(stratum), share, rows)
        w_good, w_bad = weights[:, of_good], weights[:, of_bad]
        total = w_good.sum(1) * w_bad.sum(1)
        sums = np.einsum("rb,kbg,rg->rk", w_bad, wins, w_good, optimize=True)
        blocks.append(sums[total > 0] / total[total > 0, None])
    return np.concatenate(blocks)


def better(ours: Floats, theirs: Floats) -> float:
    """Return the share of resamples in which ours is above theirs; equal values count half."""
    return float(((ours > theirs) + 0.5 * (ours == theirs)).mean())


def _wins(good: Floats, bad: Floats) -> Floats:
    """Return bad × good: 1 where the bad picture scores higher, ½ where both are equal."""
    above, equal = bad[:, None] > good[None], bad[:, None] == good[None]
    return np.asarray(above + 0.5 * equal, np.float64)
