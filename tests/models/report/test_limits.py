"""Unknown is not zero: metrics, points and sentences without good or bad parts."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

pytest.importorskip("torch")

from models.data.dataset import DataError, Sample
from models.evaluation.interval import counted, share_of
from models.evaluation.metrics import known, summarise
from models.evaluation.tradeoff import OperatingPoint, choose, operating_point, require_good_in
from models.report.exported import ExportRecord
from models.report.limits import unknowns
from tests.models.report.pages import outcome

BAD = [outcome(f"b{n}", annotated_px=9, hit_px=5, rejected=True, reported=("pit",)) for n in "12"]
GOOD = [outcome("g1"), outcome("g2", rejected=True)]


def test_a_count_of_nobody_is_unknown() -> None:
    bad, good = summarise(BAD), summarise(GOOD)
    assert (bad.escapes, bad.false_rejects) == (0, None)
    assert (good.escapes, good.false_rejects) == (None, 1)
    assert "false_rejects" not in bad.as_dict()
    assert "escapes" not in good.as_dict()
    assert math.isnan(bad.as_measures()["false_rejects"]), "null in a bundle's manifest"
    both = summarise([*BAD, *GOOD])
    assert (both.escapes, both.false_rejects) == (0, 1)


def test_zeros_of_earlier_versions_are_taken_for_what_they_are() -> None:
    old = {"parts": 4.0, "defective": 4.0, "escapes": 0.0, "false_rejects": 0.0}
    assert "false_rejects" not in known(old)
    assert "escapes" not in known({**old, "defective": 0.0})
    assert known({**old, "defective": 3.0}) == {**old, "defective": 3.0}
    record = ExportRecord(
        bundle="b",
        file="b.outfeed",
        precision="int8",
        threshold=4.0,
        keep_severity=None,
        max_false_rejects=None,
        metrics={"onnx-int8": old},
        parity={},
    )
    assert "false_rejects" not in record.metrics["onnx-int8"]


def test_points_say_unknown() -> None:
    alone = operating_point(4.0, summarise(BAD).as_dict())
    assert (alone.escapes, alone.false_rejects, alone.good) == (0, None, 0)
    assert math.isnan(alone.false_reject_rate)
    assert "false rejects unknown" in str(alone)
    assert "escapes unknown" in str(operating_point(4.0, summarise(GOOD).as_dict()))
    assert OperatingPoint(4.0, 0, 5, 0, 0, 0.5).false_rejects is None, "whoever says 0"
    assert (counted(0, 0), counted(None, 3), share_of(0, 0)) == ("unknown",) * 3
    assert share_of(1, 3) == "1 of 3"


def test_a_limit_of_what_nobody_can_count_is_refused() -> None:
    with pytest.raises(DataError, match=r"^--max-false-rejects: no good part to count"):
        choose([OperatingPoint(5.0, 0, 20, None, 0, 0.5)], 0.5)
    with pytest.raises(DataError, match="runs/x"):
        require_good_in({"parts": 4.0, "defective": 4.0}, "runs/x")
    require_good_in({"parts": 4.0, "defective": 3.0}, "runs/x")


def sample(name: str, *kinds: str) -> Sample:
    masks = tuple((kind, Path(f"{name}.png")) for kind in kinds)
    return Sample(name, Path(name), name, kinds=kinds, masks=masks)


def test_sentences() -> None:
    bad = [sample(f"b{n}", "pit") for n in range(20)]
    good = [sample(f"g{n}") for n in range(20)]
    assert unknowns([*bad, *good], ["pit"]) == ()
    (no_good,) = unknowns(bad, ["pit"])
    assert no_good.startswith("False rejects are unknown: no good part")
    (no_bad,) = unknowns(good, [])
    assert no_bad.startswith("Escapes are unknown: no defective part")
    (few,) = unknowns([*bad, *good[:3]], ["pit"])
    assert few.startswith("False rejects are hardly known: 3 parts held back are good")
    assert "70.8%" in few
    (kind,) = unknowns([*bad, *good], ["pit", "bar"])
    assert kind.startswith("Whether bar is found is unknown")
