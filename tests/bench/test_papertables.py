"""The paper's tables from runs: right numbers, every option, and what is refused in one line."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("matplotlib")

import torch
import typer
from typer.testing import CliRunner, Result

from bench.papertables.__main__ import main
from bench.papertables.figures import iou_figure, kind_figure, threshold_figure
from bench.papertables.measure import (
    BARE,
    FLOAT,
    INT8,
    Group,
    MeasuredRun,
    Reported,
    group,
    measure,
)
from bench.papertables.tables import (
    classifier_table,
    confusion_table,
    defect_table,
    kind_table,
    markdown,
    number,
    overview_table,
    pixel_table,
    spread,
)
from edge.records import SeverityMap
from models.data.dataset import DataError
from models.evaluation.curves import per_picture, picture_ar, together
from models.evaluation.float_chain import RunOnce
from models.evaluation.metrics import Match, PictureOutcome, summarise
from models.runs.run import Run

NAN = float("nan")


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    before = torch.get_num_threads(), cv2.getNumThreads()
    yield
    torch.set_num_threads(before[0])
    cv2.setNumThreads(before[1])


@pytest.fixture(scope="module")
def measured(tiny_run: Path) -> MeasuredRun:
    return measure(tiny_run)


def call(*words: object) -> Result:
    app = typer.Typer()
    app.command()(main)
    return CliRunner().invoke(app, [str(word) for word in words])


def cells(table: str, start: str) -> list[str]:
    """Return the cells of the row that begins with ``start``, without its first cell."""
    (line,) = [line for line in table.splitlines() if line.startswith(f"| {start}")]
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


def seeded(run: MeasuredRun, seed: int, **changes: object) -> MeasuredRun:
    recipe = run.record.recipe.model_copy(update={"seed": seed, **changes})
    return replace(run, record=run.record.model_copy(update={"recipe": recipe}))


def report(folder: Path, run_folder: Path, *, forget: int = 0) -> Reported:
    """A perfect report of a run's validation pictures, in reverse, less the first ``forget``."""
    run = Run(run_folder)
    dataset, by_name = run.open_data()
    lines = []
    for name in run.record().validation[forget:][::-1]:
        mask = np.where(dataset.load_kind_map(by_name[name]) > 0, 255, 0).astype(np.uint8)
        (folder / "masks" / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / "masks" / name), mask)
        rows, cols = np.nonzero(mask)
        defects = []
        if rows.size:
            box = [int(cols.min()), int(rows.min()), int(cols.max()) + 1, int(rows.max()) + 1]
            defects = [{"box": box, "kind": by_name[name].kinds[0]}]
        decision = "REJECT" if defects else "PASS"
        line = {"file": name, "decision": decision, "score": float(len(defects))}
        lines.append(json.dumps({**line, "defects": defects}))
    (folder / "results.jsonl").write_text("\n".join(lines) + "\n")
    return Reported(folder / "results.jsonl", folder / "masks")


def test_numbers_are_those_of_the_metrics_and_of_training(
    tiny_run: Path, measured: MeasuredRun
) -> None:
    trained = Run(tiny_run).result().metrics
    for chain, name in ((FLOAT, "float"), (BARE, "float without classifier")):
        found = summarise(measured.outcomes[chain]).as_dict()
        shared = found.keys() & trained[name].keys()
        assert {"ar", "mean_iou", "pixel_f1", "escapes"} <= shared
        assert {k: found[k] for k in shared} == pytest.approx({k: trained[name][k] for k in shared})
    groups = group([measured])
    outcomes = measured.outcomes[FLOAT]
    metrics, pixels = summarise(outcomes), per_picture(outcomes)
    wanted = [picture_ar(outcomes), metrics.ar, metrics.mean_iou]
    wanted += [pixels.precision, pixels.recall, pixels.f1]
    wanted += [metrics.pixel_f1, metrics.false_reject_rate]
    assert cells(defect_table(groups), "tiny (float)") == [f"{value:.4f}" for value in wanted]
    assert cells(classifier_table(groups), "tiny (float)") == [f"{value:.4f}" for value in wanted]
    counts = [metrics.escapes, metrics.false_rejects]
    shown = [metrics.image_ap, metrics.mean_iou, metrics.pixel_f1, metrics.pixel_f1_tol, metrics.ar]
    costs = ["70", "286"]  # decision 10
    assert cells(overview_table(groups), "tiny (float)") == [
        *(number(float(v)) for v in (*shown, *counts)),
        *costs,
    ]
    plain, near = together(outcomes), together(outcomes, tolerant=True)
    assert cells(pixel_table(groups), "tiny (float) | all pictures")[1:] == [
        number(v) for s in (plain, near) for v in (s.precision, s.recall, s.f1)
    ]
    bare = summarise(measured.outcomes[BARE])
    row = cells(classifier_table(groups), "tiny (float, no classifier)")
    assert row[1:3] == [f"{bare.ar:.4f}", f"{bare.mean_iou:.4f}"]


def test_command_writes_tables_and_figures(tiny_run: Path, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "tables"
    done = call("--run", tiny_run, "--out", out, "--threads", 1)
    assert done.exit_code == 0, done.output
    assert torch.get_num_threads() == 1
    assert done.output.strip() == str(out / "tables.md")
    text = (out / "tables.md").read_text()
    mean_iou = summarise(measure(tiny_run).best).mean_iou
    assert f"{mean_iou:.4f}" in text
    for title in ("Table 4", "Table 5", "Table 6", "Table 7", "Figures 9 and 13", "Figures 16"):
        section = text[text.index(f"## {title}") :].split("\n## ")[0]
        assert f"`python -m bench.papertables --run {tiny_run} --out {out}`" in section
        assert "12 validation pictures, split 0.3 seed 0" in section
    figures = {path.name for path in out.glob("*.svg")}
    assert figures == {"threshold.svg", "iou-tiny.svg", "kinds-tiny.svg", "confusion-tiny.svg"}
    assert all(f"]({name})" in text for name in figures)


def test_report_of_the_station_is_another_row(tiny_run: Path, tmp_path: Path) -> None:
    said = report(tmp_path / "said", tiny_run)
    words = ["--run", tiny_run, "--out", tmp_path / "out"]
    done = call(*words, "--results", said.results, "--masks", said.masks)
    assert done.exit_code == 0, done.output
    text = (tmp_path / "out" / "tables.md").read_text()
    table = text[text.index("## Table 5") :].split("\n## ")[0]
    assert cells(table, "tiny (station)") == ["1.0000"] * 7 + ["0.0000"]
    assert f"--results {said.results} --masks {said.masks}" in text


def test_station_outcomes_come_in_the_order_of_the_float_ones(
    tiny_run: Path, tmp_path: Path
) -> None:
    run = measure(tiny_run, report(tmp_path, tiny_run))
    names = [[o.name for o in run.outcomes[chain]] for chain in (FLOAT, BARE, INT8)]
    assert names[0] == names[1] == names[2] == list(run.record.validation)


def test_report_of_other_pictures_is_refused(tiny_run: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"results\.jsonl: .* is missing; expected the 12 pictures"):
        measure(tiny_run, report(tmp_path / "fewer", tiny_run, forget=1))
    copy = tmp_path / "run"
    shutil.copytree(tiny_run, copy)
    record = json.loads(Run(copy).record_path.read_text())
    record["validation"] = record["validation"][1:]
    Run(copy).record_path.write_text(json.dumps(record))
    with pytest.raises(DataError, match="it holds others too"):
        measure(copy, report(tmp_path / "more", tiny_run))


def test_folder_that_is_no_run_is_one_line_and_status_1(tmp_path: Path, tiny_run: Path) -> None:
    begun = tmp_path / "begun"
    begun.mkdir()
    shutil.copy(Run(tiny_run).record_path, begun)
    for folder, says in ((tmp_path / "none", "training run"), (begun, "completed training run")):
        done = call("--run", folder, "--out", tmp_path / "out")
        assert (done.exit_code, done.stdout) == (1, "")
        assert len(done.stderr.strip().splitlines()) == 1
        assert str(folder) in done.stderr
        assert says in done.stderr
    assert not (tmp_path / "out").exists()


def test_results_and_masks_are_one_per_run(tmp_path: Path) -> None:
    words = ["--run", tmp_path / "a", "--run", tmp_path / "b", "--out", tmp_path / "out"]
    for more in (["--results", "r"], ["--masks", "m"], ["--results", "r", "--masks", "m"]):
        done = call(*words, *more)
        assert (done.exit_code, done.stdout) == (2, "")
        assert "expected as many of each" in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1


def test_seeds_of_a_recipe_are_one_row_with_their_deviation(measured: MeasuredRun) -> None:
    worse = [replace(o, hit_px=o.hit_px // 2) for o in measured.outcomes[FLOAT]]
    other = replace(seeded(measured, 1), outcomes={**measured.outcomes, FLOAT: tuple(worse)})
    (both,) = group([measured, other])
    assert [run.record.recipe.seed for run in both.runs] == [0, 1]
    ious = [summarise(run.outcomes[FLOAT]).mean_iou for run in both.runs]
    sd = abs(ious[0] - ious[1]) / 2**0.5
    assert cells(defect_table([both]), "tiny (float, 2 runs)")[2] == (
        f"{sum(ious) / 2:.4f} ± {sd:.4f}"
    )
    assert "FillBetween" in iou_figure(both)
    assert "FillBetween" not in iou_figure(group([measured])[0])
    assert "tiny, T = " in threshold_figure([both])
    # Counts of all runs together.
    single = confusion_table(group([measured])[0])
    for kind in both.kinds:
        counts = [int(v) for v in cells(single, kind)[:-1]]
        assert [int(v) for v in cells(confusion_table(both), kind)[:-1]] == [2 * v for v in counts]


def test_recipes_that_differ_otherwise_are_never_averaged(measured: MeasuredRun) -> None:
    chain = measured.record.recipe.chain.model_copy(update={"join_px": 9.0})
    other = seeded(measured, 0, chain=chain)
    moved = replace(measured, record=measured.record.model_copy(update={"data": "/elsewhere/more"}))
    renamed = seeded(measured, 0, name="other")
    assert [g.name for g in group([measured, other, renamed])] == ["tiny", "tiny 2", "other"]
    assert [g.name for g in group([measured, moved])] == ["tiny data", "tiny more"]
    split = measured.record.recipe.split.model_copy(update={"seed": 7})
    assert len(group([measured, seeded(measured, 0, split=split)])) == 1


def test_run_without_classifier_has_no_kinds_to_confuse(tiny_run: Path, tmp_path: Path) -> None:
    copy = tmp_path / "run"
    shutil.copytree(tiny_run, copy)
    record = json.loads(Run(copy).record_path.read_text())
    record["recipe"]["classifier"]["enabled"] = False
    Run(copy).record_path.write_text(json.dumps(record))
    done = call("--run", copy, "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    text = (tmp_path / "out" / "tables.md").read_text()
    assert "## Table 6" not in text
    assert "tiny (float, no classifier)" in text
    assert "tiny (float)" not in text
    assert "kind right" not in (tmp_path / "out" / "iou-tiny.svg").read_text()


def outcome(*matches: Match) -> PictureOutcome:
    return PictureOutcome("x", (), True, 1.0, 1, 1, 1, 1, 1, matches, (), ())


def test_kinds_worked_out_by_hand(measured: MeasuredRun) -> None:
    some = (
        outcome(Match("bar", 0.9, "bar"), Match("bar", 0.6, "pit")),
        outcome(Match("pit", 0.0, "")),
    )
    hand = Group("hand", (replace(measured, outcomes={FLOAT: some, BARE: some}),))
    assert cells(kind_table(hand), "bar") == ["2", "1.0000", "0.5000", "0.5000", "0.7500"]
    assert cells(kind_table(hand), "pit") == ["1", "0.0000", "0.0000", "0.0000", "0.0000"]
    assert cells(confusion_table(hand), "bar") == ["1", "1", "0", "0.5000"]
    assert cells(confusion_table(hand), "pit") == ["0", "0", "1", "0.0000"]
    figure = kind_figure(hand)
    assert ">bar<" in figure
    assert ">pit<" in figure


def test_only_one_run_shows_its_threshold_as_a_line(measured: MeasuredRun) -> None:
    alone = threshold_figure(group([measured]))
    several = threshold_figure(group([measured, seeded(measured, 1)]))
    assert alone.count('id="line2d') == 1 + several.count('id="line2d')


def test_each_map_is_computed_once() -> None:
    seen: list[int] = []

    class Counting:
        def detect(self, pixels: np.ndarray) -> SeverityMap:
            seen.append(int(pixels[0, 0]))
            return SeverityMap(np.full((1, 1), pixels[0, 0], np.float32), 1.0, 0, 2)

    pictures = [np.full((2, 2), value, np.uint8) for value in (3, 5)]
    once = RunOnce(Counting())
    peaks = [once.detect(p).peak() for p in (*pictures, *pictures)]
    assert peaks == [3.0, 5.0, 3.0, 5.0]
    assert seen == [3, 5]


def test_cells() -> None:
    assert (number(NAN), number(0.5), number(3.0, digits=0)) == ("–", "0.5000", "3")
    assert (spread([0.25]), spread([1.0, 3.0]), spread([1.0, NAN])) == (
        "0.2500",
        "2.0000 ± 1.4142",
        "–",
    )
    assert markdown(("a", "b|c"), [["1", "2"]]) == "| a | b\\|c |\n| --- | --- |\n| 1 | 2 |\n"
