"""Methods whose detector is a file: from a folder of pictures to a bundle that a station runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")

from edge.bundle import Bundle, parse_bundle
from edge.chain.load import build_inspector, prove
from edge.errors import BundleError
from edge.records import Decision, Frame
from export.options import ExportOptions
from export.pack import build_bundle
from export.synthetic_defects import no_defect_drawn
from models.data.dataset import KindBox, Sample
from models.runs.run import Run
from models.training.session import train_folder
from tests.models.methods.parts import drawing, play, seen
from tests.support.drawn_frames import HEIGHT, WIDTH, frame, recipe

FLAWS = ("blob", "gone")


def write(folder: Path, *, flawed: bool) -> Path:
    """Twelve good parts and, where asked for, six flawed ones with masks."""
    (folder / "images").mkdir(parents=True)
    for number in range(18 if flawed else 12):
        flaw = FLAWS[number % 2] if number >= 12 else None
        cv2.imwrite(str(folder / f"images/{number:02d}.png"), frame(number, flaw))
        if flaw:
            shown = [
                seen(drawing(HEIGHT, WIDTH, defect=f), play(number), noise=0) for f in (flaw, None)
            ]
            mask = np.where(cv2.absdiff(*shown) > 15, np.uint8(255), np.uint8(0))
            (folder / "masks" / flaw).mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(folder / f"masks/{flaw}/{number:02d}.png"), mask)
    return folder


def bundle_of(method: str, tmp_path: Path, *, flawed: bool) -> Bundle:
    data = write(tmp_path / "data", flawed=flawed)
    out = tmp_path / "run"
    out.mkdir()
    train_folder(data, recipe(method), out)
    return parse_bundle(build_bundle(Run(out), ExportOptions(name="parts")).data)


@pytest.mark.parametrize("flawed", [True, False])
def test_a_golden_image_from_folder_to_station(tmp_path: Path, flawed: bool) -> None:
    bundle = bundle_of("template", tmp_path, flawed=flawed)
    manifest = bundle.manifest
    assert (manifest.detector.kind, manifest.detector.stride_px) == ("template", 1)
    assert [build.name for build in manifest.builds] == ["onnx-float32"]
    assert {golden.decision for golden in manifest.golden} == {"PASS", "REJECT"}
    inspector = build_inspector(bundle, now_ns=lambda: 0)
    prove(bundle, inspector)
    for seed in range(40, 44):
        good = inspector.inspect(Frame(1, 1, 0, 0, frame(seed)))
        assert good.decision is Decision.PASS, good.reason
        bad = inspector.inspect(Frame(2, 2, 0, 0, frame(seed, FLAWS[seed % 2])))
        assert bad.decision is Decision.REJECT


def test_a_station_s_file_that_is_another_does_not_prove_itself(tmp_path: Path) -> None:
    """Another part's golden image in the bundle: the golden frames are not reproduced."""
    bundle = bundle_of("template", tmp_path, flawed=True)
    name = bundle.manifest.builds[0].detector.file
    data = bytearray(bundle.files[name])
    data[-2 * HEIGHT * WIDTH : -HEIGHT * WIDTH] = frame(0)[::-1].tobytes()
    altered = replace(bundle, files=bundle.files | {name: bytes(data)})
    with pytest.raises(BundleError, match="does not reproduce its golden frame"):
        prove(altered, build_inspector(altered, now_ns=lambda: 0))
    broken = replace(bundle, files=bundle.files | {name: bytes(data[:-1])})
    with pytest.raises(BundleError, match="the planes of the template have"):
        build_inspector(broken, now_ns=lambda: 0)


def test_a_box_is_a_drawn_defect() -> None:
    """Parts that are annotated by boxes need no synthetic defect."""
    good = Sample("a.png", Path("a.png"), "a")
    boxed = replace(good, kinds=("pit",), boxes=(KindBox("pit", 1, 1, 4, 4),))
    assert no_defect_drawn([good])
    assert not no_defect_drawn([good, boxed])


def test_thresholds_from_folder_to_station(tmp_path: Path) -> None:
    bundle = bundle_of("threshold", tmp_path, flawed=True)
    assert bundle.manifest.detector.kind == "threshold"
    inspector = build_inspector(bundle, now_ns=lambda: 0)
    prove(bundle, inspector)
