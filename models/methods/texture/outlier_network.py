"""Layers for outlier scores: an isolation forest, and a one-class support vector machine.

Each takes vectors M×K and gives scores M×1. models/methods/texture/outliers.py copies the models
of scikit-learn into their buffers, whose sizes depend on the model.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

TREE_NODE = "ai.onnx.ml::TreeEnsembleRegressor"


class ResizableModule(nn.Module):
    """A module whose buffers take the shapes of the state that is loaded."""

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *rest: Any) -> None:
        for name, buffer in self.named_buffers(recurse=False):
            stored = state_dict.get(prefix + name)
            if isinstance(stored, Tensor) and stored.dim() == buffer.dim():
                setattr(self, name, torch.empty_like(stored))
        super()._load_from_state_dict(state_dict, prefix, *rest)


class IsolationForest(ResizableModule):
    """An isolation forest: Liu, Ting & Zhou 2008, equation 2, 2^(-E(h) / c).

    The score is 1 for a vector that one cut isolates, and 0.5 for a usual one. Every tree is stored
    as a full tree of the same depth. From node n the path continues to 2n + 1 if the value is at
    most its limit, else to 2n + 2. Below a leaf of the original tree every limit is infinite, and
    the path continues to the left. depth: h of each leaf of the full tree, T×2^D. feature, limit:
    T×(2^D - 1). usual_depth: c, from equation 1, for the number of samples of a tree.

    An exported network has one node TREE_NODE in their place, whose attributes
    export/float_onnx.py writes: for a hundred trees on 1,024 blocks it takes
    ONNX Runtime 1.1 ms, the walk below as gathers 11 ms.
    """

    def __init__(self) -> None:
        super().__init__()
        self.feature: Tensor
        self.limit: Tensor
        self.depth: Tensor
        self.usual_depth: Tensor
        self.register_buffer("feature", torch.zeros(1, 1, dtype=torch.int64))
        self.register_buffer("limit", torch.zeros(1, 1))
        self.register_buffer("depth", torch.ones(1, 2))
        self.register_buffer("usual_depth", torch.tensor(1.0))

    def forward(self, vectors: Tensor) -> Tensor:
        if torch.onnx.is_in_onnx_export():
            total = torch.onnx.ops.symbolic(
                TREE_NODE,
                [vectors],
                attrs={"n_targets": 1},
                dtype=torch.float32,
                shape=(vectors.shape[0], 1),
                version=3,
            )
        else:
            total = self._walk(vectors)
        return torch.exp2(-total / (len(self.feature) * self.usual_depth))

    def _walk(self, vectors: Tensor) -> Tensor:
        """Return the sum over all trees of the depth of a vector's leaf: M×K → M×1."""
        trees, inner = self.feature.shape
        feature, limit, depth = self.feature.flatten(), self.limit.flatten(), self.depth.flatten()
        first = torch.arange(trees)[None, :]
        node = torch.zeros(vectors.shape[0], trees, dtype=torch.int64)
        for _ in range(inner.bit_length()):
            at = node + first * inner
            right = vectors.gather(1, feature[at]) > limit[at]
            node = 2 * node + 1 + right.long()
        return depth[node - inner + first * (inner + 1)].sum(1, keepdim=True)

    def attributes(self) -> dict[str, Any]:
        """Return the original trees as attributes of ONNX's TreeEnsembleRegressor."""
        names = ("treeids", "nodeids", "featureids", "modes", "values", "truenodeids")
        nodes: dict[str, list[Any]] = {name: [] for name in (*names, "falsenodeids")}
        leaves: dict[str, list[Any]] = {name: [] for name in ("treeids", "nodeids", "weights")}
        for tree, (features, limits, depths) in enumerate(
            zip(self.feature.tolist(), self.limit.tolist(), self.depth.tolist(), strict=True)
        ):
            count = 0
            # Each entry: a node of the full tree, and the list and place of its parent that name
            # it.
            waiting: list[tuple[int, list[Any] | None, int]] = [(0, None, 0)]
            while waiting:
                full, parents, place = waiting.pop()
                while full < len(limits) and math.isinf(limits[full]):
                    full = 2 * full + 1
                if parents is not None:
                    parents[place] = count
                is_leaf = full >= len(limits)
                nodes["treeids"].append(tree)
                nodes["nodeids"].append(count)
                nodes["modes"].append("LEAF" if is_leaf else "BRANCH_LEQ")
                nodes["featureids"].append(0 if is_leaf else features[full])
                nodes["values"].append(0.0 if is_leaf else limits[full])
                nodes["truenodeids"].append(0)
                nodes["falsenodeids"].append(0)
                if is_leaf:
                    leaves["treeids"].append(tree)
                    leaves["nodeids"].append(count)
                    leaves["weights"].append(depths[full - len(limits)])
                else:
                    here = len(nodes["nodeids"]) - 1
                    waiting.append((2 * full + 2, nodes["falsenodeids"], here))
                    waiting.append((2 * full + 1, nodes["truenodeids"], here))
                count += 1
        return {
            "n_targets": 1,
            "aggregate_function": "SUM",
            "post_transform": "NONE",
            **{f"nodes_{name}": values for name, values in nodes.items()},
            **{f"target_{name}": values for name, values in leaves.items()},
            "target_ids": [0] * len(leaves["weights"]),
        }


class OneClassSupport(ResizableModule):
    """A one-class support vector machine with an RBF kernel, after Schölkopf et al. 2001.

    The score is log ρ - log Σ α k(v, x). It is above 0 exactly where the decision function is below
    0. The logarithm is used because the sum itself is 0 for all distant vectors, and their distance
    would be lost. vectors: the support vectors v, V×K. log_alpha: V. gamma: γ of
    k = exp(-γ |v - x|²). log_rho: log ρ.
    """

    def __init__(self, count: int) -> None:
        super().__init__()
        self.vectors: Tensor
        self.log_alpha: Tensor
        self.gamma: Tensor
        self.log_rho: Tensor
        self.register_buffer("vectors", torch.zeros(1, count))
        self.register_buffer("log_alpha", torch.zeros(1))
        self.register_buffer("gamma", torch.tensor(1.0))
        self.register_buffer("log_rho", torch.tensor(0.0))

    def forward(self, vectors: Tensor) -> Tensor:
        # -γ |v - x|² + log α is linear in x, except for γ |x|², which is equal for all v.
        near = vectors @ (2.0 * self.gamma * self.vectors).T
        near = near + (self.log_alpha - self.gamma * self.vectors.square().sum(1))
        # ONNX Runtime takes eight times as long for logsumexp as for these parts.
        most = near.amax(1, keepdim=True)
        total = (near - most).exp().sum(1, keepdim=True).log() + most
        return self.log_rho + self.gamma * vectors.square().sum(1, keepdim=True) - total
