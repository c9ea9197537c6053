"""Whatever makes a station see otherwise than the export did is refused, with the step named.

Each fault is tried as it comes, where the certificate or the digest catches it; and certified anew,
as a faulty export would, where only the golden frames are left to catch it.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed: pip install torch")
pytest.importorskip("onnx", reason="onnx is not installed: pip install 'outfeed[export]'")
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

import edge.chain.classify
import edge.chain.detect
from edge.bundle import (
    CERTIFICATE,
    Bundle,
    Certificate,
    ChainManifest,
    pack,
    parse_bundle,
    subject_of,
)
from edge.chain.load import build_inspector, prove
from edge.errors import BundleError
from export.chains import Build, build_chain, torch_chain
from export.float_onnx import Tail, export_float, station_graph
from export.golden import choose_golden
from export.options import ExportOptions
from export.pack import Exported, build_bundle
from export.source import onnx_build
from models.data.dataset import Sample
from models.networks import DetectorNetwork
from models.runs.run import Run
from models.training.patches import Picture
from tests.export.conftest import plain_manifest

DETECTOR, CLASSIFIER = "onnx-int8/detector.onnx", "onnx-int8/classifier.onnx"


def judged(bundle: Bundle) -> None:
    prove(bundle, build_inspector(bundle, now_ns=time.monotonic_ns))


def refusal(bundle: Bundle) -> str:
    with pytest.raises(BundleError) as caught:
        judged(bundle)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def repacked(bundle: Bundle, files: dict[str, bytes], *, certified: bool, **changes: Any) -> Bundle:
    """The bundle with files and keys of its manifest exchanged, its digests made to fit; certified:
    its certificate too."""
    content = {**bundle.files, **files}
    manifest = bundle.manifest.model_copy(update=changes)
    if certified:
        networks = {
            name: hashlib.sha256(content[name]).hexdigest()
            for build in manifest.builds
            for name in build.files
        }
        certificate = Certificate(subject=subject_of(manifest, networks), steps=())
        content[CERTIFICATE] = certificate.model_dump_json().encode()
    return parse_bundle(pack(manifest, content))


def edited(data: bytes, change: Callable[[dict[str, Any]], None]) -> bytes:
    """A network whose initialisers, by name, were changed."""
    model = onnx.ModelProto.FromString(data)
    change({tensor.name: tensor for tensor in model.graph.initializer})
    return model.SerializeToString()


def put(tensor: Any, values: np.ndarray) -> None:
    tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))


@pytest.fixture(scope="module")
def whole(exported: Exported) -> Bundle:
    judged(exported.bundle)
    return exported.bundle


def test_one_flipped_bit_of_the_file(exported: Exported) -> None:
    data = bytearray(exported.data)
    data[len(data) // 2] ^= 1
    with pytest.raises(BundleError):
        parse_bundle(bytes(data))


def test_resize(whole: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    """The frame goes through a picture of another size on its way to the network."""
    as_channels = edge.chain.detect.as_channels

    def through(pixels: np.ndarray, channels: int) -> np.ndarray:
        height, width = pixels.shape[:2]
        small = cv2.resize(pixels, (width // 2, height // 2), interpolation=cv2.INTER_NEAREST)
        return as_channels(cv2.resize(small, (width, height)), channels)

    monkeypatch.setattr(edge.chain.detect, "as_channels", through)
    assert "does not reproduce its golden frame" in refusal(whole)


def test_resize_of_blocks(whole: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    def small(pixels: np.ndarray, window: Any, size_px: int) -> np.ndarray:
        block = cut_block(pixels, window, size_px)
        return np.ascontiguousarray(cv2.resize(block[:16, :16], (size_px, size_px)))

    cut_block = edge.chain.classify.cut_block
    monkeypatch.setattr(edge.chain.classify, "cut_block", small)
    assert ": classify: " in refusal(whole)


def test_normalisation(whole: Bundle) -> None:
    def brighter(tensors: dict[str, Any]) -> None:
        put(tensors["normalised_zero_point"], np.array(100, np.uint8))

    files = {DETECTOR: edited(whole.files[DETECTOR], brighter)}
    said = refusal(repacked(whole, files, certified=False))
    assert f"its certificate is another's: networks.{DETECTOR} is " in said
    assert ": detect: severity " in refusal(repacked(whole, files, certified=True))


def test_threshold(whole: Bundle) -> None:
    for by in (0.5, -0.5):
        chain = ChainManifest(threshold=whole.manifest.chain.threshold + by)
        said = refusal(repacked(whole, {}, certified=False, chain=chain))
        assert "its certificate is another's: chain.threshold is " in said


def test_class_order(whole: Bundle) -> None:
    kinds = whole.manifest.kinds[::-1]
    said = refusal(repacked(whole, {}, certified=False, kinds=kinds))
    assert "its certificate is another's: kinds.0.name is pit, certified was bar" in said
    assert ": classify: " in refusal(repacked(whole, {}, certified=True, kinds=kinds))


def test_stale_network(whole: Bundle, tiny_run: Path, tmp_path: Path) -> None:
    """The detector of another training of the same recipe."""
    run = Run(tiny_run)
    network = run.load_detector()
    torch.manual_seed(1)
    with torch.no_grad():
        for values in network.parameters():
            values += 0.1 * values.abs().mean() * torch.randn_like(values)
    stale = Run(tmp_path)
    for name in ("run.json", "result.json", "classifier.pt"):
        (tmp_path / name).write_bytes((tiny_run / name).read_bytes())
    stale.save_detector(network)
    graph = station_graph(export_float(network, 1), Tail(network.logistic, network.shuffle))
    files = {DETECTOR: graph.SerializeToString()}
    assert f"networks.{DETECTOR} is " in refusal(repacked(whole, files, certified=False))
    # A float network where an int8 one should be: its severity is not what the manifest scales.
    assert "detect: " in refusal(repacked(whole, files, certified=True))


def test_wrong_build(whole: Bundle, tiny_run: Path) -> None:
    """int8's numbers with the float build's files, and the classifier in the detector's place."""
    options = ExportOptions(name="tiny", precision="float32")
    in_float = build_bundle(Run(tiny_run), options).bundle
    files = {DETECTOR: in_float.files["onnx-float32/detector.onnx"]}
    assert ": detect: severity " in refusal(repacked(whole, files, certified=True))
    swapped = {DETECTOR: whole.files[CLASSIFIER], CLASSIFIER: whole.files[DETECTOR]}
    with pytest.raises(BundleError):
        judged(repacked(whole, swapped, certified=True))


class Blue(DetectorNetwork):
    """Severity is how blue a cell is: channel 0 of BGR against the mean of the others."""

    stride_px = multiple_px = 2

    def __init__(self) -> None:
        super().__init__()
        self.look = nn.Conv2d(3, 1, 2, stride=2)
        with torch.no_grad():
            self.look.weight[:] = torch.tensor([1.0, -0.5, -0.5])[None, :, None, None]
            self.look.bias = nn.Parameter(torch.zeros(1))

    def raw(self, x: Tensor) -> Tensor:
        return self.look(x)  # type: ignore[no-any-return]


def test_channel_order(monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = _colour_bundle()
    judged(bundle)

    def swapped(tensors: dict[str, Any]) -> None:
        name = next(name for name in tensors if name.endswith("look.weight"))
        put(tensors[name], numpy_helper.to_array(tensors[name])[:, ::-1])

    file = "onnx-float32/detector.onnx"
    files = {file: edited(bundle.files[file], swapped)}
    assert ": detect: severity " in refusal(repacked(bundle, files, certified=True))
    as_channels = edge.chain.detect.as_channels
    monkeypatch.setattr(
        edge.chain.detect,
        "as_channels",
        lambda pixels, channels: np.ascontiguousarray(as_channels(pixels, channels)[:, :, ::-1]),
    )
    assert ": detect: severity " in refusal(bundle)


def _colour_bundle() -> Bundle:
    network = Blue().eval()
    build = onnx_build("float32", False, network)
    draft = plain_manifest("blue", build, size=(64, 64), channels=3)
    graph = station_graph(export_float(network, 3), Tail(sigmoid=False, shuffle=1))
    data = {build.detector.file: graph.SerializeToString()}
    pixels = np.full((64, 64, 3), 128, np.uint8)
    pixels[20:40, 20:40] = (255, 40, 128)
    kind_map = np.zeros((64, 64), np.uint8)
    kind_map[20:40, 20:40] = 1
    pictures = [
        Picture(Sample("blot.png", Path("blot.png"), "a", ("mark",)), pixels, kind_map),
        Picture(
            Sample("good.png", Path("good.png"), "b"),
            np.full((64, 64, 3), 128, np.uint8),
            np.zeros((64, 64), np.uint8),
        ),
    ]
    chains = {
        "onnx": build_chain(draft, Build(build, data)),
        "torch": torch_chain(network, None, draft, flexible=True),
    }
    golden = choose_golden(chains, pictures, (64, 64), 4.0)
    empty = Bundle(draft, "0" * 64, {}, 0)
    return repacked(
        replace(empty, manifest=draft),
        {**data, **golden.files},
        certified=True,
        golden=golden.frames,
    )
