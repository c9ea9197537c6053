"""The public Python API: names, verdicts, errors, and the cost of importing it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

import edge
from edge import (
    BundleError,
    Decision,
    Frame,
    FrameError,
    Inspector,
    OutfeedError,
    UsageError,
    Verdict,
    load_inspector,
)
from edge.__main__ import main
from edge.bundle import read_bundle, write_bundle
from edge.inspection.lines import result_line
from tests.engines.both import both_formats
from tests.support.bundles import CLEAN, FAINT, HOLE, STAIN, small_bundle
from tests.support.keys import OTHER_TRUST, TRUST

ROOT = Path(__file__).parents[2]
PICTURES = {"clean.png": CLEAN, "faint.png": FAINT, "hole.png": HOLE, "stain.png": STAIN}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_bundle(tmp_path_factory.mktemp("bundle") / "small.outfeed")


@pytest.fixture(scope="module")
def inspector(bundle: Path) -> Inspector:
    return load_inspector(bundle, trust=TRUST)


def imported_modules(code: str) -> set[str]:
    """Return the modules that a new Python has imported after this code."""
    report = "\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    command = [sys.executable, "-c", code + report]
    result = subprocess.run(command, check=True, cwd=ROOT, capture_output=True, text=True)
    return set(json.loads(result.stdout))


@pytest.mark.parametrize("code", ["import edge", "from edge import BundleError, OutfeedError"])
def test_importing_edge_loads_neither_numpy_nor_an_engine(code: str) -> None:
    heavy = {"numpy", "cv2", "onnxruntime", "pydantic", "edge.api", "edge.chain"}
    assert not heavy & imported_modules(code)


def test_the_process_that_drives_the_ejector_loads_neither_numpy_nor_opencv() -> None:
    modules = imported_modules("import edge.rejector.__main__")
    assert "edge.rejector" in modules
    assert not {"numpy", "cv2", "onnxruntime", "edge.api"} & modules


def test_every_public_name_exists_and_is_listed() -> None:
    assert edge.__all__ == sorted(edge.__all__)
    assert set(edge.__all__) <= set(dir(edge))
    for name in edge.__all__:
        assert getattr(edge, name) is not None
    with pytest.raises(AttributeError, match="module 'edge' has no attribute 'no_such_name'"):
        _ = edge.no_such_name  # type: ignore[attr-defined]


def test_the_version_is_a_semantic_version() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?", edge.__version__)


def test_verdicts_are_those_of_outfeed_inspect_byte_for_byte(
    inspector: Inspector, bundle: Path, tmp_path: Path
) -> None:
    lines = []
    for name, pixels in PICTURES.items():
        cv2.imwrite(str(tmp_path / name), pixels)
        verdict = inspector.inspect(Frame.from_array(pixels))
        lines.append(result_line(name, verdict, timings=False) + "\n")
    out = tmp_path / "results.jsonl"
    arguments = [str(tmp_path), "-b", str(bundle), "--out", str(out), "--no-timings"]
    assert main(["inspect", *arguments]) == 0
    assert out.read_bytes() == "".join(lines).encode()


def test_a_verdict_has_the_part_and_its_defects(inspector: Inspector) -> None:
    verdict = inspector.inspect(Frame.from_array(HOLE, part_id=7))
    assert isinstance(verdict, Verdict)
    assert (verdict.part_id, verdict.decision) == (7, Decision.REJECT)
    (defect,) = verdict.defects
    box = defect.region.box
    assert (defect.kind, defect.guidance) == ("hole", "Check the punch.")
    assert (box.left, box.top, box.right, box.bottom) == (40, 30, 56, 42)
    assert inspector.inspect(Frame.from_array(CLEAN)).defects == ()


def test_an_array_of_another_memory_layout_gives_the_same_verdict(inspector: Inspector) -> None:
    colour = np.repeat(HOLE[:, :, None], 3, axis=2)
    expected = inspector.inspect(Frame.from_array(colour)).defects
    reversed_channels = Frame.from_array(colour[..., ::-1])
    assert reversed_channels.pixels.flags.c_contiguous
    assert inspector.inspect(reversed_channels).defects == expected
    assert expected[0].region == inspector.inspect(Frame.from_array(HOLE)).defects[0].region


def test_a_contiguous_array_is_used_without_a_copy() -> None:
    assert np.shares_memory(Frame.from_array(CLEAN).pixels, CLEAN)


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (CLEAN.astype(np.float32), "pixels are float32; expected a numpy array of uint8"),
        ([[1, 2], [3, 4]], "pixels are list; expected a numpy array of uint8"),
        (np.zeros((96, 128, 4), np.uint8), "pixels have shape (96, 128, 4); expected H×W or H×W×3"),
        (np.zeros(96, np.uint8), "pixels have shape (96,); expected H×W or H×W×3"),
        (np.zeros((0, 9), np.uint8), "pixels have shape (0, 9); expected at least one pixel"),
    ],
)
def test_an_array_that_is_no_picture_is_refused(pixels: np.ndarray, message: str) -> None:
    with pytest.raises(FrameError) as error:
        Frame.from_array(pixels)
    assert str(error.value) == message


def test_a_frame_that_is_too_small_is_refused(inspector: Inspector) -> None:
    with pytest.raises(FrameError, match="9×9 px; expected at least 16×16"):
        inspector.inspect(Frame.from_array(np.zeros((9, 9), np.uint8)))


def test_a_bundle_of_another_signer_is_refused(bundle: Path) -> None:
    with pytest.raises(BundleError, match=r"small\.outfeed: "):
        load_inspector(bundle, trust=[OTHER_TRUST])
    assert issubclass(BundleError, OutfeedError)


def test_one_of_several_keys_is_enough(bundle: Path) -> None:
    assert isinstance(load_inspector(bundle, trust=(OTHER_TRUST, TRUST)), Inspector)


def test_a_bundle_that_fails_its_golden_frames_is_refused(bundle: Path, tmp_path: Path) -> None:
    golden = read_bundle(bundle).manifest.golden[1]
    assert (golden.file, golden.decision) == ("golden/hole.png", "REJECT")
    altered = (golden.model_copy(update={"decision": "PASS"}),)
    frames = {golden.file: HOLE}
    path = small_bundle(tmp_path / "altered.outfeed", frames=frames, expected=altered)
    with pytest.raises(BundleError, match=r"does not reproduce .*golden/hole\.png: decide: REJECT"):
        load_inspector(path)
    with pytest.raises(BundleError, match="has no golden frame"):
        load_inspector(small_bundle(tmp_path / "none.outfeed", golden=False))


def test_auto_takes_the_first_engine_that_reads_the_bundle(tmp_path: Path) -> None:
    pytest.importorskip("ai_edge_litert", reason="pip install 'outfeed[litert]'")
    path = tmp_path / "tflite.outfeed"
    write_bundle(path, both_formats(onnx=False))
    frame = Frame.from_array(HOLE)
    assert load_inspector(path).inspect(frame).decision is Decision.REJECT
    with pytest.raises(BundleError, match="has no onnx for ort"):
        load_inspector(path, engine="ort")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"engine": "magic"}, "engine 'magic': expected auto, ort, litert, openvino"),
        ({"threads": 0}, "threads 0: expected 1 to 64"),
        ({"threads": 65}, "threads 65: expected 1 to 64"),
        ({"trust": "no-such-file.pub"}, "trust: no-such-file.pub: cannot be read"),
    ],
)
def test_an_option_that_cannot_be_used_is_named(
    bundle: Path, options: dict[str, object], message: str
) -> None:
    with pytest.raises(UsageError) as error:
        load_inspector(bundle, **options)  # type: ignore[arg-type]
    assert str(error.value).startswith(message)


def test_threads_and_a_named_engine_change_no_verdict(inspector: Inspector, bundle: Path) -> None:
    other = load_inspector(str(bundle), engine="ort", threads=2)
    for pixels in PICTURES.values():
        frame = Frame.from_array(pixels)
        first, second = inspector.inspect(frame), other.inspect(frame)
        assert result_line("", first, timings=False) == result_line("", second, timings=False)


def test_the_reference_page_lists_every_public_name_and_its_example_runs(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (ROOT / "docs/reference/python-api.md").read_text()
    for name in edge.__all__:
        assert re.search(rf"from edge import [^`]*\b{name}\b", page), name
    example = re.search(r"```python\n(.*?)```", page, re.DOTALL)
    assert example is not None
    monkeypatch.chdir(ROOT)
    exec(example.group(1), {})
    assert capsys.readouterr().out.startswith(("PASS", "REJECT"))
