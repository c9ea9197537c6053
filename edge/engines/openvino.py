"""The engine OpenVINO on CPUs of Intel and Arm."""

from __future__ import annotations

import io
from functools import cache

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from edge.engines.engine import require_count
from edge.errors import BundleError

_TYPES = {"u8": np.uint8, "f32": np.float32}


def package() -> str:
    """Return the name and the version of the package that runs the networks."""
    return f"openvino {ov.__version__.partition('-')[0]}"


class OpenVinoEngine:
    """An ``Engine`` on the CPU plugin of OpenVINO.

    model: bytes of an ONNX file with one input batch×height×width×C, uint8, and one output, uint8
    or float32. Every dimension is fixed here: with a free batch, five blocks took 0.71 ms instead
    of 0.35 ms. So a larger count uses several runs of ``group`` inputs.

    Raises BundleError when OpenVINO refuses the model or the shapes do not match.
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
        del dequantise  # an ONNX network returns the type with which it was exported
        shape = (group, height, width, channels)
        given = "×".join(map(str, shape))
        try:
            graph = _core().read_model(io.BytesIO(model))
        except Exception as error:
            raise BundleError(f"OpenVINO refuses the network: {_line(error)}") from error
        if len(graph.inputs) != 1 or len(graph.outputs) != 1 or _type(graph.inputs[0]) != "u8":
            raise BundleError("the network must have one uint8 input and one output")
        output = _type(graph.outputs[0])
        if output not in _TYPES:
            raise BundleError(f"the network's output is {output}; expected u8 or f32")
        if not graph.inputs[0].get_partial_shape().compatible(ov.PartialShape(list(shape))):
            raise BundleError(f"the network does not accept {given}: {_shape(graph.inputs[0])}")
        try:
            graph.reshape(list(shape))
            compiled = _core().compile_model(graph, "CPU", _settings(threads))
            made = tuple(compiled.output(0).shape)
        except Exception as error:
            raise BundleError(f"the network does not accept {given}: {_line(error)}") from error
        if made[:1] != (group,):
            raise BundleError(f"the network's output is {made} for {given}; expected {group}×…")
        self._request = compiled.create_infer_request()
        self._group = group
        # Whole groups. Inputs beyond the batch are computed with the last group and not returned.
        rows = -(-batch // group) * group
        inputs = np.zeros((rows, *shape[1:]), np.uint8)
        outputs = np.zeros((rows, *made[1:]), _TYPES[output])
        self._input, self._output = inputs[:batch], outputs[:batch]
        self._tensors = [
            tuple(
                ov.Tensor(each[start : start + group], shared_memory=True)
                for each in (inputs, outputs)
            )
            for start in range(0, rows, group)
        ]
        self._bound: int | None = None
        self.run(1)

    @property
    def input(self) -> NDArray[np.uint8]:
        return self._input

    def run(self, count: int | None = None) -> NDArray[np.uint8] | NDArray[np.float32]:
        n = require_count(count, len(self._input))
        for number in range(-(-n // self._group)):
            if number != self._bound:
                source, target = self._tensors[number]
                self._request.set_input_tensor(source)
                self._request.set_output_tensor(target)
                self._bound = number
            self._request.infer()
        return self._output[:n]


@cache
def _core() -> ov.Core:
    return ov.Core()


def _settings(threads: int) -> dict[str, object]:
    return {
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": 1,
        "INFERENCE_NUM_THREADS": threads,
        # The default may be bfloat16, with another severity than that of the golden frames.
        "INFERENCE_PRECISION_HINT": "f32",
        # A pinned worker may share its core with the rejector. The scheduler avoids that.
        "ENABLE_CPU_PINNING": False,
    }


def _type(port: ov.ConstOutput) -> str:
    return str(port.get_element_type().get_type_name())


def _shape(port: ov.ConstOutput) -> str:
    return f"its input is {port.get_partial_shape()}"


def _line(error: Exception) -> str:
    """Return an error of OpenVINO as one line.

    It is the first list entry of the message, which names an unknown operation, else the last line.
    The first lines name source files of OpenVINO.
    """
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    listed = [line.removeprefix("-- ") for line in lines if line.startswith("-- ")]
    return (listed or lines[-1:] or [type(error).__name__])[0]
