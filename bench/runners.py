"""Calls that run one detector once on one thread, for each runtime."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench.timing import Call
from edge.bundle.manifest import Precision
from edge.engines.ort import OrtEngine
from export.float_onnx import Tail, export_float, station_graph
from export.quantisation.quantise import quantise
from models.networks import DetectorNetwork, normalise

SIDE_PX = 256
PRECISIONS: tuple[Precision, ...] = ("float32", "int8")
Pixels = NDArray[np.uint8]


def noise(channels: int = 1, side_px: int = SIDE_PX) -> Pixels:
    """Return noise, uint8 1×side×side×C. Time does not depend on the content."""
    return np.random.default_rng(0).integers(0, 256, (1, side_px, side_px, channels), np.uint8)


def graphs(
    network: DetectorNetwork, channels: int = 1, precisions: Sequence[Precision] = PRECISIONS
) -> dict[Precision, bytes]:
    """Return ONNX graphs as a station runs them, uint8 pixels in and severity out.

    int8 is quantised on two frames of noise, which suffices for timing.
    """
    exported = export_float(network, channels)
    tail = Tail(network.logistic, network.shuffle)
    models: dict[Precision, bytes] = {}
    for precision in precisions:
        model = exported
        if precision == "int8":
            frame = noise(channels)[0]
            frame = frame[:, :, 0] if channels == 1 else frame
            model = quantise(exported, [frame, frame[::-1]])
        models[precision] = station_graph(model, tail).SerializeToString()
    return models


def run_ort(model: bytes, pixels: Pixels) -> Call:
    """Return a call of ONNX Runtime, as a station's engine runs it."""
    batch, height, width, channels = pixels.shape
    engine = OrtEngine(model, batch=batch, height=height, width=width, channels=channels)
    engine.input[:] = pixels
    return engine.run


def has_openvino() -> bool:
    """Return whether OpenVINO is installed."""
    return importlib.util.find_spec("openvino") is not None


def run_openvino(model: bytes, pixels: Pixels) -> Call:
    """Return a call of OpenVINO on the CPU with its defaults, on the same ONNX file."""
    import openvino

    graph = onnx.load_from_string(model)
    shape: Any = graph.graph.input[0].type.tensor_type.shape.dim
    for dimension, size in zip(shape, pixels.shape, strict=True):
        dimension.ClearField("dim_param")
        dimension.dim_value = size
    core = openvino.Core()
    compiled = core.compile_model(
        core.read_model(graph.SerializeToString()), "CPU", {"INFERENCE_NUM_THREADS": 1}
    )
    request = compiled.create_infer_request()
    return lambda: request.infer([pixels])


def run_torch(network: DetectorNetwork, pixels: Pixels) -> Call:
    """Return a call of PyTorch in eager mode, with the normalisation of training."""
    planes = torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous()

    def run() -> Tensor:
        with torch.inference_mode():
            severity: Tensor = network(normalise(planes))
            return severity

    return run
