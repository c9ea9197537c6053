"""Which layers suffer from int8: each is kept in float in turn, and what it brings is measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import onnx

from export.quantisation.quantise import LAYER_TYPES, Quantiser, Scheme


@dataclass(frozen=True, slots=True)
class Relief:
    """layers: kept in float together. error: what is left of the error in severity, squared."""

    layers: tuple[str, ...]
    error: float


def rank_layers(
    quantiser: Quantiser, scheme: Scheme, error: Callable[[onnx.ModelProto], float]
) -> tuple[Relief, ...]:
    """What brings the most first, and of what brings the same to a tenth the fewest layers: single
    ones, whose weights may be at fault, and those about one tensor, whose range may be. Blocks for
    a quantisation and a measurement each."""
    before = error(quantiser.quantise(replace(scheme, keep_float=())))
    found = [
        Relief(names, error(quantiser.quantise(replace(scheme, keep_float=names))))
        for names in _candidates(quantiser.prepared)
    ]
    most = max(before - min(relief.error for relief in found), 1e-9)
    return tuple(sorted(found, key=lambda r: (-round((before - r.error) / most, 1), len(r.layers))))


def _candidates(model: onnx.ModelProto) -> tuple[tuple[str, ...], ...]:
    """Each layer alone; then each layer with all that read what it writes, through whatever has no
    weights: its output stays in float only where neither side is quantised."""
    nodes = list(model.graph.node)
    layers = [node for node in nodes if node.op_type in LAYER_TYPES]
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
