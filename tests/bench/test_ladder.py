"""The ladder as a benchmark: its runs, its means over seeds, and its page."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("matplotlib")

from bench import ladder
from bench.jobs import Job
from bench.ladder import PAGE, main, places, render
from bench.methods.figures import MethodFigures
from tests.models.report.pages import text_of
from tests.support.tinyrun import write_pictures


def figures(method: str, seed: int, ms: float, ap: float | None) -> MethodFigures:
    return MethodFigures(
        data="tiles",
        method=method,
        good=10,
        defective=4,
        image_ap=ap,
        image_auroc=None,
        pixel_f1=0.5,
        mean_iou=None,
        escapes=1,
        train_s=1.0,
        bundle_kb=1.0,
        ms=ms,
        seed=seed,
    )


def test_seeds_of_a_method_are_one_place() -> None:
    found = places([figures("nano", 0, 1.0, 0.5), figures("lean", 0, 3.0, 0.8)])
    assert [each.method for each in found["tiles"]] == ["nano", "lean"]
    nano, _ = places(
        [figures("nano", 0, 1.0, 0.5), figures("nano", 1, 2.0, 0.7), figures("lean", 0, 3.0, None)]
    )["tiles"]
    assert (nano.seeds, nano.ms) == (2, 1.5)
    assert nano.means["image_ap"] == pytest.approx(0.6)
    assert nano.deviations["image_ap"] == pytest.approx(0.1414, abs=1e-3)


def test_the_page_has_a_table_and_plots_for_each_set() -> None:
    some = [figures("nano", 0, 1.0, 0.5), figures("nano", 1, 2.0, 0.7), figures("x", 0, 3.0, None)]
    html = render(some, [("tiles", "texture", "too few parts")], "Seeds 0, 1.")
    assert html.count("<svg") == 2
    text = text_of(html)
    assert "nano 2 1.50 0.600 ± 0.141 0.500 ± 0.000" in text
    assert "x 1 3.00 – 0.500" in text
    assert "tiles, texture too few parts" in text
    assert "Seeds 0, 1." in text


def test_the_command_plans_every_rung_and_reference_for_each_seed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, out = write_pictures(tmp_path / "data", 12), tmp_path / "out"
    planned: list[Job] = []
    monkeypatch.setattr(ladder, "work", lambda jobs, *_: planned.extend(jobs))
    with pytest.raises(SystemExit) as left:
        main(data=[data], out=out, seed=[3, 4], reference=["threshold"], share=0.3, core=[0])
    assert left.value.code == 1, "nothing was trained"
    names = [job.folder.name for job in planned]
    rungs = ("nano", "lean", "large", "extra-large", "threshold")
    assert names == [f"data-seed-{seed}-{name}" for seed in (3, 4) for name in rungs]
    assert "30% of the parts held back" in text_of((out / PAGE).read_text())
    planned.clear()
    with pytest.raises(SystemExit):
        main(data=[data], out=tmp_path / "few", rung=["nano"], reference=[""], share=0.3, core=[0])
    assert [job.folder.name for job in planned] == ["data-seed-0-nano"]
    planned.clear()
    with pytest.raises(SystemExit):
        main(data=[data], out=tmp_path / "usual", rung=["nano"], share=0.3, core=[0])
    assert len(planned) == 1 + len(ladder.REFERENCES)
    assert {"memory-bank", "patchcore", "template"} <= set(ladder.REFERENCES)
    with pytest.raises(SystemExit) as refused:
        main(data=[data], out=tmp_path / "none", rung=["nothing"], share=0.3, core=[0])
    assert refused.value.code == 1
