"""OpenVINO on the CPU: Intel's and Arm's."""

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
    """What runs the networks, with its version."""
    return f"openvino {ov.__version__.partition('-')[0]}"


class OpenVinoEngine:
    """An ``Engine`` on OpenVINO's CPU plugin.

    model: an ONNX file's bytes with one uint8 input batch×height×width×C and one output, uint8 or
    float32. Every dimension is fixed here: with a free batch, blocks took twice the time (0.71
    against 0.35 ms for five), so a larger count takes runs of ``group`` inputs. Raises BundleError
    when OpenVINO refuses the model or the shapes do not fit.
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
        del dequantise  # an ONNX network gives what it was exported to give
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
            raise BundleError(f"the network does not take {given}: {_shape(graph.inputs[0])}")
        try:
            graph.reshape(list(shape))
            compiled = _core().compile_model(graph, "CPU", _settings(threads))
            made = tuple(compiled.output(0).shape)
        except Exception as error:
            raise BundleError(f"the network does not take {given}: {_line(error)}") from error
        if made[:1] != (group,):
            raise BundleError(f"the network makes {made} of {given}; expected {group}×…")
        self._request = compiled.create_infer_request()
        self._group = group
        # Whole groups; what lies beyond the batch is computed with the last group and not given.
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
                source, found = self._tensors[number]
                self._request.set_input_tensor(source)
                self._request.set_output_tensor(found)
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
        # Else bfloat16 where the processor has it: another severity than the golden frames'.
        "INFERENCE_PRECISION_HINT": "f32",
        # The cores are the scheduler's: a pinned worker shares its core with the rejector.
        "ENABLE_CPU_PINNING": False,
    }


def _type(port: ov.ConstOutput) -> str:
    return str(port.get_element_type().get_type_name())


def _shape(port: ov.ConstOutput) -> str:
    return f"its input is {port.get_partial_shape()}"


def _line(error: Exception) -> str:
    """What OpenVINO's account of itself lists (operations it does not know), else its last line:
    the first ones are its source files."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    listed = [line.removeprefix("-- ") for line in lines if line.startswith("-- ")]
    return (listed or lines[-1:] or [type(error).__name__])[0]
