"""float ONNX → int8 ONNX: static QDQ, weights int8 per channel, activations uint8.

int8 activations would leave the convolutions in float on x86 (ONNX Runtime). Two calibrations are
offered, since neither is the better one on every network: min-max never clips, and the 99.999th
percentile resolves finer where one outlier would stretch a range. `export.pack` tries both. Biases
are corrected for the rounding of the weights (export/bias.py).
"""

from __future__ import annotations

import contextlib
import io
import logging
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import onnx
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

from export.bias import correct_bias
from export.float_onnx import NORMALISED, RAW
from models.networks import PIXEL_SCALE, PIXEL_ZERO_POINT

Calibration = Literal["minmax", "percentile"]
CALIBRATIONS: tuple[Calibration, ...] = ("minmax", "percentile")
CORRECTION_FRAMES = 32  # a mean per channel needs no more
_METHODS = {"minmax": CalibrationMethod.MinMax, "percentile": CalibrationMethod.Percentile}


@dataclass(frozen=True, slots=True)
class Range:
    """The interval of a tensor that uint8 resolves; what lies outside is clipped."""

    low: float
    high: float


PIXEL_RANGE = Range(-PIXEL_ZERO_POINT * PIXEL_SCALE, (255 - PIXEL_ZERO_POINT) * PIXEL_SCALE)


class _Reader(CalibrationDataReader):  # type: ignore[misc]
    """Frames as the network takes them, made one at a time; of a range of them, if one is set."""

    def __init__(self, frames: Sequence[npt.NDArray[np.uint8]]) -> None:
        self._frames = frames
        self._next, self._end = 0, len(frames)

    def __len__(self) -> int:
        return len(self._frames)

    def set_range(self, start_index: int, end_index: int) -> None:
        self._next, self._end = start_index, end_index

    def get_next(self) -> dict[str, npt.NDArray[np.float32]] | None:
        if self._next >= self._end:
            return None
        frame = self._frames[self._next]
        self._next += 1
        planes = frame[None, None] if frame.ndim == 2 else frame.transpose(2, 0, 1)[None]
        normalised = (planes.astype(np.float32) - PIXEL_ZERO_POINT) * np.float32(PIXEL_SCALE)
        return {NORMALISED: normalised}


def quantise(
    model: onnx.ModelProto,
    frames: Sequence[npt.NDArray[np.uint8]],
    raw_range: Range | None,
    calibration: Calibration = "minmax",
) -> onnx.ModelProto:
    """The int8 network with `normalised` in and `raw` out, both still float at the graph's ends.

    frames: uint8 H×W or H×W×3, all of one size that the network takes. raw_range: fixes the
    resolution of the output; None takes it from the frames. Memory does not grow with their number.
    """
    overrides = {NORMALISED: [_fixed(PIXEL_RANGE)]}
    if raw_range is not None:
        overrides[RAW] = [_fixed(raw_range)]
    extra = {
        "TensorQuantOverrides": overrides,
        # The range of a ReLU's output must not be mirrored below zero, which is ORT's default
        # for percentiles and costs a bit; and the key is CalibPercentile, others are ignored.
        "CalibTensorRangeSymmetric": False,
        "CalibPercentile": 99.999,
        # For percentiles too, despite its name: a histogram takes in a frame and lets its
        # activations go. All at once they were 21 GB of the paper's network.
        "CalibStridedMinMax": 1,
    }
    logging.getLogger().setLevel(max(logging.getLogger().level, logging.INFO))
    with tempfile.TemporaryDirectory() as folder:
        # By path: given a ModelProto, ORT 1.31 writes external data where it cannot read it again.
        given, prepared, quantised = (Path(folder) / f"{name}.onnx" for name in ("a", "b", "c"))
        onnx.save(model, given)
        quant_pre_process(given, prepared, skip_symbolic_shape=True)
        # ORT prints a line for every histogram.
        with contextlib.redirect_stdout(io.StringIO()):
            quantize_static(
                prepared,
                quantised,
                _Reader(frames),
                quant_format=QuantFormat.QDQ,
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                calibrate_method=_METHODS[calibration],
                extra_options=extra,
            )
        feeds = _Reader(frames[:CORRECTION_FRAMES])
        return correct_bias(onnx.load(prepared), onnx.load(quantised), iter(feeds.get_next, None))


def _fixed(interval: Range) -> dict[str, Any]:
    return {
        "quant_type": QuantType.QUInt8,
        "rmin": np.float32(interval.low),
        "rmax": np.float32(interval.high),
    }
