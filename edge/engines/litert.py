"""The engine LiteRT (TensorFlow Lite) on the CPU."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.engines.engine import require_count
from edge.errors import BundleError

try:
    from ai_edge_litert.interpreter import Interpreter

    _PACKAGE = "ai-edge-litert"
except ImportError:
    # The predecessor of LiteRT, last version 2.14: for boards without a newer package.
    from tflite_runtime.interpreter import Interpreter

    _PACKAGE = "tflite-runtime"

# int8 is uint8 with the sign bit inverted: value - 128.
_SIGN = np.uint8(0x80)
_INPUTS = (np.int8, np.uint8)
_OUTPUTS = (np.int8, np.uint8, np.float32)


def package() -> str:
    """Return the name and the version of the package that runs the networks."""
    return f"{_PACKAGE} {version(_PACKAGE)}"


class LiteRtEngine:
    """An ``Engine`` on LiteRT, with the integer kernels of XNNPACK.

    model: bytes of a .tflite file with one input n×height×width×C of static shape, int8 or uint8,
    and one output, int8, uint8 or float32. n may be smaller than ``batch``; then a run invokes the
    network several times. An int8 output is returned as uint8, with 128 added to value and zero
    point. ``dequantise`` returns float32 instead, by the scale and zero point of the output.

    Raises BundleError when LiteRT refuses the model or the shapes do not match. LiteRT itself
    writes one line about its delegate to stderr.
    """

    def __init__(
        self,
        model: bytes,
        *,
        batch: int,
        height: int,
        width: int,
        channels: int,
        threads: int = 1,
        group: int = 1,
        dequantise: bool = False,
    ) -> None:
        del group  # the batch of the file is fixed
        try:
            self._interpreter = Interpreter(model_content=model, num_threads=threads)
            self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise BundleError(f"LiteRT refuses the network: {_line(error)}") from error
        inputs = self._interpreter.get_input_details()
        outputs = self._interpreter.get_output_details()
        if len(inputs) != 1 or len(outputs) != 1:
            raise BundleError("the network must have one input and one output")
        source, output = inputs[0], outputs[0]
        if source["dtype"] not in _INPUTS:
            raise BundleError(f"the network's input is {_name(source)}; expected int8 or uint8")
        if output["dtype"] not in _OUTPUTS:
            raise BundleError(
                f"the network's output is {_name(output)}; expected int8, uint8 or float32"
            )
        taken = tuple(int(side) for side in source["shape"])
        if len(taken) != 4 or taken[1:] != (height, width, channels):
            raise BundleError(
                f"the network's input is {'×'.join(map(str, taken))}; "
                f"expected n×{height}×{width}×{channels}"
            )
        self._chunk = taken[0]
        self._in_signed, self._out_type = source["dtype"] is np.int8, output["dtype"]
        # These are functions, because a view of a tensor must not exist during the next run.
        self._source = self._interpreter.tensor(source["index"])
        self._found = self._interpreter.tensor(output["index"])
        scale, zero_point = output["quantization"]
        self._scale, self._zero_point = np.float32(scale), np.float32(zero_point)
        self._dequantise = dequantise and self._out_type is not np.float32
        if self._dequantise and not scale > 0:
            raise BundleError(
                "the network's output has no scale, so its scores cannot be calculated"
            )
        self._input = np.zeros((batch, height, width, channels), np.uint8)
        self._interpreter.invoke()
        shape = self._found().shape
        if shape[:1] != (self._chunk,):
            raise BundleError(
                f"the network's output is {shape} for {taken}; expected {self._chunk}×…"
            )
        floats = self._dequantise or self._out_type is np.float32
        kind: Any = np.float32 if floats else np.uint8
        self._output: NDArray[np.uint8] | NDArray[np.float32] = np.zeros((batch, *shape[1:]), kind)

    @property
    def input(self) -> NDArray[np.uint8]:
        return self._input

    def run(self, count: int | None = None) -> NDArray[np.uint8] | NDArray[np.float32]:
        n = require_count(count, len(self._input))
        for start in range(0, n, self._chunk):
            end = min(start + self._chunk, n)
            self._fill(self._input[start:end])
            self._interpreter.invoke()
            self._take(self._output[start:end])
        return self._output[:n]

    def _fill(self, pixels: NDArray[np.uint8]) -> None:
        """Copy pixels into the first inputs of the interpreter; the others stay as they were."""
        target = self._source()[: len(pixels)]
        if self._in_signed:
            np.bitwise_xor(pixels, _SIGN, out=target.view(np.uint8))
        else:
            np.copyto(target, pixels)

    def _take(self, target: NDArray[Any]) -> None:
        """Copy the first outputs of the interpreter into the target, converted if necessary."""
        output = self._found()[: len(target)]
        if self._dequantise:
            np.subtract(output, self._zero_point, out=target)
            np.multiply(target, self._scale, out=target)
        elif self._out_type is np.int8:
            np.bitwise_xor(output.view(np.uint8), _SIGN, out=target)
        else:
            np.copyto(target, output)


def _name(detail: dict[str, Any]) -> str:
    return str(np.dtype(detail["dtype"]))


def _line(error: Exception) -> str:
    """Return an error of LiteRT as one line."""
    return " ".join(str(error).split()) or type(error).__name__
