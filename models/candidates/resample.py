"""How sure it is that one candidate is better than another: bootstrap over physical parts.

Efron 1979 (Annals of Statistics 7:1). Parts are drawn with replacement, all pictures of a part
together, good and bad ones apart so that every resample has as many of either.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

RESAMPLES = 2000
_BLOCK = 250  # resamples at once: 250 × 2,000 pictures of weights are 4 MB

Floats = npt.NDArray[np.float64]


def resampled_auroc(
    good: Floats,
    bad: Floats,
    good_parts: Sequence[str],
    bad_parts: Sequence[str],
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Floats:
    """AUROC of each candidate in each resample, float64 resamples × candidates; a resample without
    a good or without a bad picture is left out.

    good, bad: scores, candidates × pictures, at least one of each. good_parts, bad_parts: which
    part each picture shows; a part may be on both sides (a painted flaw on a good part) and is then
    drawn for both at once. Deterministic by seed.
    """
    wins = np.stack([_wins(g, b) for g, b in zip(good, bad, strict=True)])
    rng = np.random.default_rng(seed)
    names, members = np.unique([*good_parts, *bad_parts], return_inverse=True)
    of_good, of_bad = members[: len(good_parts)], members[len(good_parts) :]
    sound = np.isin(np.arange(len(names)), of_good)
    strata = [some for some in (np.flatnonzero(sound), np.flatnonzero(~sound)) if len(some)]
    found = []
    for start in range(0, resamples, _BLOCK):
        rows = min(_BLOCK, resamples - start)
        weights = np.zeros((rows, len(names)))
        for stratum in strata:
            share = np.full(len(stratum), 1.0 / len(stratum))
            weights[:, stratum] = rng.multinomial(len(stratum), share, rows)
        w_good, w_bad = weights[:, of_good], weights[:, of_bad]
        total = w_good.sum(1) * w_bad.sum(1)
        sums = np.einsum("rb,kbg,rg->rk", w_bad, wins, w_good, optimize=True)
        found.append(sums[total > 0] / total[total > 0, None])
    return np.concatenate(found)


def better(ours: Floats, theirs: Floats) -> float:
    """Share of resamples in which ours is above theirs; equal ones count half."""
    return float(((ours > theirs) + 0.5 * (ours == theirs)).mean())


def _wins(good: Floats, bad: Floats) -> Floats:
    """bad × good: 1 where the bad picture scores above the good one, ½ where they are equal."""
    above, equal = bad[:, None] > good[None], bad[:, None] == good[None]
    return np.asarray(above + 0.5 * equal, np.float64)
