"""The ranking of layers by the error that they cause in int8.

Each layer stays in float in turn, and the remaining error is measured.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import onnx

from export.quantisation.quantise import LAYER_TYPES, Quantiser, Scheme


@dataclass(frozen=True, slots=True)
class Relief:
    """The effect of layers in float.

    layers: names of the layers that stay in float together. error: the remaining mean squared error
    in severity.
    """

    layers: tuple[str, ...]
    error: float


def rank_layers(
    quantiser: Quantiser, scheme: Scheme, error: Callable[[onnx.ModelProto], float]
) -> tuple[Relief, ...]:
    """Rank single layers, and groups of layers around one tensor, by the error that they cause.

    A single layer may have weights that are rounded badly. The layers around a tensor may share a
    range that is too wide. The largest reduction of the error comes first; among reductions that
    are equal to a tenth of the largest, the fewest layers. Blocks for one quantisation and one
    measurement each.
    """
    before = error(quantiser.quantise(replace(scheme, keep_float=())))
    reliefs = [
        Relief(names, error(quantiser.quantise(replace(scheme, keep_float=names))))
        for names in _candidates(quantiser.prepared, quantiser.layers)
    ]
    most = max(before - min(relief.error for relief in reliefs), 1e-9)
    return tuple(
        sorted(reliefs, key=lambda r: (-round((before - r.error) / most, 1), len(r.layers)))
    )


def _candidates(
    model: onnx.ModelProto, layers: Sequence[onnx.NodeProto]
) -> tuple[tuple[str, ...], ...]:
    """Return each layer alone, then each layer with all layers that read its output.

    Nodes without weights may lie between them. The output stays in float only where neither side is
    quantised.
    """
    nodes = list(model.graph.node)
    readers: dict[str, list[onnx.NodeProto]] = {}
    for node in nodes:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    alone = [(layer.name,) for layer in layers]
    together = []
    for layer in layers:
        names, waiting = [layer.name], list(layer.output)
        while waiting:
            for node in readers.get(waiting.pop(), ()):
                if node.name in names:
                    continue
                names.append(node.name)
                if node.op_type not in LAYER_TYPES:
                    waiting += node.output
        if len(names) > 1:
            together.append(tuple(names))
    return tuple(dict.fromkeys([*alone, *together]))
