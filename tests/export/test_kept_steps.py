"""Finished steps of an export: what is used again, and what is not."""

from __future__ import annotations

import math
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import TypeAdapter

pytest.importorskip("torch")
pytest.importorskip("onnxruntime.quantization")

from export import kept_steps
from export.float_onnx import export_float
from export.kept_steps import FOLDER, NOTHING_KEPT, KeptSteps, steps_of
from export.tflite import FILES, TfliteFile
from models.data.dataset import MaskRef, Sample
from models.runs.run import Run


@dataclass(frozen=True)
class Figures:
    share: float
    count: int | None
    names: tuple[str, ...]


def _refused() -> bytes:
    raise AssertionError("the step is made again")


def test_a_step_is_made_once_for_the_same_inputs(tmp_path: Path) -> None:
    steps = KeptSteps(tmp_path, "inputs")
    assert steps.bytes_of("a", (1, b"x"), lambda: b"made") == b"made"
    assert steps.bytes_of("a", (1, b"x"), _refused) == b"made"
    for other in (
        lambda: steps.bytes_of("a", (2, b"x"), lambda: b"new"),
        lambda: steps.bytes_of("a", (1, b"y"), lambda: b"new"),
        lambda: steps.bytes_of("b", (1, b"x"), lambda: b"new"),
        lambda: KeptSteps(tmp_path, "others").bytes_of("a", (1, b"x"), lambda: b"new"),
    ):
        assert other() == b"new"
    steps.clear()
    assert not (tmp_path / FOLDER).exists()


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-1], lambda data: data + b"x", lambda _: b""]
)
def test_a_damaged_step_is_made_again(damage: object, tmp_path: Path) -> None:
    steps = KeptSteps(tmp_path, "inputs")
    steps.bytes_of("a", (), lambda: b"made")
    (path,) = (tmp_path / FOLDER).iterdir()
    path.write_bytes(damage(path.read_bytes()))
    assert steps.bytes_of("a", (), lambda: b"again") == b"again"
    assert steps.bytes_of("a", (), _refused) == b"again"


def test_records_keep_every_value(tmp_path: Path) -> None:
    steps = KeptSteps(tmp_path, "inputs")
    form = TypeAdapter(Figures)
    made = Figures(math.nan, None, ("x", "y"))
    steps.of("figures", (), form, lambda: made)
    kept = steps.of("figures", (), form, _refused)
    assert math.isnan(kept.share)
    assert (kept.count, kept.names) == (None, ("x", "y"))
    files = {"detector": TfliteFile(bytes(range(256)), 0.1, 3, ("CONV_2D",))}
    steps.of("tflite", (), FILES, lambda: files)
    assert steps.of("tflite", (), FILES, _refused) == files


def test_without_a_folder_nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    made = iter((b"1", b"2"))
    assert [NOTHING_KEPT.bytes_of("a", (), lambda: next(made)) for _ in range(2)] == [b"1", b"2"]
    NOTHING_KEPT.clear()
    assert not any(tmp_path.iterdir())


def test_every_input_counts(
    tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(tiny_run, folder)
    picture, mask = tmp_path / "a.png", tmp_path / "m.png"
    picture.write_bytes(b"pixels")
    mask.write_bytes(b"mask")
    sample = Sample("a", picture, "a", ("pit",), (MaskRef(mask, "pit"),))

    def hashed(given: Sample = sample, settings: object = (96, 300)) -> str:
        return steps_of(Run(folder), [given], settings)._inputs

    before = {hashed()}
    assert before == {hashed()}
    found = [hashed(settings=(96, 200))]
    found.append(hashed(Sample("a", picture, "a", ("bar",), (MaskRef(mask, "bar"),))))
    found.append(hashed(Sample("a", picture, "a", ("pit",), (MaskRef(mask, "pit", dark=True),))))
    for path in (picture, mask, *(folder / name for name in ("detector.pt", "result.json"))):
        path.write_bytes(path.read_bytes() + b" ")
        found.append(hashed())
    monkeypatch.setattr(kept_steps, "_code_sha256", lambda: "other code")
    found.append(hashed())
    monkeypatch.setattr(kept_steps, "_versions", lambda: iter(["torch=0;"]))
    found.append(hashed())
    assert len({*before, *found}) == 1 + len(found)


def test_two_processes_write_the_same_graph(tiny_run: Path) -> None:
    """torch's exporter notes a set there, whose order depends on the process."""
    network = Run(tiny_run).load_classifier()
    assert network is not None
    assert not export_float(network, 1).graph.metadata_props
