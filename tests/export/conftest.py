"""One bundle for the tests that only look at it."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch is not installed: pip install torch")
pytest.importorskip("onnx", reason="onnx is not installed: pip install 'outfeed[export]'")

from export.pack import Exported, ExportOptions, export_run
from models.run import Run

OPTIONS = ExportOptions(name="tiny", calibration_frames=12, search_parts=8, formats=("onnx",))


@pytest.fixture(scope="session")
def exported(tiny_run: Path) -> Exported:
    """The tiny run, as ONNX in int8."""
    return export_run(Run(tiny_run), OPTIONS)
