"""Small .tflite files for tests, written with the schema that LiteRT ships: static shapes, int8
with per-channel weights, as an exporter makes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

flatbuffers = pytest.importorskip(
    "flatbuffers", reason="LiteRT is not installed: pip install 'outfeed[litert]'"
)
schema: Any = pytest.importorskip(
    "ai_edge_litert.schema_py_generated",
    reason="LiteRT is not installed: pip install 'outfeed[litert]'",
)

TYPES = {
    np.dtype(np.int8): schema.TensorType.INT8,
    np.dtype(np.uint8): schema.TensorType.UINT8,
    np.dtype(np.int16): schema.TensorType.INT16,
    np.dtype(np.int32): schema.TensorType.INT32,
    np.dtype(np.float32): schema.TensorType.FLOAT32,
}
PIXELS = (1.0, -128)  # scale and zero point by which int8 stands for grey 0 to 255


@dataclass(frozen=True)
class Tensor:
    """index: its place in the file. real = scale * (stored - zero_point)."""

    index: int
    shape: tuple[int, ...]
    scale: float
    zero_point: int


class Network:
    """Operators in the order in which they are added; ``data`` is the file."""

    def __init__(self) -> None:
        self._tensors: list[Any] = []
        self._buffers: list[Any] = [schema.BufferT()]  # buffer 0 is "no data"
        self._codes: list[Any] = []
        self._operators: list[Any] = []
        self._inputs: list[int] = []

    def input(
        self, shape: Sequence[int], *, kind: Any = np.int8, quantised: tuple[float, int] = PIXELS
    ) -> Tensor:
        tensor = self._tensor(shape, kind, quantised)
        self._inputs.append(tensor.index)
        return tensor

    def conv(
        self,
        source: Tensor,
        weights: NDArray[np.float64],
        bias: NDArray[np.float64],
        quantised: tuple[float, int],
        *,
        stride: int = 1,
        relu: bool = False,
    ) -> Tensor:
        """weights: out×height×width×in, real numbers; rounded to int8 per channel here."""
        scales = np.maximum(np.abs(weights).max((1, 2, 3)), 1e-6) / 127
        stored = np.round(weights / scales[:, None, None, None]).astype(np.int8)
        sides = (source.shape[1] // stride, source.shape[2] // stride)
        options = schema.Conv2DOptionsT()
        options.padding = schema.Padding.SAME
        options.strideH = options.strideW = stride
        options.fusedActivationFunction = int(relu)
        return self._operator(
            schema.BuiltinOperator.CONV_2D,
            (schema.BuiltinOptions.Conv2DOptions, options),
            [
                source,
                self._constant(stored, scales),
                self._constant(
                    np.round(bias / scales / source.scale).astype(np.int32), scales * source.scale
                ),
            ],
            (source.shape[0], *sides, len(weights)),
            quantised,
        )

    def dense(
        self,
        source: Tensor,
        weights: NDArray[np.float64],
        bias: NDArray[np.float64],
        quantised: tuple[float, int],
    ) -> Tensor:
        """weights: out×in, real numbers; rounded to int8 here, one scale for all."""
        scale = np.abs(weights).max() / 127
        whole = np.array([scale])
        options = (
            schema.BuiltinOptions.FullyConnectedOptions,
            schema.FullyConnectedOptionsT(),
        )
        inputs = [
            source,
            self._constant(np.round(weights / scale).astype(np.int8), whole),
            self._constant(
                np.round(bias / scale / source.scale).astype(np.int32), whole * source.scale
            ),
        ]
        code = schema.BuiltinOperator.FULLY_CONNECTED
        return self._operator(code, options, inputs, (source.shape[0], len(weights)), quantised)

    def average_pool(self, source: Tensor, side: int) -> Tensor:
        """Windows of side × side, as far apart."""
        options = schema.Pool2DOptionsT()
        options.filterHeight = options.filterWidth = options.strideH = options.strideW = side
        options.padding = schema.Padding.VALID
        batch, height, width, channels = source.shape
        return self._operator(
            schema.BuiltinOperator.AVERAGE_POOL_2D,
            (schema.BuiltinOptions.Pool2DOptions, options),
            [source],
            (batch, height // side, width // side, channels),
            (source.scale, source.zero_point),
        )

    def reduce(
        self,
        source: Tensor,
        how: str,
        axes: Sequence[int],
        quantised: tuple[float, int] | None = PIXELS,
    ) -> Tensor:
        """Reduce over the axes, which are dropped. how: MEAN or REDUCE_MIN."""
        options = schema.ReducerOptionsT()
        options.keepDims = False
        kept = tuple(side for axis, side in enumerate(source.shape) if axis not in axes)
        return self._operator(
            getattr(schema.BuiltinOperator, how),
            (schema.BuiltinOptions.ReducerOptions, options),
            [source, self._constant(np.array(axes, np.int32))],
            kept,
            quantised,
        )

    def quantise(self, source: Tensor, kind: Any, quantised: tuple[float, int]) -> Tensor:
        """To another type, scale or zero point."""
        options = (schema.BuiltinOptions.QuantizeOptions, schema.QuantizeOptionsT())
        code = schema.BuiltinOperator.QUANTIZE
        return self._operator(code, options, [source], source.shape, quantised, kind=kind)

    def dequantise(self, source: Tensor) -> Tensor:
        options = (schema.BuiltinOptions.DequantizeOptions, schema.DequantizeOptionsT())
        code = schema.BuiltinOperator.DEQUANTIZE
        return self._operator(code, options, [source], source.shape, None, kind=np.float32)

    def data(self, *outputs: Tensor) -> bytes:
        """The file's bytes."""
        graph = schema.SubGraphT()
        graph.tensors, graph.operators = self._tensors, self._operators
        graph.inputs, graph.outputs = self._inputs, [output.index for output in outputs]
        model = schema.ModelT()
        model.version = 3
        model.operatorCodes, model.subgraphs, model.buffers = self._codes, [graph], self._buffers
        builder = flatbuffers.Builder(4096)
        builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
        return bytes(builder.Output())

    def _operator(
        self,
        code: int,
        options: tuple[int, Any],
        inputs: list[Tensor],
        shape: Sequence[int],
        quantised: tuple[float, int] | None,
        *,
        kind: Any = np.int8,
    ) -> Tensor:
        output = self._tensor(shape, kind, quantised)
        entry = schema.OperatorCodeT()
        entry.builtinCode = code
        entry.deprecatedBuiltinCode = min(code, 127)
        entry.version = 1
        self._codes.append(entry)
        operator = schema.OperatorT()
        operator.opcodeIndex = len(self._codes) - 1
        operator.inputs, operator.outputs = [each.index for each in inputs], [output.index]
        operator.builtinOptionsType, operator.builtinOptions = options
        self._operators.append(operator)
        return output

    def _tensor(
        self, shape: Sequence[int], kind: Any, quantised: tuple[float, int] | None, buffer: int = 0
    ) -> Tensor:
        tensor = schema.TensorT()
        tensor.name = f"t{len(self._tensors)}"
        tensor.shape = list(shape)
        tensor.type = TYPES[np.dtype(kind)]
        tensor.buffer = buffer
        scale, zero_point = quantised or (0.0, 0)
        if quantised:
            tensor.quantization = schema.QuantizationParametersT()
            tensor.quantization.scale, tensor.quantization.zeroPoint = [scale], [zero_point]
        self._tensors.append(tensor)
        return Tensor(len(self._tensors) - 1, tuple(shape), scale, zero_point)

    def _constant(self, values: NDArray[Any], scales: NDArray[np.float64] | None = None) -> Tensor:
        """scales: one for each of the first axis."""
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(values.tobytes(), np.uint8)
        self._buffers.append(buffer)
        tensor = self._tensor(values.shape, values.dtype, None, len(self._buffers) - 1)
        if scales is not None:
            quantisation = self._tensors[-1].quantization = schema.QuantizationParametersT()
            quantisation.scale = [float(scale) for scale in scales]
            quantisation.zeroPoint = [0] * len(scales)
            quantisation.quantizedDimension = 0
        return tensor


def means(
    batch: int,
    side: int,
    channels: int,
    *,
    kind: Any = np.int8,
    output: Any = np.int8,
    quantised: tuple[float, int] = PIXELS,
) -> bytes:
    """N×H×W×C → the mean of each channel, N×C, in the type ``output``."""
    network = Network()
    shape = (batch, side, side, channels)
    pixels = network.input(shape, kind=kind, quantised=PIXELS if kind is np.int8 else (1.0, 0))
    if kind is np.uint8:
        pixels = network.quantise(pixels, np.int8, PIXELS)
    found = network.reduce(pixels, "MEAN", [1, 2], PIXELS)
    if output is np.float32:
        return network.data(network.dequantise(found))
    return network.data(network.quantise(found, output, quantised))


def convolutions(side: int, channels: int, seed: int = 0) -> bytes:
    """1×H×W×C → 1×H/2×W/2×1 by three convolutions: something that threads can share."""
    rng = np.random.default_rng(seed)
    network = Network()
    found = network.input((1, side, side, channels))
    for shape, stride in (((16, 3, 3, channels), 2), ((16, 3, 3, 16), 1), ((1, 1, 1, 16), 1)):
        weights = rng.normal(0, 0.1, shape)
        found = network.conv(found, weights, np.zeros(len(weights)), (0.5, -20), stride=stride)
    return network.data(found)


def dark_detector(height: int, width: int, scale: float) -> bytes:
    """The detector of tests/support/bundles.py: severity 12 · (128 − grey) / 128, mean over 2×2
    pixels."""
    network = Network()
    pixels = network.input((1, height, width, 1))
    one = np.ones((1, 1, 1, 1))
    dark = network.conv(pixels, -one, np.array([128.0]), (128 / 255, -128), relu=True)
    cells = network.average_pool(dark, 2)
    severity = network.conv(cells, one * 12 / 128, np.zeros(1), (scale, -128))
    return network.data(severity)


def dark_classifier(batch: int, size_px: int) -> bytes:
    """The classifier of tests/support/bundles.py: logits of background, hole and stain by the
    darkest pixel."""
    network = Network()
    pixels = network.input((batch, size_px, size_px, 1))
    darkest = network.reduce(pixels, "REDUCE_MIN", [1, 2])
    weights, bias = np.array([[0.0], [-0.3], [-0.1]]), np.array([0, 12.4, 6.8])
    return network.data(network.dense(darkest, weights, bias, (0.3, 86)))
