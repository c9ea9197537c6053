"""RUN/export.json."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("matplotlib")
pytest.importorskip("scipy")

from models.data.dataset import DataError
from models.report.exported import ExportRecord, read_export, write_export


def test_export_record_comes_back(tmp_path: Path) -> None:
    assert read_export(tmp_path) is None
    record = ExportRecord(
        bundle="a",
        file="a.outfeed",
        precision="float32",
        threshold=5.0,
        keep_severity=0.0,
        max_false_rejects=None,
        metrics={"float32": {"parts": 3.0}},
        parity={"onnx-int8": {"mask_iou": 1.0}},
    )
    write_export(tmp_path, record)
    assert read_export(tmp_path) == record
    assert record.limits == "T = 5"
    both = record.model_copy(update={"reject_severity": 6.5})
    assert both.limits == "T = 5, reject severity 6.5"
    (tmp_path / "export.json").write_text('{"bundle": 1}')
    with pytest.raises(DataError, match=r"export\.json: key"):
        read_export(tmp_path)
