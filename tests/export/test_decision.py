"""The decision head in the builds: one row per picture, in float, in int8 and in TFLite."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")

import torch

from edge.bundle.onnx_file import check_onnx
from edge.bundle.tflite_file import check_tflite
from edge.chain.load import build_inspector
from edge.engines.ort import OrtEngine
from edge.records import Decision, Frame
from export.builds import LOGIT_RANGE
from export.errors import ExportError
from export.float_onnx import export_float, station_graph, tail_of
from export.operating_point import stricter_part_threshold
from export.pack import build_bundle
from export.parity import ParityComparison, ParityLimits, faults, limit_options
from export.quantisation.quantise import quantise
from export.tflite import TfliteJob, convert
from models.evaluation.metrics import PictureOutcome
from models.networks import ReducedDetector, build_detector
from models.runs.run import Run
from models.training.detector import severity_and_score
from models.training.recipe import Recipe
from models.training.session import train_folder
from tests.export.conftest import OPTIONS
from tests.support.deciding import deciding_frame as frame
from tests.support.deciding import deciding_inspector as inspector
from tests.support.tinyrun import RECIPE, SIDE_PX

SIZE = (64, 128)


def frames(count: int, seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [cv2.GaussianBlur(rng.integers(0, 256, SIZE, np.uint8), (0, 0), 2) for _ in range(count)]


def network(name: str = "nano") -> ReducedDetector:
    """A network whose batch statistics are those of the frames, and whose scores differ."""
    torch.manual_seed(0)
    made = build_detector(name, 1, 2, decision=True)
    assert isinstance(made, ReducedDetector)
    with torch.no_grad():
        made.train()
        for _ in range(3):
            made((torch.from_numpy(np.stack(frames(8, 1))[:, None]).float() - 128) / 64)
    return made.eval()


def run(data: bytes, pixels: np.ndarray, make: Any = OrtEngine) -> np.ndarray:
    engine = make(data, batch=1, height=SIZE[0], width=SIZE[1], channels=1)
    engine.input[0] = pixels[:, :, None]
    return np.asarray(engine.run()[0], np.float32)


@pytest.mark.parametrize("name", ["nano", pytest.param("lean", marks=pytest.mark.slow)])
def test_the_float_graph_gives_the_map_and_the_score_of_torch(name: str) -> None:
    made = network(name)
    data = station_graph(export_float(made, 1), tail_of(made)).SerializeToString()
    check_onnx(data)
    (pixels,) = frames(1, 5)
    cells, score = severity_and_score(made, pixels)
    row = run(data, pixels) * 12.0
    np.testing.assert_allclose(row[:-1].reshape(cells.shape), cells, atol=2e-4)
    assert row[-1] == pytest.approx(score, abs=2e-4)


def test_the_int8_graph_gives_one_row_of_uint8_on_both_engines() -> None:
    made = network()
    model = quantise(export_float(made, 1), frames(8, 1), LOGIT_RANGE)
    data = station_graph(model, tail_of(made)).SerializeToString()
    check_onnx(data)
    (pixels,) = frames(1, 5)
    cells, score = severity_and_score(made, pixels)
    row = run(data, pixels)
    assert np.abs(row[:-1].reshape(cells.shape) * 12 / 255 - cells).max() < 1.0
    assert row[-1] * 12 / 255 == pytest.approx(score, abs=0.5)
    openvino = pytest.importorskip("edge.engines.openvino", reason="OpenVINO is not installed")
    assert np.abs(run(data, pixels, openvino.OpenVinoEngine) - row).max() <= 4


def test_the_tflite_file_is_all_int8_and_gives_the_same_row() -> None:
    litert = pytest.importorskip("edge.engines.litert", reason="LiteRT is not installed")
    made = network()
    job = TfliteJob(made, 1, *SIZE, calibration=frames(8, 1))
    try:
        file = convert({"detector": job})["detector"]
    except ExportError as error:
        if "is missing" in str(error):
            pytest.skip(str(error))
        raise
    check_tflite(file.data)
    assert file.floats == ()
    # The whole scale, although no frame of the calibration reaches its end.
    assert (file.scale, file.zero_point) == (pytest.approx(12 / 256), 0)
    (pixels,) = frames(1, 5)
    cells, score = severity_and_score(made, pixels)
    row = (run(file.data, pixels, litert.LiteRtEngine) - file.zero_point) * file.scale
    assert np.abs(row[:-1].reshape(cells.shape) - cells).max() < 1.0
    assert row[-1] == pytest.approx(score, abs=0.5)


def test_a_folder_of_good_and_bad_parts_without_masks_becomes_a_bundle(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    for number in range(40):
        pixels = rng.normal(128, 3, (SIDE_PX, SIDE_PX)).clip(0, 255).astype(np.uint8)
        kind = ("bad", "good")[number % 2]
        if kind == "bad":
            x, y = rng.integers(20, SIDE_PX - 20, 2).tolist()
            cv2.circle(pixels, (x, y), 8, 10, -1)
        (tmp_path / "data" / kind).mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(tmp_path / "data" / kind / f"{number:03d}.png"), pixels)
    values = RECIPE.model_dump()
    values["detector"] |= {"network": "nano", "decision": True, "steps": 60}
    result = train_folder(tmp_path / "data", Recipe.model_validate(values), tmp_path / "run")
    assert result.threshold == 11.8  # the map has learned no defect
    assert result.part_threshold is not None
    assert result.metrics["float"]["image_auroc"] > 0.95
    bundle = build_bundle(Run(tmp_path / "run"), OPTIONS).bundle
    assert bundle.manifest.detector.part_score
    assert bundle.manifest.chain.part_threshold == result.part_threshold
    assert {golden.decision for golden in bundle.manifest.golden} == {"PASS", "REJECT"}
    assert all(golden.part_score is not None for golden in bundle.manifest.golden)
    inspector = build_inspector(bundle, now_ns=lambda: 0)
    wrong = 0
    for path in Run(tmp_path / "run").validation_list.read_text().splitlines():
        frame = Frame.from_array(cv2.imread(path, cv2.IMREAD_GRAYSCALE))
        verdict = inspector.inspect(frame)
        is_bad = Path(path).parent.name == "bad"
        wrong += (verdict.decision is Decision.REJECT) is not is_bad
        assert verdict.defects == ()
        if verdict.decision is Decision.REJECT:
            assert verdict.reason.startswith("part: score ")
    assert wrong <= 1


def outcome(score: float, *, defective: bool) -> PictureOutcome:
    return PictureOutcome(
        "a", (), False, 0.0, 0, 0, 0, 0, 0, (), (), (), unmasked=defective, part_score=score
    )


@pytest.mark.parametrize(("limit", "wanted"), [(0.5, 5.0), (0.25, 7.05), (0.01, 9.05)])
def test_a_limit_of_false_rejects_raises_the_part_threshold(limit: float, wanted: float) -> None:
    scores = [outcome(score, defective=False) for score in (1.0, 4.0, 7.0, 9.0)]
    some = (*scores, outcome(11.0, defective=True))
    assert stricter_part_threshold(some, 5.0, limit) == pytest.approx(wanted)


def test_the_certificate_limits_the_error_of_the_score() -> None:
    comparison = ParityComparison(4.0)
    for number, (score, found) in enumerate([(1.0, 1.0), (5.0, 8.0)]):
        expected = inspector().examine(frame(score))
        comparison.add(
            str(number), (64, 96), expected, inspector().examine(frame(found)), defective=False
        )
    parity = comparison.parity()
    assert parity.part_error_mean == pytest.approx(1.5)
    assert parity.part_error_p99 == pytest.approx(2.97)
    limits = ParityLimits(severity_error_p99=2.5, verdict_agreement=0.0)
    (fault,) = faults(parity, limits)
    assert fault.startswith("part score error p99 2.97 (limit 2.5) in step detect, worst at 1")
    assert limit_options(parity, limits) == "--severity-error 3"
    assert parity.as_dict()["part_error_p99"] == pytest.approx(2.97)
    assert "part score error p99 2.97" in str(parity)
