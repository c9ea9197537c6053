"""One chain against another: every figure moves with what it stands for, and has its limit."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx", reason="onnx is not installed: pip install 'outfeed[export]'")
pytest.importorskip("scipy", reason="scipy is not installed: pip install 'outfeed[train]'")

from edge.bundle import ChainManifest, KindManifest, RuleManifest, parse_bundle
from edge.chain.inspector import Inspector
from edge.chain.load import build_inspector
from edge.records import Box
from export.errors import ExportError
from export.parity import Parity, ParityLimits, box_iou, compare, faults, require
from tests.support.bundles import CLEAN, HOLE, KINDS, STAIN, bundle_bytes, picture

FRAMES = [("clean.png", CLEAN, False), ("hole.png", HOLE, True), ("stain.png", STAIN, True)]


def chain(**options: Any) -> Inspector:
    bundle = parse_bundle(bundle_bytes(golden=False, **options))
    return build_inspector(bundle, now_ns=time.monotonic_ns)


def of(candidate: Inspector, frames: list[Any] = FRAMES) -> Parity:
    return compare(chain(), {"it": candidate}, frames, 4.0)["it"]


def test_a_chain_is_itself() -> None:
    parity = of(chain())
    assert parity.frames == 3
    assert (parity.severity_error_max, parity.mask_iou, parity.regions, parity.kinds) == (
        0,
        1,
        1,
        1,
    )
    assert (parity.verdict_agreement, parity.found, parity.missed, parity.new_rejects) == (
        1,
        2,
        0,
        0,
    )
    assert faults(parity, ParityLimits()) == []


def test_severity_differs() -> None:
    parity = of(chain(precision="float32"))
    assert 0 < parity.severity_error_max < 0.05  # the rounding of int8
    assert parity.severity_error_p99 <= parity.severity_error_max
    assert 0 < parity.severity_error_mean < parity.severity_error_max


def test_a_missed_defect() -> None:
    """T = 8 loses the stain: grey 50 is 7.3."""
    parity = of(chain(chain=ChainManifest(threshold=8.0)))
    assert (parity.found, parity.missed, parity.missed_names) == (2, 1, ("stain.png",))
    assert parity.disagreements == ("stain.png",)
    assert parity.missed_share == 0.5
    assert parity.missed_bound == pytest.approx(0.974679, abs=1e-6)  # 1 of 2, 95 %, one-sided
    assert parity.regions == pytest.approx(2 / 3)  # of hole, stain; and of hole


def test_a_good_part_that_only_one_rejects() -> None:
    mark = [("mark.png", HOLE, False)]
    lenient = (KindManifest(name="hole", rule=RuleManifest(reject=False)), KINDS[1])
    harder = of(chain(kinds=lenient), mark)
    assert (harder.found, harder.missed, harder.new_rejects) == (0, 0, 0)
    assert harder.verdict_agreement == 0.0
    softer = compare(chain(kinds=lenient), {"it": chain()}, mark, 4.0)["it"]
    assert (softer.found, softer.missed, softer.new_rejects) == (0, 0, 1)


def test_kinds_differ() -> None:
    parity = of(chain(kinds=KINDS[::-1]))
    assert (parity.regions, parity.kinds) == (1.0, 0.0)


def test_masks_and_regions_differ() -> None:
    shifted = picture((44, 30, 60, 42, 0))
    one, other = chain(), chain()

    class Shifted:
        def examine(self, frame: Any) -> Any:
            return other.examine(replace(frame, pixels=shifted))

    parity = compare(one, {"it": Shifted()}, [("hole.png", HOLE, True)], 4.0)["it"]
    assert parity.mask_iou == pytest.approx(0.6, abs=0.05)
    assert parity.regions == 1.0
    assert parity.verdict_agreement == 1.0


def test_several_candidates_in_one_pass() -> None:
    found = compare(
        chain(), {1: chain(), 2: chain(chain=ChainManifest(threshold=8.0))}, FRAMES, 4.0
    )
    assert (found[1].missed, found[2].missed) == (0, 1)


def test_no_frame_is_an_error() -> None:
    with pytest.raises(ExportError, match="expected at least one validation picture"):
        of(chain(), [])


GOOD = Parity(10, 0.01, 0.2, 0.5, 0.95, 1.0, 1.0, 1.0, 5, 0, 0, (), ())


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"severity_error_p99": 3.0}, "severity error p99 3.00 (limit 2.5)"),
        ({"mask_iou": 0.5}, "mask iou 0.500 (limit 0.8)"),
        ({"regions": 0.7}, "regions 0.700 (limit 0.8)"),
        ({"kinds": 0.8}, "kinds 0.800 (limit 0.9)"),
        (
            {"verdict_agreement": 0.9, "disagreements": ("a.png",)},
            "verdict agreement 0.900 (limit 0.95); verdicts differ at a.png",
        ),
        (
            {"missed": 1, "missed_names": ("b.png",)},
            "1 of 5 rejected parts are passed (limit 0.02; first: b.png)",
        ),
    ],
)
def test_a_figure_over_its_limit_fails_and_is_named(changes: dict[str, Any], says: str) -> None:
    require(GOOD, ParityLimits(), "onnx-int8", "torch-float32")
    with pytest.raises(ExportError) as error:
        require(replace(GOOD, **changes), ParityLimits(), "onnx-int8", "torch-float32")
    assert str(error.value) == f"onnx-int8 does not agree with torch-float32: {says}"


def test_figures_by_name() -> None:
    figures = replace(GOOD, missed=1).as_dict()
    assert figures["missed"] == 1.0
    assert figures["found"] == 5.0
    assert figures["missed_bound"] == pytest.approx(0.6574, abs=1e-4)
    assert "disagreements" not in figures


def test_iou_of_boxes() -> None:
    one = Box(0, 0, 10, 10)
    assert box_iou(one, one) == 1.0
    assert box_iou(one, Box(5, 0, 15, 10)) == pytest.approx(1 / 3)
    assert box_iou(one, Box(10, 0, 20, 10)) == 0.0
    assert np.isclose(box_iou(one, Box(2, 2, 4, 4)), 0.04)
