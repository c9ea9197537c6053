"""The feedback bench: its parts, its station and its simulated operator."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

pytest.importorskip("torch", reason="torch is not installed: pip install torch")
pytest.importorskip("onnx", reason="onnx is not installed: pip install 'outfeed[export]'")

import typer

from bench.feedback import inspect, main, mark
from bench.shifts import SHIFTS, FeedbackPart, parts
from edge.quarantine.collect import collect
from tests.support.bundles import CLEAN, HOLE, small_bundle
from tests.support.keys import KEY


@pytest.mark.parametrize("shift", sorted(SHIFTS))
def test_a_shift_changes_every_part_but_not_its_true_state(shift: str) -> None:
    before, after = parts(5, 6, 0.5), parts(5, 6, 0.5, shift)
    assert [part.bad for part in before] == [part.bad for part in after]
    assert {part.bad for part in before} == {True, False}
    for one, other, again in zip(before, after, parts(5, 6, 0.5, shift), strict=True):
        assert other.pixels.dtype == np.uint8
        assert other.pixels.shape == one.pixels.shape
        assert (other.pixels != one.pixels).mean() > 0.005
        np.testing.assert_array_equal(other.pixels, again.pixels)


def test_two_series_have_no_part_in_common() -> None:
    one, other = parts(1, 3, 0.0), parts(2, 3, 0.0)
    assert not any((a.pixels == b.pixels).all() for a in one for b in other)


def test_the_operator_marks_rejected_parts_and_some_escapes(tmp_path: Path) -> None:
    bundle = small_bundle(tmp_path / "small.outfeed")
    inspected = [
        FeedbackPart(HOLE, False),
        FeedbackPart(CLEAN, True),
        FeedbackPart(HOLE, True),
        FeedbackPart(CLEAN, False),
    ] * 2
    inspect(tmp_path, bundle, inspected, KEY)
    assert mark(tmp_path, inspected, 0.5) == (2, 1, 2)
    inspect(tmp_path, bundle, inspected[3:4], KEY)
    state = tmp_path / "state"
    collection = collect(state / "journal.sqlite", state / "pictures", tmp_path / "q")
    assert [(e.part_id, e.claim, e.doubts) for e in collection.index.entries] == [
        (1, "false-reject", ()),
        (3, "true-reject", ()),
        (5, "false-reject", ()),
        (6, "escape", ()),
        (7, "true-reject", ()),
    ]


def test_a_wrong_option_is_one_line(tmp_path: Path) -> None:
    app = typer.Typer()
    app.command()(main)
    for arguments, message in (
        (("--shift", "snow"), "--shift snow: expected stamp"),
        (("--routes", "threshold,luck"), "--routes threshold,luck: expected some of threshold"),
        (("--recipe", "none"), "no recipe 'none'"),
    ):
        result = CliRunner().invoke(app, ["--work", str(tmp_path / "w"), *arguments])
        assert (result.exit_code, message in result.output) == (1, True), result.output
