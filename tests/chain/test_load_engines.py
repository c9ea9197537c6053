"""The same bundle on every engine: the same verdicts."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

pytest.importorskip("ai_edge_litert", reason="pip install 'outfeed[litert]'")
pytest.importorskip("openvino", reason="pip install 'outfeed[openvino]'")

from edge.bundle import parse_bundle
from edge.chain.inspector import Inspector
from edge.chain.load import CLASSIFIER_BATCH, build_inspector, prove
from edge.engines.registry import ENGINES, EngineChoice
from edge.errors import BundleError
from edge.records import Decision, Frame
from tests.engines.both import both_formats
from tests.support import tflite
from tests.support.bundles import BLOCK_PX, CLEAN, FAINT, HOLE, STAIN, bundle_bytes, picture

BOTH = parse_bundle(both_formats())


def chain(name: str, bundle: Any = BOTH) -> Inspector:
    return build_inspector(bundle, now_ns=time.monotonic_ns, engine=EngineChoice(name))


def judged(inspector: Inspector, pixels: Any) -> tuple[Decision, list[tuple[str, list[int]]]]:
    verdict = inspector.inspect(Frame(1, 1, 0, 0, pixels))
    boxes = [
        (defect.kind, [defect.region.box.left, defect.region.box.top]) for defect in verdict.defects
    ]
    return verdict.decision, boxes


@pytest.mark.parametrize("name", list(ENGINES))
def test_every_engine_proves_itself(name: str) -> None:
    inspector = chain(name)
    prove(BOTH, inspector, EngineChoice(name))
    assert judged(inspector, CLEAN) == (Decision.PASS, [])
    assert judged(inspector, HOLE) == (Decision.REJECT, [("hole", [40, 30])])
    assert judged(inspector, STAIN) == (Decision.REJECT, [("stain", [80, 50])])
    assert judged(inspector, FAINT) == (Decision.PASS, [])


@pytest.mark.parametrize("name", list(ENGINES))
def test_more_regions_than_one_batch_holds(name: str) -> None:
    spots = [(40 + 100 * i, 40 + 100 * j) for j in range(4) for i in range(5)]
    assert len(spots) * 5 > 2 * CLASSIFIER_BATCH
    # Holes and stains in turn, no two in one window: kinds must not be mixed up.
    kinds = ["hole" if number % 2 else "stain" for number in range(len(spots))]
    shades = {"hole": 0, "stain": 50}
    marks = [(x, y, x + 8, y + 8, shades[kind]) for (x, y), kind in zip(spots, kinds, strict=True)]
    frame = picture(*marks, size=(400, 500))
    wanted = [(kind, list(spot)) for spot, kind in zip(spots, kinds, strict=True)]
    decision, found = judged(chain(name), frame)
    assert (decision, sorted(found)) == (Decision.REJECT, sorted(wanted))


@pytest.mark.parametrize("name", list(ENGINES))
@pytest.mark.parametrize("size", [(96, 128), (60, 70), (96, 64), (150, 300)])
def test_frames_of_other_sizes(name: str, size: tuple[int, int]) -> None:
    """Smaller ones are reflected where the network has one shape; larger ones are cut up."""
    frame = picture((20, 16, 36, 28, 0), (44, 40, 56, 52, 50), size=size)
    assert judged(chain(name), frame) == judged(chain("ort"), frame)


@pytest.mark.parametrize("name", ["ort", "openvino"])
@pytest.mark.parametrize("precision", ["int8", "float32"])
@pytest.mark.parametrize("channels", [1, 3])
def test_precision_and_colour(name: str, precision: Any, channels: Any) -> None:
    bundle = parse_bundle(bundle_bytes(precision=precision, channels=channels))
    prove(bundle, chain(name, bundle), EngineChoice(name))


def test_a_classifier_that_takes_one_block() -> None:
    """The export may choose any batch for the file."""
    networks = {"classifier.tflite": tflite.dark_classifier(1, BLOCK_PX)}
    bundle = parse_bundle(both_formats(networks=networks))
    prove(bundle, chain("litert", bundle), EngineChoice("litert"))


def test_a_stale_network_is_refused() -> None:
    """A detector that was trained otherwise: its scale is twice that of the manifest."""
    networks = {"detector.tflite": tflite.dark_detector(96, 128, 0.1)}
    bundle = parse_bundle(both_formats(networks=networks))
    with pytest.raises(BundleError, match=r"golden/hole\.png: detect: severity 6\.00 in block"):
        prove(bundle, chain("litert", bundle), EngineChoice("litert"))
    prove(bundle, chain("ort", bundle), EngineChoice("ort"))  # its own networks are whole


def test_a_network_for_another_shape_is_refused() -> None:
    networks = {"detector.tflite": tflite.dark_detector(64, 128, 0.05)}
    bundle = parse_bundle(both_formats(networks=networks))
    with pytest.raises(BundleError, match="is 1×64×128×1; expected n×96×128×1"):
        chain("litert", bundle)


def test_two_chains_give_the_same_bytes() -> None:
    for name in ENGINES:
        maps = [
            chain(name).examine(Frame(1, 1, 0, 0, HOLE)).severity.values.tobytes() for _ in "ab"
        ]
        assert maps[0] == maps[1]
        assert np.frombuffer(maps[0], np.uint8).max() == 240
