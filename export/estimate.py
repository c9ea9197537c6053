"""The seconds that an export will take, from the time of one picture in torch on this machine.

The shares below are those of `make export` on two idle cores of a Xeon with AMX, 2026-11-30. An
estimate is right within a factor of two.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

from edge.records import Frame
from export.chains import torch_chain
from export.options import ExportOptions
from export.quantisation.search import SCHEMES
from export.source import ExportSource
from models.training.device import usable_cores

TRACING_S, CONVERTING_S, CONVERTING_EACH_S = 8.0, 4.0, 10.0
# Time of a picture as a multiple of that in torch.
INT8, CALIBRATED = 0.6, 4.0

TRACING, ONNX, TFLITE = "tracing", "ONNX in int8", "TFLite in int8"
CERTIFYING, CHOOSING = "certificate", "golden frames"


def phases_of(source: ExportSource, options: ExportOptions) -> Mapping[str, float]:
    """Return the expected seconds of the phases of an export, in their order. Blocks for a second.

    Empty where no picture is held back.
    """
    if not source.held_back:
        return {}
    each = _torch_s(source)
    parts = min(options.search_parts, len(source.train))
    held_back = len(source.held_back) + len(source.synthetic)

    def compared(frames: int, builds: int) -> float:
        lanes = min(usable_cores(), builds + 1)
        return frames * each * (1 + INT8 * builds) / lanes

    phases: dict[str, float] = {}
    builds = 1
    if options.precision == "int8" and source.quantised:
        classified = source.classifier is not None
        calibrated = 2 * CALIBRATED * min(options.calibration_frames, len(source.train)) * each
        searched = compared(parts, len(SCHEMES)) + classified * compared(parts, 2)
        phases[TRACING], phases[ONNX] = TRACING_S, calibrated + searched
        builds = 2
        if "tflite" in options.formats and "tflite" in source.formats:
            converted = CONVERTING_S + (2 + classified) * CONVERTING_EACH_S
            phases[TFLITE] = converted + compared(parts, 2)
            builds = 3
    phases[CERTIFYING] = compared(held_back, builds)
    phases[CHOOSING] = compared(len(source.held_back), builds)
    return phases


def _torch_s(source: ExportSource) -> float:
    """Return the seconds of the chain on torch for one held-back picture."""
    chain = torch_chain(source.detector, source.classifier, source.draft, flexible=True)
    frame = Frame(0, 0, 0, 0, source.held_back[len(source.held_back) // 2].pixels)
    chain.examine(frame)  # the first run prepares the network
    began = time.perf_counter()
    chain.examine(frame)
    return time.perf_counter() - began
