"""The shipped bundles in stripes: the map of one run over the whole frame, byte for byte."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.bundle import read_bundle
from edge.chain.stripes.detector import StripedDetector
from edge.chain.stripes.network import stripe_network
from edge.engines.registry import EngineChoice
from edge.engines.workers import Workers
from tests.chain.stripes.frames import require_equal, surface

ZOO = Path(__file__).resolve().parents[3] / "models" / "zoo"


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", ["textures-lean", "textures-nano"])
def test_a_stripe_has_the_cells_of_the_whole_frame(name: str, threads: int) -> None:
    bundle = read_bundle(ZOO / f"{name}.outfeed")
    network = stripe_network(bundle, EngineChoice("ort"))
    detector = StripedDetector(network, Workers(threads), max_run_px=480 * 480)
    plan = require_equal(network, detector, surface(611, 749))
    assert len(plan.rows) > 1
    assert len(plan.cols) > 1
