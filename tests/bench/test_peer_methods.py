"""`make bench` with --methods: networks of other methods have the published numbers of weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed: pip install torch")
pytest.importorskip("onnxscript")
import torch
from torch import nn

from bench.peers.measure import Row
from bench.peers.methods import NETWORKS, OWN, fastest, methods
from bench.peers.networks.blocks import fused, weights_of
from bench.peers.networks.efficientad import EfficientAD
from bench.peers.networks.features import FeatureLayers, PaDiM, PatchCore
from bench.peers.networks.segmentation import MobileNetV2, SegDecNet
from bench.peers.networks.yolo import YoloSegmentation
from bench.peers.report import write_front
from bench.timing import Spread
from models.networks import mmac


def _detection_of_yolo() -> nn.Module:
    """YOLO11n, without masks. Its 16 weights that turn bins into lengths are constants here."""
    network = YoloSegmentation(80)
    network.coefficients, network.prototypes = nn.ModuleList(), nn.Identity()
    return network


@pytest.mark.parametrize(
    ("make", "weights"),
    [
        (MobileNetV2, 3_504_872 - 1_281_000),  # without the layer of 1,000 kinds
        (lambda: YoloSegmentation(80), 2_876_848 - 16),
        (_detection_of_yolo, 2_624_080 - 16),
    ],
    ids=["MobileNetV2", "YOLO11n-seg", "YOLO11n"],
)
def test_the_number_of_weights_is_the_published_one(
    make: Callable[[], nn.Module], weights: int
) -> None:
    assert weights_of(make()) == weights


@pytest.mark.parametrize(
    ("make", "millions"),
    [(SegDecNet, 15.7), (EfficientAD, 8.1), (lambda: EfficientAD(medium=True), 20.7)],
    ids=["SegDecNet", "EfficientAD-S", "EfficientAD-M"],
)
def test_it_is_so_to_a_tenth_of_a_million(make: Callable[[], nn.Module], millions: float) -> None:
    assert weights_of(make()) / 1e6 == pytest.approx(millions, abs=0.05)


@pytest.mark.parametrize(
    ("make", "shapes"),
    [
        (EfficientAD, [(1, 1, 56, 56)]),
        (lambda: PaDiM(64), [(1, 1, 16, 16)]),
        (lambda: PatchCore(64, 30), [(1, 1, 8, 8)]),
        (NETWORKS["SuperSimpleNet, ResNet18"], [(1, 1, 16, 16), (1, 1)]),
        (SegDecNet, [(1, 1, 8, 8), (1, 1)]),
        (NETWORKS["U-Net, MobileNetV2"], [(1, 1, 64, 64)]),
        (YoloSegmentation, [(1, 97, 8, 8), (1, 97, 4, 4), (1, 97, 2, 2), (1, 32, 16, 16)]),
    ],
    ids=["EfficientAD", "PaDiM", "PatchCore", "SuperSimpleNet", "SegDecNet", "U-Net", "YOLO"],
)
def test_a_network_without_its_normalisations_is_the_same(
    make: Callable[[], nn.Module], shapes: list[tuple[int, ...]]
) -> None:
    torch.manual_seed(0)
    network = make().eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean = torch.randn(module.num_features)
            module.running_var = torch.rand(module.num_features) + 0.5
    side = 256 if make is EfficientAD else 64
    pixels = torch.randn(1, 3, side, side)
    with torch.no_grad():
        wanted = network(pixels)
        found = fused(network)(pixels)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in network.modules())
    wanted, found = ([each] if isinstance(each, torch.Tensor) else each for each in (wanted, found))
    assert [tuple(each.shape) for each in found] == shapes
    for one, other in zip(found, wanted, strict=True):
        scale = float(other.abs().max())
        np.testing.assert_allclose(one, other, atol=1e-3 * scale + 1e-6)


def test_the_nearest_vector_is_that_of_a_search() -> None:
    torch.manual_seed(0)
    network = PatchCore(64, 30).eval()
    pixels = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        _, fine, coarse = (nn.functional.avg_pool2d(x, 3, 1, 1) for x in network.backbone(pixels))
        enlarged = nn.functional.interpolate(coarse, size=fine.shape[2:], mode="bilinear")
        cells = torch.cat([fine, enlarged], 1)[0].flatten(1).T
        bank = network.bank
        assert isinstance(bank, torch.Tensor)
        wanted = torch.cdist(cells, bank.T).amin(1)
        found = network(pixels).flatten()
    np.testing.assert_allclose(found, wanted, rtol=1e-3)


def test_matrix_products_count() -> None:
    network = PatchCore(256, 1000)
    assert network.products_mmac == pytest.approx(32 * 32 * 384 * 1000 / 1e6)
    by_name = {each.name: each for each in methods()}
    found = by_name["PaDiM, ResNet18, ONNX Runtime float32"].mmac
    assert found == pytest.approx(
        mmac(FeatureLayers("resnet18"), 3, 256) + 64 * 64 * 100 * 100 / 1e6
    )


def test_every_engine_runs_every_precision() -> None:
    names = [each.name for each in methods()]
    # Rounded distances would be fast and useless.
    assert len(names) == len(set(names)) == 4 * len(NETWORKS) - 2 * 2 + 2 * len(OWN)
    assert not any("PatchCore" in name and "int8" in name for name in names)
    assert all(f"SegDecNet, {engine} int8" in names for engine in ("ONNX Runtime", "OpenVINO"))


@pytest.mark.parametrize(
    "name",
    [
        "YOLO11n-seg, ONNX Runtime float32",
        "YOLO11n-seg, ONNX Runtime int8",
        "YOLO11n-seg, OpenVINO int8",
        "nano of Outfeed, whole chain, ONNX Runtime int8",
    ],
)
def test_a_candidate_runs(name: str) -> None:
    if "OpenVINO" in name:
        pytest.importorskip("openvino", reason="openvino is not installed")
    candidate = next(each for each in methods() if each.name == name)
    assert candidate.prepare()() is not None


def test_the_front_has_the_fastest_engine_and_the_published_figure(tmp_path: Path) -> None:
    def timed(name: str, ms: float) -> Row:
        return Row(name, None, None, (256, 256), Spread(10, ms, ms, ms, ms))

    rows = [
        timed("EfficientAD-S, ONNX Runtime float32", 9.0),
        timed("EfficientAD-S, OpenVINO int8", 3.0),
        timed("PatchCore, ResNet18, OpenVINO float32", 5.0),
        timed("SegDecNet, OpenVINO int8", 1.0),
        Row("EfficientAD-M, OpenVINO int8", None, None, (256, 256), absent="no engine"),
    ]
    found = fastest(rows)
    assert found == {"EfficientAD-S": (3.0, 0.988), "PatchCore, ResNet18": (5.0, 0.973)}
    path = write_front(tmp_path, found)
    text = path.read_text(encoding="utf-8")
    ElementTree.fromstring(text)
    assert "EfficientAD-S" in text
    assert "PatchCore, ResNet18" in text
