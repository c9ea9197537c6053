"""Fitting of outlier models with scikit-learn, and their conversion to layers.

The layers are in models/methods/texture/outlier_network.py. Functions import scikit-learn, because
that takes half a second which every command of the workstation would wait for.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from models.methods.texture.outlier_network import IsolationForest, OneClassSupport

Vectors = npt.NDArray[np.float32]

_EULER = 0.5772156649015329


def fit_forest(vectors: Vectors, *, trees: int, samples: int, seed: int) -> IsolationForest:
    """Fit an isolation forest. vectors: float32 N×K of good blocks.

    Each tree is grown on `samples` of them, at most N.
    """
    from sklearn.ensemble import IsolationForest as SklearnForest

    model = SklearnForest(
        n_estimators=trees, max_samples=min(samples, len(vectors)), random_state=seed
    )
    return read_forest(model.fit(vectors))


def read_forest(model: Any) -> IsolationForest:
    """Return the layer of a fitted sklearn IsolationForest. Its score is -score_samples."""
    grown = [estimator.tree_ for estimator in model.estimators_]
    levels = max(1, *(int(tree.max_depth) for tree in grown))
    inner = 2**levels - 1
    feature = np.zeros((len(grown), inner), np.int64)
    limit = np.full((len(grown), inner), np.inf, np.float32)
    depth = np.zeros((len(grown), inner + 1), np.float32)
    for index, tree in enumerate(grown):
        columns = model.estimators_features_[index]
        waiting = [(0, 0, 0)]  # a node of the tree, its place in the full one, its level
        while waiting:
            node, place, level = waiting.pop()
            left, right = int(tree.children_left[node]), int(tree.children_right[node])
            if left == right:  # a leaf
                for _ in range(levels - level):
                    place = 2 * place + 1
                depth[index, place - inner] = level + usual_depth(int(tree.n_node_samples[node]))
                continue
            feature[index, place] = columns[tree.feature[node]]
            limit[index, place] = _at_most(float(tree.threshold[node]))
            waiting += [(left, 2 * place + 1, level + 1), (right, 2 * place + 2, level + 1)]
    layer = IsolationForest()
    layer.feature, layer.limit = torch.from_numpy(feature), torch.from_numpy(limit)
    layer.depth = torch.from_numpy(depth)
    layer.usual_depth = torch.tensor(usual_depth(model.max_samples_), dtype=torch.float32)
    return layer


def fit_support(vectors: Vectors, *, nu: float, gamma: float) -> OneClassSupport:
    """Fit a one-class support vector machine. vectors: float32 N×K of good blocks.

    gamma: in 1 / their summed variance. The time grows with the square of N: 1 s for 20,000 at
    nu = 0.01.
    """
    from sklearn.svm import OneClassSVM

    total = max(float(vectors.var(0, dtype=np.float64).sum()), 1e-12)
    return read_support(OneClassSVM(nu=nu, gamma=gamma / total).fit(vectors))


def read_support(model: Any) -> OneClassSupport:
    """Return the layer of a fitted sklearn.svm.OneClassSVM with a numeric gamma.

    Its score is above 0 exactly where decision_function is below 0.
    """
    layer = OneClassSupport(model.support_vectors_.shape[1])
    layer.vectors = _tensor(model.support_vectors_)
    layer.log_alpha = _tensor(np.log(model.dual_coef_[0]))
    layer.gamma = _tensor(model.gamma)
    layer.log_rho = _tensor(np.log(model.offset_[0]))
    return layer


def usual_depth(samples: int) -> float:
    """Return the mean depth of a search in a tree of so many samples (Liu et al. 2008, eq. 1)."""
    if samples <= 1:
        return 0.0
    if samples == 2:
        return 1.0
    return 2.0 * (math.log(samples - 1.0) + _EULER) - 2.0 * (samples - 1.0) / samples


def _at_most(limit: float) -> np.float32:
    """Return the greatest float32 not above the limit; it divides all float32 values equally."""
    rounded = np.float32(limit)
    return np.nextafter(rounded, np.float32(-np.inf)) if float(rounded) > limit else rounded


def _tensor(values: Any) -> torch.Tensor:
    return torch.from_numpy(np.asarray(values, np.float32))
