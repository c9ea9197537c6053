"""The bank of PatchCore in the graph of a station: the map and the score of the part in float."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")

import torch

from edge.bundle.onnx_file import check_onnx
from edge.engines.ort import OrtEngine
from export.float_onnx import export_float, station_graph, tail_of
from models.methods.patchcore.network import BLOCK, PatchCoreDetector
from models.training.detector import severity_and_score


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
