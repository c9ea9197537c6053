"""The autoencoder and the cascade as the station runs them: int8 ONNX and TFLite against torch."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator
from functools import cache

import numpy as np
import numpy.typing as npt
import pytest

pytest.importorskip("torch", reason="torch is not installed: pip install torch")
pytest.importorskip("onnx", reason="onnx is not installed: pip install 'outfeed[export]'")
import torch

from edge.engines.ort import OrtEngine
from export.errors import ExportError
from export.float_onnx import Tail, export_float, station_graph
from export.quantisation.headroom import overflows
from export.quantisation.quantise import Quantiser, Range
from export.tflite import TfliteJob, convert, tflite_python
from models.methods.autoencoder.network import Autoencoder
from models.methods.cascade.network import CascadeDetector
from models.networks import DetectorNetwork
from models.training.detector import severity_map

SIDE_PX = 64
Frame = npt.NDArray[np.uint8]
NETWORKS = ("autoencoder", "reduced autoencoder", "cascade")


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@cache
def network(name: str) -> DetectorNetwork:
    """With weights as they begin; batch normalisation has seen a few frames."""
    torch.manual_seed(3)
    made: DetectorNetwork = {
        "autoencoder": lambda: Autoencoder(1, width=16, depth=1, skip=8),
        "reduced autoencoder": lambda: Autoencoder(3, width=16, depth=1, reduction=2),
        "cascade": lambda: CascadeDetector(1, width=16, depth=1),
    }[name]()
    channels = 3 if name.startswith("reduced") else 1
    with torch.no_grad():
        made(torch.randn(8, channels, SIDE_PX, SIDE_PX))
    made.eval()
    if isinstance(made, Autoencoder):
        peak = max(float(severity_map(made, frame).max()) for frame in frames(name))
        made.set_unit(peak / 10.0)
    else:
        assert isinstance(made, CascadeDetector)
        assert made.second_head.bias is not None
        with torch.no_grad():
            made.second_head.weight.mul_(8.0)
            made.second_head.bias.fill_(-1.0)
    return made


@cache
def frames(name: str) -> tuple[Frame, ...]:
    """Smooth grey with a plain spot on every other one."""
    rng = np.random.default_rng(0)
    found = []
    for number in range(6):
        y, x = np.mgrid[:SIDE_PX, :SIDE_PX]
        values = 120 + 40 * np.sin(x / rng.uniform(4, 9)) * np.cos(y / rng.uniform(4, 9))
        values += rng.normal(0, 3, values.shape)
        if number % 2:
            values[(x - 30) ** 2 + (y - 24) ** 2 < 60] = 245
        grey = values.clip(0, 255).astype(np.uint8)
        found.append(np.repeat(grey[:, :, None], 3, 2) if name.startswith("reduced") else grey)
    return tuple(found)


def channels(name: str) -> int:
    return 1 if frames(name)[0].ndim == 2 else 3


@pytest.mark.parametrize("name", NETWORKS)
def test_onnx_in_float_and_int8(name: str) -> None:
    some = network(name)
    tail = Tail(some.logistic, some.shuffle)
    in_float = export_float(some, channels(name))
    raw = Range(-8.0, 8.0) if some.logistic else Range(0.0, 12.0)
    int8 = Quantiser(in_float, frames(name), raw).quantise()
    assert not overflows(int8)
    for graph, unit, mean, most in ((in_float, 12.0, 1e-4, 2e-3), (int8, 12 / 255, 0.1, 1.0)):
        engine = OrtEngine(
            station_graph(graph, tail).SerializeToString(),
            batch=1,
            height=SIDE_PX,
            width=SIDE_PX,
            channels=channels(name),
        )
        for frame in frames(name):
            wanted = severity_map(some, frame)
            engine.input[0] = frame.reshape(engine.input.shape[1:])
            error = np.abs(engine.run().reshape(wanted.shape) * unit - wanted)
            assert wanted.max() > 1.0
            assert error.mean() < mean
            assert error.max() < most


# Other networks are converted in test_tflite and in test_decision.
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_tflite_in_int8() -> None:
    if sys.platform == "linux" and platform.machine() != "x86_64":
        pytest.skip(f"the TFLite tool chain has no wheels for {platform.machine()}")
    pytest.importorskip("ai_edge_litert", reason="ai-edge-litert is not installed")
    try:
        tflite_python()
    except ExportError as error:
        pytest.skip(str(error))
    from edge.engines.litert import LiteRtEngine

    made = convert(
        {
            name.replace(" ", "-"): TfliteJob(
                network(name), channels(name), SIDE_PX, SIDE_PX, calibration=frames(name)
            )
            for name in NETWORKS
        }
    )
    for name in NETWORKS:
        file = made[name.replace(" ", "-")]
        assert file.floats == ()
        engine = LiteRtEngine(
            file.data, batch=1, height=SIDE_PX, width=SIDE_PX, channels=channels(name)
        )
        for frame in frames(name):
            wanted = severity_map(network(name), frame)
            engine.input[0] = frame.reshape(engine.input.shape[1:])
            values = engine.run().reshape(wanted.shape).astype(np.float32)
            error = np.abs(file.scale * (values - file.zero_point) - wanted)
            assert error.mean() < 0.1
            assert error.max() < 1.0
