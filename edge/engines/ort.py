"""The engine ONNX Runtime on the CPU, or on the devices of its execution providers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from edge.engines.engine import require_count
from edge.errors import BundleError

CPU = "CPUExecutionProvider"
# This optimiser quantises layers that the export kept in float, because int8 loses defects there.
_QUANTISES_FLOAT_LAYERS = "WeightBiasQuantization"
_TYPES = {"tensor(uint8)": np.uint8, "tensor(float)": np.float32}


def package() -> str:
    """Return the name and the version of the package that runs the networks."""
    return f"onnxruntime {ort.__version__}"


def missing_provider(providers: Sequence[str]) -> str | None:
    """Return a reason where the installed ONNX Runtime lacks one of the providers, else None."""
    available = ort.get_available_providers()
    for name in providers:
        if name not in available:
            return f"the installed ONNX Runtime has no {name}; it has {', '.join(available)}"
    return None


class OrtEngine:
    """An ``Engine`` on ONNX Runtime.

    model: bytes of an ONNX file with one input batch×height×width×C, uint8, and one output, uint8
    or float32. Free dimensions are fixed here, so that ONNX Runtime plans its memory once.
    providers: execution providers, the preferred one first. Buffers stay in main memory.

    Raises BundleError when ONNX Runtime refuses the model, when the shapes do not match, or when a
    provider is missing or does not start.
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
        providers: Sequence[str] = (CPU,),
    ) -> None:
        del group, dequantise  # the batch is free, and the output type is that of the export
        missing = missing_provider(providers)
        if missing is not None:
            raise BundleError(missing)
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # Spinning workers would occupy the cores that the rejector and the journal need.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        for name, size in (("height", height), ("width", width)):
            options.add_free_dimension_override_by_name(name, size)
        if batch == 1:
            options.add_free_dimension_override_by_name("batch", 1)
        try:
            self._session = ort.InferenceSession(
                model,
                options,
                providers=list(providers),
                disabled_optimizers=[_QUANTISES_FLOAT_LAYERS],
            )
        except Exception as error:
            raise BundleError(f"ONNX Runtime refuses the network: {_line(error)}") from error
        # ONNX Runtime drops a provider whose libraries are missing, and only logs a line.
        started = self._session.get_providers()
        for name in providers:
            if name not in started:
                raise BundleError(f"{name} does not start; ONNX Runtime has {', '.join(started)}")
        self._bind(batch, height, width, channels)

    def _bind(self, batch: int, height: int, width: int, channels: int) -> None:
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        if len(inputs) != 1 or len(outputs) != 1 or inputs[0].type != "tensor(uint8)":
            raise BundleError("the network must have one uint8 input and one output")
        if outputs[0].type not in _TYPES:
            raise BundleError(f"the network's output is {outputs[0].type}; expected uint8 or float")
        self._input_name, self._output_name = inputs[0].name, outputs[0].name
        self._input = np.zeros((batch, height, width, channels), np.uint8)
        # Try one input and all of them. A network without a free batch fails at one of these
        # counts, here and not at the first defect.
        for count in sorted({1, batch}):
            given = f"{count}×{height}×{width}×{channels}"
            try:
                first = self._session.run(None, {self._input_name: self._input[:count]})[0]
            except Exception as error:
                raise BundleError(f"the network does not accept {given}: {_line(error)}") from error
            if first.shape[:1] != (count,):
                raise BundleError(
                    f"the network's output is {first.shape} for {given}; expected {count}×…"
                )
        self._output = np.zeros(first.shape, _TYPES[outputs[0].type])
        self._binding = self._session.io_binding()
        self._bound: int | None = None

    @property
    def input(self) -> NDArray[np.uint8]:
        return self._input

    def run(self, count: int | None = None) -> NDArray[np.uint8] | NDArray[np.float32]:
        n = require_count(count, len(self._input))
        if n != self._bound:
            for bind, name, buffer in (
                (self._binding.bind_input, self._input_name, self._input),
                (self._binding.bind_output, self._output_name, self._output),
            ):
                bind(name, "cpu", 0, buffer.dtype.type, (n, *buffer.shape[1:]), buffer.ctypes.data)
            self._bound = n
        self._session.run_with_iobinding(self._binding)
        return self._output[:n]


def _line(error: Exception) -> str:
    """Return an error of ONNX Runtime as one line."""
    return next(iter(str(error).splitlines()), type(error).__name__)
