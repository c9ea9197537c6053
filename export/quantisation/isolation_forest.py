"""The trees of an isolation forest, as the one ONNX node that an engine walks them by."""

from __future__ import annotations

import onnx
from onnx import helper
from torch import nn

from models.methods.texture.outlier_network import TREE_NODE, IsolationForest


def add_synthetic_defect(model: onnx.ModelProto, network: nn.Module) -> None:
    """Give the exported network's TreeEnsembleRegressor its trees; nothing where it has no forest.

    The tracer sees a bare node: it would take minutes for the 40,000 numbers of a hundred trees.
    """
    forests = [module for module in network.modules() if isinstance(module, IsolationForest)]
    nodes = [node for node in model.graph.node if f"{node.domain}::{node.op_type}" == TREE_NODE]
    for forest, node in zip(forests, nodes, strict=True):
        del node.attribute[:]
        for name, values in forest.attributes().items():
            node.attribute.append(helper.make_attribute(name, values))
