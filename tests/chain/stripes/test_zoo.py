"""The shipped bundles in stripes: the map of one run over the whole frame, byte for byte."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge.bundle import read_bundle
from edge.chain.stripes.detector import StripedDetector, StripeNetwork
from edge.chain.stripes.network import stripe_network
from edge.chain.stripes.tflite_reach import reshaped
from edge.engines.registry import EngineChoice
from edge.engines.workers import Workers
from tests.chain.stripes.frames import require_equal, surface, whole_map

ZOO = Path(__file__).resolve().parents[3] / "models" / "zoo"


def network_of(name: str, engine: str) -> StripeNetwork:
    choice = EngineChoice(engine)
    if choice.missing():
        pytest.skip(choice.missing() or "")
    return stripe_network(read_bundle(ZOO / f"{name}.outfeed"), choice)


@pytest.mark.parametrize(
    ("name", "engine", "threads"),
    [
        ("textures-lean", "ort", 1),
        ("textures-lean", "litert", 2),
        ("textures-nano", "ort", 2),
        ("textures-nano", "litert", 1),
        pytest.param("textures-lean", "openvino", 1, marks=pytest.mark.slow),
        pytest.param("textures-nano", "openvino", 2, marks=pytest.mark.slow),
    ],
)
def test_a_stripe_has_the_cells_of_the_whole_frame(name: str, engine: str, threads: int) -> None:
    network = network_of(name, engine)
    detector = StripedDetector(network, Workers(threads), max_run_px=480 * 480)
    plan = require_equal(network, detector, surface(611, 749))
    assert len(plan.rows) > 1
    assert len(plan.cols) > 1


@pytest.mark.parametrize("name", ["textures-lean", "textures-nano"])
def test_both_formats_have_one_reach(name: str) -> None:
    pytest.importorskip("ai_edge_litert")
    onnx, tflite = (network_of(name, engine) for engine in ("ort", "litert"))
    assert (onnx.rows, onnx.cols) == (tflite.rows, tflite.cols)


def test_a_tflite_network_of_another_size_is_the_network_of_the_bundle() -> None:
    """In a corner of the frame the run of the file as it is in the bundle has whole reaches too."""
    network = network_of("textures-nano", "litert")
    side, stride = 256, network.manifest.stride_px
    bundle = read_bundle(ZOO / "textures-nano.outfeed")
    file = EngineChoice("litert").build(bundle).detector.file
    assert reshaped(bundle.files[file], side, side) == bundle.files[file]
    pixels = surface(448, 416, seed=3)
    whole = whole_map(network.shaped, pixels, network.manifest.multiple_px, stride)
    original = (
        EngineChoice("litert")
        .load()
        .make(bundle.files[file], batch=1, height=side, width=side, channels=1)
    )
    near = (side - network.rows.after_px) // stride
    far = (side - network.rows.before_px) // stride
    original.input[0, :, :, 0] = pixels[:side, :side]
    assert (original.run()[0, :near, :near, 0] == whole[:near, :near]).all()
    original.input[0, :, :, 0] = pixels[-side:, -side:]
    assert (original.run()[0, -far:, -far:, 0] == whole[-far:, -far:]).all()
    assert len(np.unique(whole)) > 20


def test_a_shorter_reach_would_be_seen() -> None:
    """The comparison finds the cells that a stripe without their whole reach has."""
    network = network_of("textures-lean", "ort")
    short = replace(network.rows, before_px=96, after_px=96)
    wrong = replace(network, rows=short, cols=short)
    with pytest.raises(AssertionError, match="cells differ"):
        require_equal(
            wrong, StripedDetector(wrong, Workers(1), max_run_px=480**2), surface(611, 749)
        )
