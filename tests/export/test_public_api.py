"""The public export API: names, the cost of importing it, one call from a run to a bundle."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import export
from edge import OutfeedError, UsageError

ROOT = Path(__file__).parents[2]


def imported_modules(code: str) -> set[str]:
    """Return the modules that a new Python has imported after this code."""
    report = "\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    command = [sys.executable, "-c", code + report]
    result = subprocess.run(command, check=True, cwd=ROOT, capture_output=True, text=True)
    return set(json.loads(result.stdout))


def test_importing_export_loads_neither_torch_nor_onnx() -> None:
    modules = imported_modules("import export")
    assert not {"torch", "onnx", "onnxruntime", "numpy", "export.api"} & modules


def test_importing_export_turns_the_telemetry_of_onnx_runtime_off() -> None:
    code = "import os, export\nassert os.environ['ORT_DISABLE_TELEMETRY'] == '1'"
    assert "edge" in imported_modules(code)


def test_every_public_name_exists_and_is_listed() -> None:
    assert export.__all__ == sorted(export.__all__)
    assert set(export.__all__) <= set(dir(export))
    for name in export.__all__:
        assert getattr(export, name) is not None
    with pytest.raises(AttributeError, match="module 'export' has no attribute 'no_such_name'"):
        _ = export.no_such_name  # type: ignore[attr-defined]


def test_the_errors_of_an_export_are_outfeed_errors() -> None:
    assert issubclass(export.ExportError, OutfeedError)
    assert issubclass(export.ParityError, export.ExportError)


def test_settings_that_cannot_be_used_are_refused_when_they_are_made() -> None:
    for settings, message in (
        ({"name": "Line 3"}, "name Line 3: expected lower-case letters"),
        ({"version": "v1"}, "version v1: expected dotted numbers"),
        ({"height": 8, "width": 8}, "shape 8x8: expected HEIGHTxWIDTH of 16 px or more"),
        ({"formats": ()}, "formats : expected onnx, tflite, or both"),
        ({"calibration_frames": 1}, "calibration_frames 1: expected 2 or more"),
        ({"search_parts": 0}, "search_parts 0: expected 1 or more"),
        ({"max_false_rejects": 1.0}, "max_false_rejects 1: expected more than 0"),
        ({"limits": export.ParityLimits(missed=2.0)}, "missed 2: expected a share from 0 to 1"),
        (
            {"limits": export.ParityLimits(severity_error_p99=-1.0)},
            "severity_error_p99 -1: expected 0 or more",
        ),
    ):
        with pytest.raises(UsageError) as error:
            export.ExportOptions(**settings)  # type: ignore[arg-type]
        assert str(error.value).startswith(message)


def test_a_run_becomes_a_signed_bundle_in_one_call(tiny_run: Path, tmp_path: Path) -> None:
    from edge.bundle import key_id, read_bundle
    from edge.bundle.keys import write_key_pair

    private, _, public = write_key_pair(tmp_path / "plant", b"open sesame")
    result = export.export_run(
        tiny_run,
        private,
        passphrase="open sesame",
        out=tmp_path / "line.outfeed",
        options=export.ExportOptions(name="line", version="2", precision="float32"),
    )
    assert result.bundle == tmp_path / "line.outfeed"
    bundle = read_bundle(result.bundle, {public})
    assert bundle.id == result.bundle_id
    assert bundle.id.startswith("line-2-")
    assert result.signed_by == key_id(public)
    assert result.builds == ("onnx-float32",)
    assert (result.not_packed, result.threshold) == ((), bundle.manifest.chain.threshold)
    assert result.page.is_file()
    assert json.loads(result.record.read_text())["bundle"] == result.bundle_id
    assert 0 <= result.metrics["escape_rate"] <= 1


def test_a_folder_that_is_no_run_is_an_outfeed_error(tmp_path: Path) -> None:
    from models.data.dataset import DataError

    with pytest.raises((DataError, OutfeedError)):
        export.export_run(tmp_path)
