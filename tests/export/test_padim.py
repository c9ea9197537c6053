"""A network with one size of input: its graph, its build, and the frames that a station refuses."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")

import torch

from edge.bundle import DetectorManifest
from edge.bundle.onnx_file import check_onnx
from edge.chain.detect import RegressionDetector
from edge.engines.ort import OrtEngine
from edge.errors import FrameError
from export.float_onnx import export_float, station_graph, tail_of
from export.source import onnx_build
from models.methods.padim.network import PaDiMDetector
from models.networks import build_detector
from models.training.detector import severity_map

HEIGHT, WIDTH = 64, 96


@pytest.fixture(scope="module")
def network() -> PaDiMDetector:
    torch.manual_seed(0)
    made = PaDiMDetector(reduction=1).eval()
    rows, cols = HEIGHT // 4, WIDTH // 4
    made.chosen = torch.randperm(176)[:12].sort().values
    made.mean = torch.randn(12, rows, cols)
    made.whiten = torch.randn(rows * cols, 12, 12)
    made.unit.fill_(5.0)
    return made


@pytest.fixture(scope="module")
def data(network: PaDiMDetector) -> bytes:
    graph = station_graph(export_float(network, 1), tail_of(network))
    return bytes(graph.SerializeToString())


def _detector(data: bytes) -> RegressionDetector:
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
    return RegressionDetector(engine, manifest, scale=12.0)


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


def test_its_build_is_not_flexible(network: PaDiMDetector) -> None:
    assert not onnx_build("float32", False, network).detector.flexible
    assert onnx_build("float32", False, build_detector("nano", 1, 2)).detector.flexible
