"""From a trained run to a bundle that a station accepts."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")

import onnx
import torch

from edge.bundle import check_certificate, parse_bundle, read_bundle
from edge.chain.load import build_inspector, prove
from edge.engines.ort import OrtEngine
from edge.records import Decision, Frame
from export import builds, pack
from export.float_onnx import PIXELS, Tail, export_float, station_graph
from export.latency import Latency
from export.options import ExportOptions, WithFloat
from export.pack import Exported, build_bundle
from export.parity import ParityLimits
from export.quantisation.quantise import Range, quantise
from export.quantisation.search import describe
from models.data.dataset import DataError
from models.networks import BlockClassifier, build_detector, normalise
from models.runs.run import Run
from models.training.detector import severity_map
from tests.export.conftest import OPTIONS, run_export
from tests.support.interrupted import call


@pytest.mark.parametrize(
    ("network", "resolution", "channels"),
    [
        ("nano", 2, 3),
        ("paper", 4, 1),
        pytest.param("large", 2, 3, marks=pytest.mark.slow),
        pytest.param("lean", 2, 1, marks=pytest.mark.slow),
        pytest.param("lean", 2, 3, marks=pytest.mark.slow),
        pytest.param("paper", 2, 3, marks=pytest.mark.slow),
    ],
)
def test_float_graph_is_the_torch_network(network: str, resolution: int, channels: int) -> None:
    torch.manual_seed(0)
    module = build_detector(network, channels, resolution).eval()
    graph = station_graph(export_float(module, channels), Tail(module.logistic, module.shuffle))
    shape = (64, 128) if channels == 1 else (64, 128, 3)
    pixels = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
    engine = OrtEngine(graph.SerializeToString(), batch=1, height=64, width=128, channels=channels)
    engine.input[0] = pixels.reshape(64, 128, channels)
    severity = engine.run()[0, 0] * 12.0
    assert severity.shape == (64 // resolution, 128 // resolution)
    np.testing.assert_allclose(severity, severity_map(module, pixels), atol=2e-4)


def test_quantised_graph_takes_and_gives_uint8() -> None:
    torch.manual_seed(0)
    module = build_detector("lean", 1, 2).eval()
    frames = np.random.default_rng(1).integers(0, 256, (3, 64, 64), np.uint8)
    graph = station_graph(
        quantise(export_float(module, 1), frames, Range(-6, 6)),
        Tail(module.logistic, module.shuffle),
    )
    assert graph.graph.input[0].name == PIXELS
    assert graph.graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.UINT8
    assert graph.graph.output[0].type.tensor_type.elem_type == onnx.TensorProto.UINT8
    first = next(n for n in graph.graph.node if n.op_type != "Transpose")
    assert first.op_type == "DequantizeLinear", "no float copy of the frame is quantised again"
    weights = [t for t in graph.graph.initializer if t.data_type == onnx.TensorProto.INT8]
    assert any(t.dims and t.dims[0] == 96 for t in weights), "weights are int8"


def test_classifier_graph_is_the_torch_network() -> None:
    torch.manual_seed(0)
    module = BlockClassifier(1, 3).eval()
    graph = station_graph(export_float(module, 1), None)
    blocks = np.random.default_rng(1).integers(0, 256, (5, 64, 64, 1), np.uint8)
    engine = OrtEngine(graph.SerializeToString(), batch=5, height=64, width=64, channels=1)
    engine.input[:] = blocks
    with torch.no_grad():
        wanted = module(normalise(torch.from_numpy(blocks).permute(0, 3, 1, 2))).numpy()
    np.testing.assert_allclose(engine.run(), wanted, atol=1e-4)
    np.testing.assert_allclose(engine.run(2), wanted[:2], atol=1e-4)


def test_bundle_describes_itself(exported: Exported) -> None:
    manifest = parse_bundle(exported.data).manifest
    assert [build.name for build in manifest.builds] == ["onnx-int8"]
    assert (manifest.detector.height, manifest.detector.width) == (96, 96)
    assert [kind.name for kind in manifest.kinds] == ["bar", "pit"]
    assert manifest.kinds[1].guidance == "clean the mould"
    assert {golden.decision for golden in manifest.golden} == {"PASS", "REJECT"}
    assert {d.kind for golden in manifest.golden for d in golden.defects} == {"bar", "pit"}
    assert {"torch-float32", "onnx-float32", "onnx-int8"} == manifest.metrics.keys()
    assert manifest.metrics["onnx-int8"]["image_ap"] > 0.95
    assert set(manifest.files) == {
        "certificate.json",
        "onnx-int8/detector.onnx",
        "onnx-int8/classifier.onnx",
        *(golden.file for golden in manifest.golden),
    }


def test_bundle_proves_itself_and_rejects_a_pit(exported: Exported) -> None:
    bundle = parse_bundle(exported.data)
    inspector = build_inspector(bundle, now_ns=time.perf_counter_ns)
    prove(bundle, inspector)
    pixels = np.full((96, 96), 128, np.uint8)
    assert inspector.inspect(Frame(0, 0, 0, 0, pixels)).decision is Decision.PASS
    pixels[40:54, 30:44] = 10
    verdict = inspector.inspect(Frame(1, 1, 0, 0, pixels))
    assert verdict.decision is Decision.REJECT
    box = verdict.defects[0].region.box
    assert abs(box.left - 30) <= 4
    assert abs(box.bottom - 54) <= 4


@pytest.mark.parametrize(("height", "width"), [(64, 96), (70, 90), (96, 64), (40, 200)])
def test_a_frame_is_seen_as_by_a_bundle_of_its_size(
    exported: Exported, height: int, width: int
) -> None:
    bundle = parse_bundle(exported.data)
    detector, build = bundle.manifest.detector, bundle.manifest.builds[0]
    assert build.detector.flexible
    rows, cols = (-(-side // detector.multiple_px) for side in (height, width))
    own = {
        "height": rows * detector.multiple_px,
        "width": cols * detector.multiple_px,
    }
    fixed = build.detector.model_copy(update={"flexible": False})
    manifest = bundle.manifest.model_copy(
        update={
            "detector": detector.model_copy(update=own),
            "builds": (build.model_copy(update={"detector": fixed}),),
        }
    )
    pixels = np.full((height, width), 128, np.uint8)
    pixels[10:20, 30:44] = 20
    found = [
        build_inspector(each, now_ns=time.perf_counter_ns).examine(Frame(0, 0, 0, 0, pixels))
        for each in (bundle, replace(bundle, manifest=manifest))
    ]
    assert found[0].severity.values.max() > 100
    np.testing.assert_array_equal(found[0].severity.values, found[1].severity.values)


def test_the_certificate_holds_the_proven_figures(exported: Exported) -> None:
    bundle = parse_bundle(exported.data)
    certificate = check_certificate(bundle.manifest, bundle.files)
    steps = {step.chain: step for step in certificate.steps}
    assert steps.keys() == {"onnx-float32", "onnx-int8"}
    assert {step.against for step in steps.values()} == {"torch-float32"}
    assert steps["onnx-float32"].figures["severity_error_max"] < 0.01
    assert steps["onnx-float32"].limits["severity_error_p99"] == 0.05
    assert steps["onnx-int8"].figures["severity_error_max"] > 0.01
    assert steps["onnx-int8"].figures["missed"] == 0
    assert steps["onnx-int8"].figures["found"] >= 6
    assert steps["onnx-int8"].limits["missed"] == ParityLimits().missed


def test_every_tried_way_is_reported(exported: Exported) -> None:
    ways = [(tried.network, describe(tried.scheme)) for tried in exported.tried]
    assert ways == [
        ("detector", "minmax, per channel"),
        ("detector", "percentile, per channel"),
        ("detector", "minmax, per tensor"),
        ("detector", "percentile, per tensor"),
        ("classifier", "minmax, per channel"),
        ("classifier", "percentile, per channel"),
    ]
    assert {tried.parity.frames for tried in exported.tried} == {8}
    assert [latency.name for latency in exported.latency] == ["onnx-int8", "onnx-float32"]


def test_int8_is_smaller_than_float(tiny_run: Path, exported: Exported) -> None:
    options = replace(OPTIONS, precision="float32")
    as_float = build_bundle(Run(tiny_run), options)
    assert [build.name for build in as_float.bundle.manifest.builds] == ["onnx-float32"]
    assert as_float.tried == as_float.latency == ()
    assert as_float.certified.parity.keys() == {"onnx-float32"}
    sizes = [
        len(each.bundle.files[each.bundle.manifest.builds[0].detector.file])
        for each in (exported, as_float)
    ]
    assert sizes[0] < 0.4 * sizes[1]


def test_export_is_deterministic(
    tiny_run: Path, exported: Exported, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(builds, "export_float", export_float)  # traced anew
    assert build_bundle(Run(tiny_run), OPTIONS).data == exported.data


def test_float_beside_int8(tiny_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def packed(with_float: WithFloat) -> list[str]:
        options = replace(OPTIONS, with_float=with_float, calibration_frames=4, search_parts=2)
        manifest = build_bundle(Run(tiny_run), options).bundle.manifest
        return [build.name for build in manifest.builds]

    assert packed("always") == ["onnx-int8", "onnx-float32"]
    # The clock of another machine, where int8 is slower, or is not.
    monkeypatch.setattr(pack, "measure", lambda _: (Latency("a", 2.0), Latency("b", 1.0)))
    assert packed("auto") == ["onnx-int8", "onnx-float32"]
    assert packed("never") == ["onnx-int8"]
    monkeypatch.setattr(pack, "measure", lambda _: (Latency("a", 1.0), Latency("b", 2.0)))
    assert packed("auto") == ["onnx-int8"]


def test_shape_and_version_options(tiny_run: Path) -> None:
    options = replace(OPTIONS, name="other", version="7", height=64, width=96, calibration_frames=4)
    manifest = build_bundle(Run(tiny_run), options).bundle.manifest
    assert (manifest.name, manifest.version) == ("other", "7")
    assert (manifest.detector.height, manifest.detector.width) == (64, 96)


@pytest.mark.timeout(400)
def test_command_writes_a_bundle_or_nothing(tiny_run: Path, tmp_path: Path) -> None:
    out = tmp_path / "line.outfeed"
    options = ["--run", str(tiny_run), "--out", str(out)]
    options += ["--formats", "onnx", "--search-parts", "2", "--calibration-frames", "4"]
    impossible = run_export(*options, "--mask-iou", "1.01")
    assert impossible.exit_code == 2
    assert "--mask-iou 1.01: expected a share from 0 to 1" in impossible.stderr
    assert not out.exists()
    done = call("export", *options, "--name", "line")
    assert done.returncode == 0, done.stdout + done.stderr
    assert read_bundle(out).manifest.name == "line"


@pytest.mark.parametrize(
    "option",
    [
        ("--shape", "12"),
        ("--precision", "int4"),
        ("--formats", "onnx,coreml"),
        ("--formats", "onnx,onnx"),
        ("--with-float", "perhaps"),
        ("--name", "Line A"),
        ("--mask-iou", "1.01"),
        ("--severity-error", "-1"),
    ],
)
def test_command_refuses_bad_options(tiny_run: Path, option: tuple[str, str]) -> None:
    done = run_export("--run", tiny_run, *option)
    assert done.exit_code == 2
    assert option[0] in done.stderr


def test_a_run_that_is_not_complete_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="expected a training run"):
        build_bundle(Run(tmp_path), ExportOptions(name="x"))
