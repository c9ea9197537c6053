"""The limit that decides, chosen at export by what the line allows."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")

from edge.bundle import KindManifest, Manifest, check_certificate, read_bundle
from edge.chain.classify import Classifier, SingleKindClassifier
from edge.chain.detect import Detector
from edge.records import SeverityMap
from export.chains import Build
from export.operating_point import BuildLimitError, choose_point
from export.options import ExportOptions
from export.pack import build_bundle
from export.record import record_of
from export.source import open_source
from models.evaluation.promise import FalseRejectPromise
from models.evaluation.tradeoff import (
    OperatingPoint,
    choose,
    severity_points,
    sweep_severities,
)
from models.report.exported import read_export
from models.runs.run import Run
from models.training.patches import Picture, load_pictures
from tests.export.conftest import run_export

MakeBuilds = Callable[..., tuple[Manifest, list[Build]]]
LOW = 0.01  # severity that every picture reaches somewhere
KINDS = (KindManifest(name="bar"), KindManifest(name="pit"))


@pytest.fixture
def own_run(tiny_run: Path, tmp_path: Path) -> Path:
    """A copy of the tiny run whose own reject severity is a bad one, so that the choice shows."""
    shutil.copytree(tiny_run, tmp_path / "run")
    result = Run(tmp_path / "run").result()
    Run(tmp_path / "run").finish(result.model_copy(update={"reject_severity": 11.9}))
    return tmp_path / "run"


@pytest.fixture
def held_back(tiny_run: Path) -> tuple[Picture, ...]:
    run = Run(tiny_run)
    dataset, by_name = run.open_data()
    return load_pictures(dataset, tuple(by_name[name] for name in run.record().validation))


def test_bundle_has_the_chosen_reject_severity(own_run: Path) -> None:
    options = ExportOptions(
        name="line", precision="float32", calibration_frames=4, max_false_rejects=0.2
    )
    exported = build_bundle(Run(own_run), options)
    own = Run(own_run).result().threshold
    points = severity_points(sweep_severities(Run(own_run)), own)
    assert [point.reject_severity for point in points][:1] == [None]
    wanted = choose(points, 0.2)
    chain = exported.bundle.manifest.chain
    assert (chain.threshold, chain.reject_severity) == (own, wanted.reject_severity)
    assert chain.reject_severity != 11.9
    assert exported.point is not None
    assert (
        exported.point.escapes
        == exported.certified.metrics["onnx-float32"].escapes
        == wanted.escapes
    )
    assert exported.point.false_reject_rate <= 0.2


@pytest.mark.parametrize("limit", [None, 0.2])
def test_a_run_without_a_limit_ships_its_own_reject_severity(
    tiny_run: Path, tmp_path: Path, limit: float | None
) -> None:
    run = Run(shutil.copytree(tiny_run, tmp_path / "run"))
    run.finish(run.result().model_copy(update={"threshold": 6.0, "reject_severity": 11.9}))
    options = ExportOptions(
        name="line", precision="float32", calibration_frames=4, max_false_rejects=limit
    )
    exported = build_bundle(run, options)
    chain = exported.bundle.manifest.chain
    assert record_of(exported, "line.outfeed").reject_severity == chain.reject_severity
    assert chain.threshold == 6.0
    assert (chain.reject_severity == 11.9) == (limit is None)


@pytest.mark.timeout(400)
def test_command_prints_the_point_and_records_the_export(own_run: Path) -> None:
    options = ["--run", own_run, "--name", "line", "--formats", "onnx", "--search-parts", "4"]
    done = run_export(*options, "--max-false-rejects", "20%")
    assert done.exit_code == 0, done.output
    bundle = read_bundle(own_run / "line.outfeed")
    record = read_export(own_run)
    assert record is not None
    assert record.bundle == bundle.id
    assert (record.file, record.precision) == ("line.outfeed", "int8")
    assert record.threshold == bundle.manifest.chain.threshold
    assert record.max_false_rejects == 0.2
    assert record.metrics.keys() == {"torch-float32", "onnx-float32", "onnx-int8"}
    certificate = check_certificate(bundle.manifest, bundle.files)
    assert record.parity == {step.chain: step.figures for step in certificate.steps}
    assert len(record.tried) == 6
    assert (own_run / "export.html").read_text().count(bundle.id) == 3
    assert record.threshold == Run(own_run).result().threshold
    severity = record.reject_severity
    own = "" if severity is None else f", reject severity {severity:g}"
    assert f"T = {record.threshold:g}{own}: escapes" in done.stdout
    assert "at 95% confidence false rejects are below" in done.stdout
    assert not list(own_run.glob(".*.part"))


@pytest.mark.parametrize("limit", ["0", "5"])
def test_command_refuses_what_is_no_share(tiny_run: Path, limit: str) -> None:
    done = run_export("--run", tiny_run, "--max-false-rejects", limit)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "is no share" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def points(*rejects: tuple[float, int]) -> tuple[OperatingPoint, ...]:
    return tuple(OperatingPoint(t, 0, 5, count, 4, 0.5) for t, count in rejects)


def always(severity: float) -> tuple[Detector, Classifier]:
    """The steps of a build that gives every frame this severity everywhere."""

    class Flat:
        def detect(self, pixels: np.ndarray) -> SeverityMap:
            cells = np.full((pixels.shape[0], pixels.shape[1]), severity, np.float32)
            return SeverityMap(cells, 1.0, 0, 1)

    return Flat(), SingleKindClassifier(KINDS)


@pytest.fixture
def builds(monkeypatch: pytest.MonkeyPatch, tiny_run: Path) -> MakeBuilds:
    """Return a function that makes builds of constant severities, and their manifest."""
    draft = open_source(Run(tiny_run), name="line", version="1").draft

    def made(*severities: float) -> tuple[Manifest, list[Build]]:
        named = {f"build-{number}": always(each) for number, each in enumerate(severities)}
        monkeypatch.setattr(
            "export.operating_point.build_steps", lambda manifest, build: named[build.name]
        )
        return draft, [SimpleNamespace(name=name) for name in named]

    return made


def test_every_build_must_keep_the_limit_too(
    held_back: tuple[Picture, ...], builds: MakeBuilds
) -> None:
    """A build of 6 rejects everything up to T = 6: the float chain's first choice is not taken."""
    found_by_float = points((4.0, 0), (7.0, 0), (9.0, 0))

    def chosen(*severities: float) -> OperatingPoint:
        point, manifest = choose_point(found_by_float, held_back, *builds(*severities), 0.1)
        assert manifest.chain.threshold == point.threshold
        return point

    found = chosen(6.0)
    assert (found.threshold, found.false_rejects) == (7.0, 0)
    assert found.escapes == found.defective, "the counts are the shipped chain's"
    assert chosen(3.0, 8.0).threshold == 9.0, "the second build keeps the limit at 9 alone"
    for severities, name in (((12.0,), "build-0"), ((3.0, 12.0), "build-1")):
        with pytest.raises(BuildLimitError, match="int8 rejects more good parts than") as caught:
            chosen(*severities)
        assert caught.value.build == name


@pytest.mark.parametrize(
    ("promise", "is_chosen"),
    [
        (None, False),
        (FalseRejectPromise(limit=0.2, good=10, rejected=3), False),
        (FalseRejectPromise(limit=0.2, good=10, rejected=2), True),
    ],
)
def test_the_limit_that_a_run_keeps_is_kept_by_its_builds(
    tiny_run: Path, tmp_path: Path, promise: FalseRejectPromise | None, is_chosen: bool
) -> None:
    """At T = LOW the builds of this run reject more good parts than it promises."""
    run = Run(shutil.copytree(tiny_run, tmp_path / "run"))
    own = {"threshold": LOW, "keep_severity": LOW, "reject_severity": None, "promise": promise}
    run.finish(run.result().model_copy(update=own))
    options = ExportOptions(name="line", precision="float32", calibration_frames=4)
    exported = build_bundle(run, options)
    metrics = exported.certified.metrics["onnx-float32"]
    assert (exported.limit, exported.point is not None) == (0.2 if is_chosen else None, is_chosen)
    assert record_of(exported, "line.outfeed").max_false_rejects == exported.limit
    assert (metrics.false_reject_rate <= 0.2) is is_chosen
    chain = exported.bundle.manifest.chain
    assert (chain.threshold, chain.reject_severity is not None) == (LOW, is_chosen)
