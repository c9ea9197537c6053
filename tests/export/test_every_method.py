"""Every method from a recipe to a station: trained, exported, certified, signed, run."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import pytest

pytest.importorskip("torch")
pytest.importorskip("onnxruntime.quantization")

from edge.bundle import parse_bundle, sign_bundle
from edge.bundle.certificate import CERTIFICATE, check_certificate
from edge.bundle.kinds import DetectorKind
from export.errors import ExportError
from export.options import ExportOptions
from export.pack import build_bundle
from export.parity import ParityLimits
from models.data.dataset import DataError
from models.methods.registry import METHODS
from models.runs.run import Run
from models.training.recipe import Recipe
from models.training.session import train_folder
from tests.support.keys import KEY, TRUST
from tests.support.tinyrun import SIDE_PX, write_pictures

ROOT = Path(__file__).resolve().parents[2]
# Enough to see a black pit on even grey; each some seconds.
TINY: dict[DetectorKind, dict[str, object]] = {
    "autoencoder": {"autoencoder": {"width": 8, "latent": 8, "patch_px": 64, "steps": 120}},
    "cascade": {
        "labels": {"truncate": 0.0, "floor": 6.0, "coverage": True, "defect_pixels_only": True},
        "augment": {"shift_px": 8},
        "detector": {"patch_px": 64, "steps": 120, "batch": 8, "ema": 0.9, "precision": "float32"},
        "cascade": {"width": 8},
    },
    "memory-bank": {
        "memory_bank": {"synthetic_pictures": 60, "cells": 4000, "steps": 100, "directions": 8}
    },
    "reverse-distillation": {
        "reverse_distillation": {
            **{"width": 32, "steps": 150, "crop_px": 96, "views": 4},
            **{"units": 16, "synthetic_pictures": 60, "cells": 4000, "critic_steps": 100},
        }
    },
    "ensemble": {
        "reverse_distillation": {
            **{"width": 32, "steps": 100, "crop_px": 96, "views": 2},
            **{"units": 16, "synthetic_pictures": 40, "cells": 3000, "critic_steps": 60},
        },
        "patchcore": {"vectors": 400, "cells": 2000},
    },
    "simplenet": {
        "simplenet": {
            **{"width": 32, "steps": 60, "picture_px": 64},
            **{"learning_rate": 4e-3, "noise": 1.0, "ema": 0.9},
        }
    },
    "supersimplenet": {
        "supersimplenet": {
            **{"width": 16, "steps": 80, "picture_px": 64},
            **{"learning_rate": 4e-3, "noise": 1.0, "ema": 0.9},
        }
    },
    "efficientad": {
        "efficientad": {
            **{"features": 32, "width": 16, "views": 60, "teacher_steps": 80, "steps": 120},
            **{"picture_px": 64, "learning_rate": 4e-3, "ema": 0.9},
        }
    },
    "patchcore": {"patchcore": {"vectors": 400, "cells": 2000}},
    "padim": {"padim": {"reduction": 1, "dimensions": 30}},
    "texture": {"texture": {"block_px": 12, "step_px": 4, "blocks": 2000}},
    "template": {},
    "threshold": {},
}


# Training and export of these have tests of their own in tests/models and in this folder.
LEFT_OUT = (
    *("autoencoder", "cascade", "efficientad", "ensemble", "patchcore"),
    *("reverse-distillation", "simplenet", "supersimplenet"),
)


def _members() -> list[Any]:
    return [
        pytest.param(kind, marks=pytest.mark.slow if kind in LEFT_OUT else ())
        for kind in METHODS
        if kind != "regression"
    ]


@pytest.fixture(scope="module", params=_members())
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of one method with its signed bundle, run.outfeed."""
    kind: DetectorKind = request.param
    folder = tmp_path_factory.mktemp(kind)
    data = write_pictures(folder / "data", 48)
    if kind == "template":
        _print(data)
    recipe = Recipe.model_validate(
        {
            "name": kind,
            "method": kind,
            "split": {"validation_share": 0.3},
            "classifier": {"enabled": False},
            **TINY[kind],
        }
    )
    train_folder(data, recipe, folder / "run")
    options = ExportOptions(name=kind, formats=("onnx",), calibration_frames=8, search_parts=12)
    made = build_bundle(Run(folder / "run"), options)
    (folder / "run.outfeed").write_bytes(sign_bundle(made.data, KEY))
    return folder


def test_the_bundle_is_certified_and_describes_itself(exported: Path) -> None:
    bundle = parse_bundle((exported / "run.outfeed").read_bytes())
    manifest = bundle.manifest
    method = METHODS[manifest.detector.kind]
    certificate = check_certificate(manifest, bundle.files)
    assert CERTIFICATE in bundle.files
    assert {step.chain for step in certificate.steps} >= {build.name for build in manifest.builds}
    assert {golden.decision for golden in manifest.golden} == {"PASS", "REJECT"}
    quantised = method.int8 and method.build is not None
    assert manifest.builds[0].precision == ("int8" if quantised else "float32")


def test_the_station_tells_defective_parts_from_good_ones(exported: Path) -> None:
    """`outfeed inspect` on the pictures that were held back: black pits and white bars."""
    words = ["--bundle", str(exported / "run.outfeed"), "--out", str(exported / "r.jsonl")]
    words += ["--list", str(exported / "run" / "validation.txt"), "--no-timings"]
    command = [sys.executable, "-m", "edge", "inspect", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [json.loads(line) for line in (exported / "r.jsonl").read_text().splitlines()]
    bad = {Path(name).stem for name in _masks(exported)}
    wrong = [
        line["file"]
        for line in lines
        if (line["decision"] == "REJECT") != (Path(line["file"]).stem in bad)
    ]
    assert len(lines) > 10
    assert len(wrong) <= 2, wrong
    again = (exported / "r.jsonl").read_bytes()
    subprocess.run(command, capture_output=True, check=True, cwd=ROOT)
    assert (exported / "r.jsonl").read_bytes() == again, "the same pictures, the same verdicts"


# Of the lean network in test_failed_builds.
@pytest.mark.slow
@pytest.mark.parametrize("exported", ["memory-bank"], indirect=True)
def test_where_int8_is_not_the_float_chain_float_is_packed_alone(exported: Path) -> None:
    """Severity must be equal to the last digit: int8 cannot, and a float build is."""
    limits = ParityLimits(severity_error_p99=0.0)
    options = ExportOptions(
        name="strict", formats=("onnx",), calibration_frames=8, search_parts=4, limits=limits
    )
    made = build_bundle(Run(exported / "run"), options)
    assert [build.name for build in made.bundle.manifest.builds] == ["onnx-float32"]
    assert made.refused.startswith("onnx-int8 does not agree with torch-float32: severity error")
    certificate = check_certificate(made.bundle.manifest, made.bundle.files)
    assert [step.chain for step in certificate.steps] == ["onnx-float32"]


@pytest.mark.parametrize("exported", ["texture"], indirect=True)
def test_a_format_that_a_method_cannot_have_is_refused(exported: Path) -> None:
    options = ExportOptions(name="lite", formats=("tflite",))
    with pytest.raises(ExportError, match="formats tflite: a texture can be exported to onnx"):
        build_bundle(Run(exported / "run"), options)


@pytest.mark.parametrize("exported", ["padim"], indirect=True)
def test_a_network_of_one_size_is_packed_and_refuses_another_shape(exported: Path) -> None:
    manifest = parse_bundle((exported / "run.outfeed").read_bytes()).manifest
    assert (manifest.detector.height, manifest.detector.width) == (SIDE_PX, SIDE_PX)
    assert manifest.detector.overlap_px == 0
    assert not manifest.builds[0].detector.flexible
    options = ExportOptions(name="other", formats=("onnx",), height=SIDE_PX, width=64)
    line = f"shape {SIDE_PX}x64: the network takes {SIDE_PX}x{SIDE_PX} only"
    with pytest.raises(DataError, match=line):
        build_bundle(Run(exported / "run"), options)


@pytest.mark.timeout(300)
def test_a_line_runs_on_it(exported: Path) -> None:
    """`outfeed demo` is `outfeed run` with a belt, a broker and a receiver: the account adds up."""
    pytest.importorskip(
        "iotcore", reason="the broker is not installed: pip install 'outfeed[demo]'"
    )
    words = ["--bundle", str(exported / "run.outfeed"), "--frames", str(exported / "data")]
    words += ["--trust", str(TRUST), "--out", str(exported / "demo"), "--parts", "12"]
    done = subprocess.run(
        [sys.executable, "-m", "edge", "demo", *words],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _print(data: Path) -> None:
    """The same drawing on every part, under its defect: even grey has no place to be matched at."""
    masks = {path.stem: path for path in (data / "masks").rglob("*.png")}
    for path in (data / "images").iterdir():
        image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        drawn = image.copy()
        cv2.circle(drawn, (40, 52), 24, 70, 3)
        cv2.rectangle(drawn, (8, 10), (80, 20), 190, 2)
        cv2.line(drawn, (86, 4), (70, 90), 60, 3)
        if path.stem in masks:
            defect = cv2.imread(str(masks[path.stem]), cv2.IMREAD_GRAYSCALE) > 0
            drawn[defect] = image[defect]
        cv2.imwrite(str(path), drawn)


def _masks(exported: Path) -> list[Path]:
    return list((exported / "data" / "masks").rglob("*.png"))
