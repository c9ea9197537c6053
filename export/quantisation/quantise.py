"""Quantisation of a float ONNX network to int8: static QDQ, weights int8, activations uint8.

With int8 activations ONNX Runtime would run the convolutions in float on x86. There are two
calibrations, because neither is better on every network. Min-max never clips. The 99.999th
percentile resolves finer steps where one outlier would widen a range. `export.quantisation.search`
compares them. Biases are corrected for the rounding of the weights (export/quantisation/bias.py).
"""

from __future__ import annotations

import contextlib
import io
import logging
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantType,
    create_calibrator,
)
from onnxruntime.quantization.qdq_quantizer import QDQQuantizer
from onnxruntime.quantization.registry import QDQRegistry, QLinearOpsRegistry
from onnxruntime.quantization.shape_inference import quant_pre_process

from export.float_onnx import NORMALISED, RAW, RAW_PART
from export.kept_steps import NOTHING_KEPT, KeptSteps
from export.quantisation.bias import channel_means, correct_bias
from export.quantisation.headroom import weight_ranges
from models.networks import PIXEL_SCALE, PIXEL_ZERO_POINT

Calibration = Literal["minmax", "percentile"]
CALIBRATIONS: tuple[Calibration, ...] = ("minmax", "percentile")
CORRECTION_FRAMES = 32  # enough for a mean per channel
PERCENTILE = 99.999
MOST_AVERAGED = 9  # cells along an axis, of the means of features
# The operators with weights, which are rounded or stay in float.
LAYER_TYPES = ("Conv", "Gemm", "MatMul")
_METHODS = {"minmax": CalibrationMethod.MinMax, "percentile": CalibrationMethod.Percentile}
_OPERATORS = sorted({*QLinearOpsRegistry, *QDQRegistry})


@dataclass(frozen=True, slots=True)
class Range:
    """The interval of a tensor that uint8 represents; values outside are clipped."""

    low: float
    high: float


PIXEL_RANGE = Range(-PIXEL_ZERO_POINT * PIXEL_SCALE, (255 - PIXEL_ZERO_POINT) * PIXEL_SCALE)


@dataclass(frozen=True, slots=True)
class Scheme:
    """A way to quantise.

    Attributes:
        calibration: the way to choose the ranges of activations.
        per_channel: one scale of weights for each output channel, not one for each layer.
        corrected: apply the bias correction.
        keep_float: names of the layers that stay in float.
    """

    calibration: Calibration = "minmax"
    per_channel: bool = True
    corrected: bool = True
    keep_float: tuple[str, ...] = ()


class Quantiser:
    """Quantises a float network of `export_float` with calibration frames.

    frames: uint8 H×W or H×W×3, all of one size that the network accepts. They are read one at a
    time, once for each calibration, so the memory does not grow with their number. raw_range: the
    range of the output; None derives it from the frames. steps: keep each quantised network; frames
    and range are among its inputs, or follow from them.
    """

    def __init__(
        self,
        model: onnx.ModelProto,
        frames: Sequence[npt.NDArray[np.uint8]],
        raw_range: Range | None = None,
        steps: KeptSteps = NOTHING_KEPT,
    ) -> None:
        self._frames, self._steps = frames, steps
        with _quiet():
            self._prepared = _prepared(model)
        self._ranges: dict[Calibration, Any] = {}
        self._overrides = {NORMALISED: [_fixed(PIXEL_RANGE)]}
        if raw_range is not None:
            outputs = {output.name for output in model.graph.output}
            self._overrides |= {name: [_fixed(raw_range)] for name in outputs & {RAW, RAW_PART}}

    @property
    def prepared(self) -> onnx.ModelProto:
        """Return the float network before quantisation: batch normalisation folded, nodes named."""
        return self._prepared

    @property
    def layers(self) -> tuple[onnx.NodeProto, ...]:
        """Return the nodes with weights that may be rounded, in order."""
        nodes = self._prepared.graph.node
        return tuple(n for n in nodes if n.op_type in LAYER_TYPES and n.name not in self._float)

    def quantise(self, scheme: Scheme | None = None) -> onnx.ModelProto:
        """Return the int8 network with input `normalised` and output `raw`, both float.

        The first scheme of a calibration blocks for one run over all frames; later ones are short.
        """
        scheme = scheme or Scheme()
        float_network = self._prepared.SerializeToString(deterministic=True)
        data = self._steps.bytes_of(
            "quantised",
            (float_network, scheme),
            lambda: self._quantise(scheme).SerializeToString(deterministic=True),
        )
        return onnx.ModelProto.FromString(data)

    def _quantise(self, scheme: Scheme) -> onnx.ModelProto:
        model = onnx.ModelProto.FromString(self._prepared.SerializeToString())
        if scheme.calibration not in self._ranges:
            self._ranges[scheme.calibration] = self._calibrate(scheme.calibration)
        quantiser = QDQQuantizer(
            onnx.shape_inference.infer_shapes(model),
            scheme.per_channel,
            False,
            QuantType.QInt8,
            QuantType.QUInt8,
            self._ranges[scheme.calibration],
            [],
            [*scheme.keep_float, *self._float],
            _OPERATORS,
            {"TensorQuantOverrides": self._overrides | self._weights(scheme)},
        )
        with _quiet():
            quantiser.quantize_model()
        quantiser.model.topological_sort()  # the quantiser appends its nodes at the end
        quantised: onnx.ModelProto = quantiser.model.model
        return (
            correct_bias(self._prepared, quantised, self._means) if scheme.corrected else quantised
        )

    def _weights(self, scheme: Scheme) -> dict[str, Any]:
        """Return ranges of the rounded weights, by name, for which no processor saturates a sum."""
        stored = {tensor.name: tensor for tensor in self._prepared.graph.initializer}
        ranges: dict[str, Any] = {}
        for layer in self.layers:
            name = layer.input[1]
            if layer.name in scheme.keep_float or name not in stored:
                continue
            weights = numpy_helper.to_array(stored[name])
            limited = weight_ranges(layer, weights, per_channel=scheme.per_channel)
            if limited is not None:  # layers may share their weights
                ranges[name] = limited
        return ranges

    @cached_property
    def _float(self) -> tuple[str, ...]:
        return always_float(self._prepared)

    @cached_property
    def _means(self) -> dict[str, npt.NDArray[np.float32]]:
        return channel_means(self._prepared, islice(self._feeds(), CORRECTION_FRAMES))

    def _feeds(self) -> Iterable[dict[str, npt.NDArray[np.float32]]]:
        for frame in self._frames:
            planes = frame[None, None] if frame.ndim == 2 else frame.transpose(2, 0, 1)[None]
            values = (planes.astype(np.float32) - PIXEL_ZERO_POINT) * np.float32(PIXEL_SCALE)
            yield {NORMALISED: values}

    def _calibrate(self, calibration: Calibration) -> Any:
        with (
            tempfile.TemporaryDirectory() as folder,
            _quiet(),
        ):
            path = Path(folder) / "network.onnx"
            onnx.save(self._prepared, path)
            calibrator = create_calibrator(
                path,
                _OPERATORS,
                augmented_model_path=str(Path(folder) / "augmented.onnx"),
                calibrate_method=_METHODS[calibration],
                # The range of a ReLU's output must not be mirrored below zero. That is the default
                # of ONNX Runtime for percentiles, and loses one bit.
                extra_options={"symmetric": False, "percentile": PERCENTILE},
            )
            # One frame at a time, also for percentiles, so that the calibrator releases the
            # activations. All frames together took 21 GB for the network of the paper.
            for feed in self._feeds():
                calibrator.collect_data(_One(feed))
            return calibrator.compute_data()


class _One(CalibrationDataReader):  # type: ignore[misc]
    """A calibration data reader with a single frame."""

    def __init__(self, feed: dict[str, npt.NDArray[np.float32]]) -> None:
        self._feed: dict[str, npt.NDArray[np.float32]] | None = feed

    def get_next(self) -> dict[str, npt.NDArray[np.float32]] | None:
        feed, self._feed = self._feed, None
        return feed


def always_float(model: onnx.ModelProto) -> tuple[str, ...]:
    """Return the names of nodes that stay in float in every scheme, in order.

    They are each product with a matrix for each place of the part (method `padim`), the distance
    from a bank of features (method `patchcore`), and all nodes behind these. A matrix for each
    place whitens: one scale for all of its values would remove the directions in which good parts
    hardly differ. A distance from a bank is a small difference of large numbers. The same holds for
    the contrast with a mean over many pixels (method `ensemble`), of which the nodes in front of
    the mean stay in float too. model: prepared, so that every node has a name.
    """
    sizes = {tensor.name: len(tensor.dims) for tensor in model.graph.initializer}
    products = [n for n in model.graph.node if n.op_type == "MatMul" and n.input[1] in sizes]
    squared = {n.input[0] for n in model.graph.node if n.op_type == "Mul" and len({*n.input}) == 1}
    behind = squared.intersection(node.input[0] for node in products)
    means = _wide_means(model)
    behind.update(output for node in means for output in node.output)
    names: list[str] = []
    for node in model.graph.node:
        by_place = node in products and sizes[node.input[1]] > 2
        if by_place or node in means or behind.intersection(node.input):
            names.append(node.name)
            behind.update(node.output)
    return tuple(names)


def _wide_means(model: onnx.ModelProto) -> list[onnx.NodeProto]:
    """Return the means over more than MOST_AVERAGED cells along an axis, and all nodes in front."""
    producers = {output: node for node in model.graph.node for output in node.output}
    found = [
        node
        for node in model.graph.node
        if node.op_type == "AveragePool"
        and max(next(a.ints for a in node.attribute if a.name == "kernel_shape")) > MOST_AVERAGED
    ]
    for node in found:  # grows while it is read
        found += [producers[name] for name in node.input if name in producers]
    return found


def quantise(
    model: onnx.ModelProto,
    frames: Sequence[npt.NDArray[np.uint8]],
    raw_range: Range | None = None,
    scheme: Scheme | None = None,
) -> onnx.ModelProto:
    """Return the int8 network by one scheme; see Quantiser."""
    return Quantiser(model, frames, raw_range).quantise(scheme)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Suppress output: ONNX Runtime prints a line for each histogram and adjusted weight."""
    before = logging.root.manager.disable
    logging.disable(logging.INFO)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(before)


def _prepared(model: onnx.ModelProto) -> onnx.ModelProto:
    with tempfile.TemporaryDirectory() as folder:
        # By path: with a ModelProto, ONNX Runtime 1.31 writes external data and cannot read it.
        given, prepared = Path(folder) / "given.onnx", Path(folder) / "prepared.onnx"
        onnx.save(model, given)
        quant_pre_process(given, prepared, skip_symbolic_shape=True)
        return onnx.load(prepared)


def _fixed(interval: Range) -> dict[str, Any]:
    return {
        "quant_type": QuantType.QUInt8,
        "rmin": np.float32(interval.low),
        "rmax": np.float32(interval.high),
    }
