"""The greedy coreset: few points such that every point is near one of them.

Source: Roth et al. 2022 (PatchCore, CVPR), section 3.2 and algorithm 1: the point that is farthest
from the chosen ones is chosen next, with distances after a random linear projection.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

CANDIDATES = 1024  # farthest points among which one round chooses
CHUNK = 4096  # points whose distances are computed together
EQUAL = 1e-6  # share of the mean square at or below which a squared distance is rounding error


def project(points: Tensor, dimensions: int, seed: int) -> Tensor:
    """Return points, N×F, after a random linear projection to fewer dimensions, N×dimensions.

    Distances are kept on average (Johnson & Lindenstrauss 1984). With ``dimensions`` of F or more
    the points are returned as they are.
    """
    if dimensions >= points.shape[1]:
        return points
    drawn = torch.Generator().manual_seed(seed)
    matrix = torch.randn(points.shape[1], dimensions, generator=drawn) / math.sqrt(dimensions)
    return points @ matrix


def greedy_coreset(points: Tensor, count: int, seed: int) -> Tensor:
    """Return the indices of ``count`` points, each the farthest from those chosen before it.

    points: float32 N×F, on any device; the indices are on the processor. The first one is drawn by
    ``seed``. There are fewer where all other points equal a chosen one. Blocks for about
    count · N · F / 3e10 s on one core.

    The result is that of choosing one at a time. A round takes the CANDIDATES farthest points and
    chooses among them as long as the farthest one is at least as far as the last candidate was at
    the start of the round. No other point can be farther. The distances of all points are then
    updated once for the whole round, by a matrix product.
    """
    points = points - points.mean(0)
    squares = points.square().sum(1)
    equal = EQUAL * float(squares.mean())
    drawn = torch.Generator().manual_seed(seed)
    chosen = [int(torch.randint(len(points), (1,), generator=drawn))]
    least = torch.full_like(squares, torch.inf)
    _approach(points, squares, least, chosen)
    while len(chosen) < count:
        far = least.topk(min(CANDIDATES, len(points)))
        if far.values[0] <= equal:
            break
        new = _choose(points[far.indices], far.values, count - len(chosen), equal)
        rows = far.indices.cpu()[new].tolist()
        _approach(points, squares, least, rows)
        chosen += rows
    return torch.tensor(chosen)


def _choose(candidates: Tensor, distances: Tensor, most: int, equal: float) -> list[int]:
    """Return the candidates to choose, in order, 1 to ``most`` of them.

    distances: squared, the largest first. equal: no candidate as near as this is chosen.
    """
    mutual = torch.cdist(candidates, candidates).square()
    limit, left = float(distances[-1]), distances.clone()
    picked: list[int] = []
    while len(picked) < most:
        best = int(left.argmax())
        if left[best] < limit or left[best] <= equal:
            break
        picked.append(best)
        torch.minimum(left, mutual[best], out=left)
        left[best] = 0.0
    return picked


def _approach(points: Tensor, squares: Tensor, least: Tensor, rows: list[int]) -> None:
    """Reduce ``least``, the squared distance of each point, by the distances from some points."""
    at = torch.tensor(rows)
    others, sizes = points[at], squares[at]
    for start in range(0, len(points), CHUNK):
        part = slice(start, start + CHUNK)
        closest = torch.addmm(sizes, points[part], others.T, alpha=-2.0).amin(1)
        torch.minimum(least[part], (squares[part] + closest).clamp(min=0.0), out=least[part])
    least[at] = 0.0
