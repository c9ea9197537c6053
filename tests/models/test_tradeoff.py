"""Escapes, false rejects, and how sure they are."""

from __future__ import annotations

import math
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("scipy")

from edge.bundle import ChainManifest, KindManifest
from edge.chain.classify import SingleKindClassifier
from edge.errors import UsageError
from edge.records import SeverityMap
from models.data.dataset import DataError
from models.evaluation.evaluate import evaluate
from models.evaluation.float_chain import TorchDetector, float_inspector
from models.evaluation.metrics import summarise
from models.evaluation.tradeoff import (
    GRID,
    OperatingPoint,
    choose,
    interval,
    operating_point,
    parse_share,
    parts_to_prove,
    points_of,
    sweep,
    sweep_run,
    within,
)
from models.runs.run import Run
from models.training.patches import Picture, load_pictures
from tests.support.preloaded import run_module

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def held_back(tiny_run: Path) -> tuple[Picture, ...]:
    run = Run(tiny_run)
    dataset, by_name = run.open_data()
    return load_pictures(dataset, tuple(by_name[name] for name in run.record().validation))


@pytest.mark.parametrize(
    ("count", "total", "low", "high"),
    [
        (0, 10, 0.0, 1 - 0.025**0.1),  # (1 - p)^10 = 0.025
        (10, 10, 0.025**0.1, 1.0),
        (1, 10, 0.002529, 0.445016),
        (5, 10, 0.187086, 0.812914),
        (0, 127, 0.0, 0.028629),
        (0, 0, 0.0, 1.0),
    ],
)
def test_clopper_pearson(count: int, total: int, low: float, high: float) -> None:
    assert interval(count, total) == pytest.approx((low, high), abs=1e-6)


@pytest.mark.parametrize("count", [1, 3, 7])
def test_bounds_leave_half_of_the_rest_on_either_side(count: int) -> None:
    """The definition, by summing the binomial by hand."""
    low, high = interval(count, 8, 0.9)

    def chance(share: float, counts: Sequence[int]) -> float:
        return sum(math.comb(8, k) * share**k * (1 - share) ** (8 - k) for k in counts)

    assert chance(low, range(count, 9)) == pytest.approx(0.05)
    assert chance(high, range(count + 1)) == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("count", "total", "confidence"), [(-1, 5, 0.95), (6, 5, 0.95), (1, 5, 1.0), (1, 5, 0.0)]
)
def test_what_is_no_share_is_refused(count: int, total: int, confidence: float) -> None:
    with pytest.raises(ValueError, match="is no share"):
        interval(count, total, confidence)


@pytest.mark.parametrize(
    ("limit", "found", "needed"),
    # Without a find: ln 0.05 / ln(1 - limit), the rule of three.
    [(0.005, 0, 598), (0.01, 0, 299), (0.05, 0, 59), (0.05, 1, 93), (0.01, 1, 473)],
)
def test_parts_to_prove(limit: float, found: int, needed: int) -> None:
    assert parts_to_prove(limit, found) == needed


@pytest.mark.parametrize("limit", [0.0, 1.0])
def test_a_limit_that_nothing_proves(limit: float) -> None:
    with pytest.raises(ValueError, match="cannot be proved"):
        parts_to_prove(limit)


@pytest.mark.parametrize(
    ("good", "proved"),
    [(597, False), (598, True)],
)
def test_assurance_says_what_is_missing(good: int, proved: bool) -> None:
    assurance = OperatingPoint(5.0, 0, 10, 0, good, 0.8).assurance(0.005)
    assert assurance.proved is proved
    assert assurance.upper == pytest.approx(1 - 0.05 ** (1 / good))
    said = "is proved" if proved else "is not proved; that takes 598 good parts with no more than 0"
    assert said in str(assurance)


def test_more_confidence_takes_more_parts() -> None:
    point = OperatingPoint(5.0, 0, 10, 0, 300, 0.8)
    assert point.assurance(0.01).proved
    assert not point.assurance(0.01, confidence=0.99).proved


def point(threshold: float, escapes: int, false_rejects: int, iou: float = 0.5) -> OperatingPoint:
    return OperatingPoint(threshold, escapes, 20, false_rejects, 200, iou)


def test_fewest_escapes_within_the_limit() -> None:
    points = [point(2, 0, 9), point(4, 3, 1), point(6, 2, 1), point(8, 5, 0)]
    assert choose(points, 0.005).threshold == 6
    assert choose(points, 0.05).threshold == 2
    assert choose(points, 0.001).threshold == 8
    assert [p.threshold for p in within(points, 0.005)] == [6, 4, 8]


def test_of_equal_escapes_the_best_mean_iou() -> None:
    assert choose([point(3, 1, 1, 0.5), point(5, 1, 1, 0.7), point(7, 1, 0, 0.6)], 0.1) == point(
        5, 1, 1, 0.7
    )
    # Then fewest false rejects, then the lowest T.
    assert choose([point(3, 1, 1), point(5, 1, 0), point(7, 1, 0)], 0.1).threshold == 5


def test_without_defective_parts_the_fewest_false_rejects() -> None:
    nothing = [OperatingPoint(t, 0, 0, n, 10, math.nan) for t, n in ((2.0, 1), (4.0, 0))]
    assert choose(nothing, 0.2).threshold == 4.0
    assert math.isnan(nothing[0].escape_rate)


def test_no_t_reaches_the_limit() -> None:
    with pytest.raises(DataError, match=r"at most 0\.5% .* 3 of 200 \(1\.5%; .*\) at T = 6$"):
        choose([point(4, 0, 9), point(6, 1, 3)], 0.005)


def test_without_good_parts_nothing_is_promised() -> None:
    with pytest.raises(DataError, match="no good part to count"):
        choose([OperatingPoint(5.0, 0, 20, 0, 0, 0.5)], 0.5)


@pytest.mark.parametrize(
    ("text", "share"),
    [("0.5%", 0.005), ("0.005", 0.005), (" 0.7 % ", 0.007), ("5e-3", 0.005), ("99%", 0.99)],
)
def test_shares(text: str, share: float) -> None:
    assert parse_share(text) == share


@pytest.mark.parametrize("text", ["", "%", "5", "0", "0%", "100%", "-1%", "half", "nan", "inf%"])
def test_text_that_is_no_share_is_a_usage_error_in_one_line(text: str) -> None:
    with pytest.raises(UsageError, match=r"is no share; expected .* for instance 0\.5%$") as error:
        parse_share(text)
    assert "\n" not in str(error.value)


def test_curve_is_what_the_whole_chain_does(tiny_run: Path, held_back: tuple[Picture, ...]) -> None:
    run = Run(tiny_run)
    record, result = run.record(), run.result()
    points = points_of(sweep_run(run))
    assert [p.threshold for p in points] == sorted({*GRID, result.threshold})
    assert points == points_of(sweep_run(run, held_back))
    kinds = tuple(KindManifest(name=kind) for kind in record.kinds)
    for found in points[::6]:
        inspector = float_inspector(
            TorchDetector(run.load_detector(), record.channels),
            run.load_classifier(),
            record.channels,
            result.chain(found.threshold),
            kinds,
            keep_severity=result.keep_severity,
        )
        metrics = summarise(evaluate(inspector, held_back, record.kinds)).as_dict()
        assert found == operating_point(found.threshold, metrics)


def test_the_runs_own_point_is_in_its_result(tiny_run: Path) -> None:
    result = Run(tiny_run).result()
    outcomes = sweep_run(Run(tiny_run))[result.threshold]
    assert summarise(outcomes).as_dict() == pytest.approx(result.metrics["float"], nan_ok=True)


def test_detector_looks_once_per_picture(tiny_run: Path, held_back: tuple[Picture, ...]) -> None:
    run = Run(tiny_run)
    inner = TorchDetector(run.load_detector(), 1)
    seen: list[int] = []

    class Counting:
        def detect(self, pixels: object) -> SeverityMap:
            seen.append(1)
            return inner.detect(pixels)  # type: ignore[arg-type]

    kinds = tuple(KindManifest(name=kind) for kind in run.record().kinds)
    chains = [ChainManifest(threshold=threshold) for threshold in (3.0, 9.0)]
    low, high = sweep(Counting(), SingleKindClassifier(kinds), chains, kinds, held_back)
    assert len(seen) == len(held_back)
    names = [picture.sample.name for picture in held_back]
    assert [outcome.name for outcome in low] == [outcome.name for outcome in high] == names
    assert sum(o.reported_px for o in low) > sum(o.reported_px for o in high)


def run_command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return run_module("models.evaluation.tradeoff", *arguments)


def test_command_prints_the_curve_and_the_choice(tiny_run: Path) -> None:
    done = run_command("--run", str(tiny_run), "--max-false-rejects", "20%")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "the run's T" in done.stdout
    chosen = choose(points_of(sweep_run(Run(tiny_run))), 0.2)
    assert str(chosen) in done.stdout
    assert str(chosen.assurance(0.2)) in done.stdout


def test_command_without_a_limit_chooses_nothing(tiny_run: Path) -> None:
    done = run_command("--run", str(tiny_run))
    assert done.returncode == 0
    assert "confidence" not in done.stdout


@pytest.mark.parametrize(
    ("limit", "status", "message"),
    [("lots", 2, "is no share"), ("5%", 1, "a completed training run")],
)
def test_the_command_reports_an_error_in_one_line(
    tmp_path: Path, limit: str, status: int, message: str
) -> None:
    done = run_command("--run", str(tmp_path), "--max-false-rejects", limit)
    assert (done.returncode, done.stdout) == (status, "")
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
