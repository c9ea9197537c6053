"""float ONNX → int8 ONNX: static QDQ, weights int8 per channel, activations uint8, min-max.

The settings are those that keep defects (signal to noise 23 dB on such networks): severity maps are
sparse, and any calibration that clips peaks clips the defects. int8 activations would leave the
convolutions in float on x86 (ONNX Runtime).
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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

from export.float_onnx import NORMALISED, RAW
from models.networks import PIXEL_SCALE, PIXEL_ZERO_POINT


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
    model: onnx.ModelProto, frames: Iterable[npt.NDArray[np.uint8]], raw_range: Range | None
) -> onnx.ModelProto:
    """The int8 network with `normalised` in and `raw` out, both still float at the graph's ends.

    frames: uint8 H×W or H×W×3, all of one size that the network takes. raw_range: fixes the
    resolution of the output; None takes it from the frames.
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
            calibrate_method=CalibrationMethod.MinMax,
            extra_options={"TensorQuantOverrides": overrides},
        )
        return onnx.load(quantised)


def _fixed(interval: Range) -> dict[str, Any]:
    return {
        "quant_type": QuantType.QUInt8,
        "rmin": np.float32(interval.low),
        "rmax": np.float32(interval.high),
    }
