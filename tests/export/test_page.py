"""The page of an export shows what was tried, proved and measured, and loads nothing."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch is not installed: pip install torch")
pytest.importorskip("onnx", reason="onnx is not installed: pip install 'outfeed[export]'")

from export.pack import Exported
from export.page import latency_words, render, write_page
from export.record import record_of
from models.report.exported import TriedRecord


def test_all_of_it_is_shown(exported: Exported, tmp_path: Path) -> None:
    record = record_of(exported, "line.outfeed")
    text = write_page(tmp_path, record, exported.certified).read_text()
    assert f"line.outfeed: {exported.bundle.id}, T = " in text
    # The first line has the figures for a decision: escapes, false rejects, size and speed.
    metrics = record.metrics["onnx-int8"]
    lead = text[text.index('class="lead"') : text.index("<table")]
    assert f"onnx-int8: escapes {metrics['escapes']:.0f} of {metrics['defective']:.0f} (" in lead
    assert "; false rejects " in lead
    assert f"; {record.builds['onnx-int8'] / 1e3:.0f} kB; detector " in lead
    assert " ms a frame on one core of this machine." in lead
    assert text.index("torch in float, for comparison") < text.index("Parity certificate</h2>")
    assert "All layers are in int8." in text
    assert text.count('<figure class="case">') == 4
    assert text.count("data:image/jpeg") == 8
    assert "torch-float32: REJECT" in text
    assert "onnx-int8: REJECT" in text
    assert "detector: percentile, per tensor" in text
    assert "0 of 4 (0%; 95% interval 0–60.2%)" in text
    assert not re.search(r"https?://|<script|<link", text)
    assert render(record, exported.certified) == text


def test_the_layers_in_float_and_the_reason_are_shown(exported: Exported) -> None:
    record = record_of(exported, "line.outfeed")
    figures = record.tried[0].figures
    tried = (
        TriedRecord(network="detector", way="minmax", figures=figures, fault="kinds 0.1"),
        TriedRecord(network="detector", way="minmax, in float: conv_7", figures=figures, fault=""),
    )
    text = render(record.model_copy(update={"tried": tried}), exported.certified)
    assert "int8 alone exceeded a limit: minmax, in float: conv_7." in text
    assert "kinds 0.1" in text


def test_the_latency_of_int8_and_float_is_compared(exported: Exported) -> None:
    record = record_of(exported, "line.outfeed")

    def words(int8: float, in_float: float, *builds: str) -> str:
        latency = {"onnx-int8": int8, "onnx-float32": in_float}
        sizes = dict.fromkeys(builds, 1)
        return latency_words(record.model_copy(update={"latency_ms": latency, "builds": sizes}))

    assert words(1.0, 2.5, "onnx-int8").endswith("; int8 is 2.5 times faster")
    assert words(2.0, 2.0, "onnx-int8", "onnx-float32").endswith(
        "; int8 is NOT faster here; the float build is packed as well"
    )
    assert words(1.0, 2.0, "onnx-float32").endswith(
        "2.0 times faster; the float build is packed alone"
    )
    untimed = record.model_copy(update={"latency_ms": {}})
    assert latency_words(untimed) == "the latency was not measured"
    alone = untimed.model_copy(update={"precision": "float32"})
    assert latency_words(alone).startswith("only float32 was exported")


def test_nothing_to_show(exported: Exported) -> None:
    record = record_of(exported, "line.outfeed").model_copy(update={"tried": ()})
    text = render(record, replace(exported.certified, differences=()))
    assert text.count("Nothing was quantised.") == 2
    assert "<p>None.</p>" in text
