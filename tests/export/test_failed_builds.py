"""A build that breaks its limits is not packed, with its reason; the others are packed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch is not installed: pip install torch")
pytest.importorskip("onnx", reason="onnx is not installed: pip install 'outfeed[export]'")

from edge.bundle import check_certificate
from export import certificate as certify
from export.builds import Workshop
from export.errors import BuildFailure, ExportError, ParityError
from export.pack import build_bundle
from export.page import render
from export.parity import Parity, ParityLimits, Worst, faults, limit_options
from export.record import record_of
from models.runs.run import Run
from tests.export.conftest import OPTIONS, run_export
from tests.models.report.pages import text_of

QUICK = replace(OPTIONS, calibration_frames=4, search_parts=2, keep_float=False)
IMPOSSIBLE = ParityLimits(severity_error_p99=0.0)


def test_where_int8_does_not_hold_float_is_packed_and_the_page_says_why(tiny_run: Path) -> None:
    made = build_bundle(Run(tiny_run), replace(QUICK, limits=IMPOSSIBLE))
    manifest = made.bundle.manifest
    assert [build.name for build in manifest.builds] == ["onnx-float32"]
    assert [s.chain for s in check_certificate(manifest, made.bundle.files).steps] == [
        "onnx-float32"
    ]
    (failures,) = made.failures
    assert failures.build == "onnx-int8"
    assert "(limit 0) in step detect, worst at images/" in failures.reason
    assert ": severity differs by " in failures.reason
    assert failures.remedy.startswith("To pack it as it is: --severity-error ")
    text = text_of(render(record_of(made, "line.outfeed"), made.certified))
    assert "Not packed: onnx-int8. Packed: onnx-float32." in text
    assert failures.reason in text
    assert failures.remedy in text
    # What helps does help.
    loose = replace(IMPOSSIBLE, severity_error_p99=float(failures.remedy.split()[-1]))
    assert not faults(made.certified.parity["onnx-int8"], loose)


def test_what_holds_is_packed(tiny_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither TFLite, whose tool chain fails, nor float, which is held to the impossible, takes
    the int8 ONNX build along."""

    def broken(_: Workshop, keep_float: tuple[str, ...] = ()) -> None:
        raise ExportError("the tool chain crashed")

    monkeypatch.setattr(Workshop, "int8_tflite", broken)
    monkeypatch.setattr(certify, "FLOAT_LIMITS", ParityLimits(severity_error_p99=-1.0))
    options = replace(QUICK, formats=("tflite", "onnx"), with_float="always")
    made = build_bundle(Run(tiny_run), options)
    assert [build.name for build in made.bundle.manifest.builds] == ["onnx-int8"]
    assert [failures.build for failures in made.failures] == ["tflite-int8", "onnx-float32"]
    assert made.failures[0] == BuildFailure(
        "tflite-int8",
        "tflite-int8 cannot be made: the tool chain crashed",
        "To leave it out: --formats onnx",
    )


def test_where_nothing_holds_every_reason_is_given(
    tiny_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(certify, "FLOAT_LIMITS", ParityLimits(severity_error_p99=-1.0))
    with pytest.raises(ParityError) as error:
        build_bundle(Run(tiny_run), replace(QUICK, precision="float32"))
    assert "onnx-float32 does not agree with torch-float32: severity error" in str(error.value)


def test_the_frame_the_step_and_the_option() -> None:
    worst = (Worst("kinds", "a.png", "2 regions have different kinds"),)
    parity = Parity(10, 0.0, 2.61, 3.0, 0.745, 1.0, 0.8, 1.0, 40, 3, 0, (), ("b.png",), worst)
    (iou, kinds, error, missed) = faults(parity, ParityLimits())
    assert kinds == (
        "kinds 0.800 (limit 0.9) in step classify, worst at a.png: 2 regions have different kinds"
    )
    assert iou == "mask iou 0.745 (limit 0.8)"
    assert "2.61" in error
    assert "first: b.png" in missed
    options = limit_options(parity, ParityLimits())
    assert options == "--mask-iou 0.74 --kinds 0.8 --severity-error 2.7 --missed 0.08"


@pytest.mark.parametrize(
    "option", [("--mask-iou", "1.01"), ("--missed", "-0.1"), ("--severity-error", "nan")]
)
def test_a_limit_that_no_build_can_keep_is_a_usage_error(
    tiny_run: Path, option: tuple[str, str]
) -> None:
    done = run_export("--run", tiny_run, *option)
    assert (done.exit_code, done.stdout) == (2, "")
    assert option[0] in done.stderr
    assert "expected 0" in done.stderr or "expected a share from 0" in done.stderr
