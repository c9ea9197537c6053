"""float ONNX → int8 ONNX: static QDQ, weights int8 per channel, activations uint8.

int8 activations would leave the convolutions in float on x86 (ONNX Runtime). Two calibrations are
offered, since neither is the better one on every network: min-max never clips, and the 99.999th
percentile resolves finer where one outlier would stretch a range. `export.pack` tries both. Biases
are corrected for the rounding of the weights (export/bias.py).
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Sequence
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
    """One frame at a time: memory does not grow with the number of frames."""

    def __init__(self, frames: Iterator[npt.NDArray[np.uint8]]) -> None:
        self._frames = frames

    def get_next(self) -> dict[str, npt.NDArray[np.float32]] | None:
        frame = next(self._frames, None)
        if frame is None:
            return None
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
    resolution of the output; None takes it from the frames. Percentile keeps a histogram per tensor
    and, in ONNX Runtime 1.31, the activations of all frames until it is made: some 10 MB a frame of
    512×512.
    """
    overrides = {NORMALISED: [_fixed(PIXEL_RANGE)]}
    if raw_range is not None:
        overrides[RAW] = [_fixed(raw_range)]
    logging.getLogger().setLevel(max(logging.getLogger().level, logging.INFO))
    with tempfile.TemporaryDirectory() as folder:
        # By path: given a ModelProto, ORT 1.31 writes external data where it cannot read it again.
        given, prepared, quantised = (Path(folder) / f"{name}.onnx" for name in ("a", "b", "c"))
        onnx.save(model, given)
        quant_pre_process(given, prepared, skip_symbolic_shape=True)
        quantize_static(
            prepared,
            quantised,
            _Reader(iter(frames)),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=_METHODS[calibration],
            # The range of a ReLU's output must not be mirrored below zero, which is ORT's default
            # for percentiles and costs a bit; and the key is CalibPercentile, others are ignored.
            extra_options={
                "TensorQuantOverrides": overrides,
                "CalibTensorRangeSymmetric": False,
                "CalibPercentile": 99.999,
            },
        )
        feeds = _Reader(iter(frames[:CORRECTION_FRAMES]))
        return correct_bias(onnx.load(prepared), onnx.load(quantised), iter(feeds.get_next, None))


def _fixed(interval: Range) -> dict[str, Any]:
    return {
        "quant_type": QuantType.QUInt8,
        "rmin": np.float32(interval.low),
        "rmax": np.float32(interval.high),
    }
