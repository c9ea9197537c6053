"""A small real bundle for tests: two networks of a few operators with outputs computable by hand.

The detector gives a cell the severity 12 · (128 − grey) / 128, the mean over its 2×2 pixels, 0
where that is negative: grey 0 is 12, grey 64 is 6, grey 128 and brighter is 0. The classifier looks
at the darkest pixel of a block: down to grey 68 it is background, below a ``stain``, below grey 28
a ``hole``. So with T = 4 (grey 85) on a surface of grey 160:

    dark spot of grey    0 to 27   a hole, rejects
                        29 to 67   a stain, rejects from 40 px on, else "within the rules"
                        69 to 85   found, then called background
                        above 86   not seen
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from numpy.typing import NDArray

from edge.bundle import (
    CERTIFICATE,
    BuildManifest,
    Bundle,
    Certificate,
    ChainManifest,
    ClassifierManifest,
    DetectorFile,
    DetectorManifest,
    GoldenManifest,
    KindManifest,
    Manifest,
    RuleManifest,
    pack,
    subject_of,
    write_bundle,
)
from edge.bundle.certificate import ParityStep
from edge.chain.golden import golden_manifest
from edge.chain.load import build_inspector
from edge.records import Frame
from tests.support.keys import KEY

onnx = pytest.importorskip("onnx", reason="onnx is not installed: pip install 'outfeed[export]'")

SURFACE_GREY = 160
STRIDE_PX = 2
BLOCK_PX = 64
SEVERITY_SCALE = 0.05  # of one uint8 step: 240 is severity 12
THRESHOLD = 4.0
KINDS = (
    KindManifest(name="hole", guidance="Check the punch."),
    KindManifest(name="stain", guidance="Clean the rollers.", rule=RuleManifest(min_area_px=40)),
)
CHAIN = ChainManifest(threshold=THRESHOLD)
STEP = ParityStep(
    chain="onnx-int8",
    against="torch-float32",
    figures={"missed": 0.0, "missed_bound": 0.0131},
    limits={"missed": 0.02},
)
Precision = Literal["int8", "float32"]
Pixels = NDArray[np.uint8]


def picture(*spots: tuple[int, int, int, int, int], size: tuple[int, int] = (96, 128)) -> Pixels:
    """A grey surface of height × width with rectangles: (left, top, right, bottom, grey) each."""
    pixels = np.full(size, SURFACE_GREY, np.uint8)
    for left, top, right, bottom, grey in spots:
        pixels[top:bottom, left:right] = grey
    return pixels


CLEAN = picture()
HOLE = picture((40, 30, 56, 42, 0))
STAIN = picture((80, 50, 96, 62, 50))
FAINT = picture((20, 20, 30, 30, 75))  # passes T, then background


def detector_network(precision: Precision = "int8", channels: int = 1) -> bytes:
    """ONNX: uint8 batch×height×width×channels → severity, batch×1×height/2×width/2."""
    make = onnx.helper.make_node
    nodes = [
        make("Transpose", ["pixels"], ["planes"], perm=[0, 3, 1, 2]),
        make("Cast", ["planes"], ["values"], to=onnx.TensorProto.FLOAT),
        make("ReduceMean", ["values"], ["grey"], axes=[1], keepdims=1),
        make("Sub", ["level", "grey"], ["dark"]),
        make("Relu", ["dark"], ["positive"]),
        make("AveragePool", ["positive"], ["cells"], kernel_shape=[2, 2], strides=[2, 2]),
        make("Mul", ["cells", "gain"], ["severity"]),
    ]
    constants = {"level": np.float32(128), "gain": np.float32(12 / 128)}
    output, kind = "severity", onnx.TensorProto.FLOAT
    if precision == "int8":
        nodes.append(make("QuantizeLinear", ["severity", "scale", "zero"], ["quantised"]))
        constants |= {"scale": np.float32(SEVERITY_SCALE), "zero": np.uint8(0)}
        output, kind = "quantised", onnx.TensorProto.UINT8
    return _model(nodes, constants, channels, (output, kind, ["batch", 1, "rows", "columns"]))


def classifier_network(channels: int = 1) -> bytes:
    """ONNX: uint8 batch×height×width×channels → logits of background, hole, stain.

    With m = 128 − the darkest pixel: 0, (m − 60) + 2 (m − 100), m − 60; the largest wins.
    """
    make = onnx.helper.make_node
    nodes = [
        make("Cast", ["pixels"], ["values"], to=onnx.TensorProto.FLOAT),
        make("ReduceMean", ["values"], ["grey"], axes=[3], keepdims=1),
        make("ReduceMin", ["grey"], ["darkest"], axes=[1, 2, 3], keepdims=0),
        make("Unsqueeze", ["darkest", "last"], ["column"]),
        make("Mul", ["column", "slope"], ["sloped"]),
        make("Add", ["sloped", "offset"], ["logits"]),
    ]
    # m - 60 = 68 - darkest; (m - 60) + 2 (m - 100) = 124 - 3 darkest. A tenth: no overflow.
    constants = {
        "last": np.array([1], np.int64),
        "slope": np.array([[0, -0.3, -0.1]], np.float32),
        "offset": np.array([[0, 12.4, 6.8]], np.float32),
    }
    return _model(nodes, constants, channels, ("logits", onnx.TensorProto.FLOAT, ["batch", 3]))


def bundle_bytes(
    *,
    name: str = "dark-spots",
    version: str = "1.0",
    precision: Precision = "int8",
    channels: Literal[1, 3] = 1,
    size: tuple[int, int] = (96, 128),
    overlap_px: int = 16,
    classifier: bool = True,
    kinds: tuple[KindManifest, ...] = KINDS,
    chain: ChainManifest = CHAIN,
    golden: bool = True,
    frames: dict[str, Pixels] | None = None,
    expected: tuple[GoldenManifest, ...] | None = None,
    certified: bool = True,
    builds: tuple[BuildManifest, ...] = (),
    key: Ed25519PrivateKey | None = KEY,
    **manifest: Any,
) -> bytes:
    """Return the bytes of a whole bundle, signed where there is a key.

    The golden frames are clean, hole and stain, or ``frames`` by their names. Their verdicts are
    those of this machine's chain, or ``expected``.

    Args:
        size: the detector's static height × width, in px.
        manifest: further keys of Manifest.
    """
    files = {"detector.onnx": detector_network(precision, channels)}
    if classifier:
        files["classifier.onnx"] = classifier_network(channels)
    content = Manifest(
        name=name,
        version=version,
        outfeed_version="0.1.0",
        detector=DetectorManifest(
            network="dark",
            channels=channels,
            height=size[0],
            width=size[1],
            overlap_px=overlap_px,
            multiple_px=STRIDE_PX,
            stride_px=STRIDE_PX,
        ),
        classifier=ClassifierManifest(channels=channels, size_px=BLOCK_PX) if classifier else None,
        builds=builds or (_onnx_build(precision, classifier),),
        chain=chain,
        kinds=kinds,
        golden=(),
        **{"metrics": {"int8": {"mean_iou": 0.9}}, **manifest},
    )
    if golden:
        if frames is None:
            frames = {"golden/clean.png": CLEAN, "golden/hole.png": HOLE, "golden/stain.png": STAIN}
        found = _golden(content, files, frames) if expected is None else expected
        content = content.model_copy(update={"golden": found})
        files |= {file: encode(pixels) for file, pixels in frames.items()}
    if certified:
        files[CERTIFICATE] = certificate_of(content, files)
    return pack(content, files, key)


def _onnx_build(precision: Precision, classifier: bool) -> BuildManifest:
    scale = SEVERITY_SCALE if precision == "int8" else 1.0
    return BuildManifest(
        format="onnx",
        precision=precision,
        detector=DetectorFile(file="detector.onnx", scale=scale),
        classifier="classifier.onnx" if classifier else None,
    )


def certificate_of(content: Manifest, files: dict[str, bytes]) -> bytes:
    """A certificate for this very bundle; its one step is made up."""
    networks = {
        name: hashlib.sha256(files[name]).hexdigest()
        for build in content.builds
        for name in build.files
    }
    certificate = Certificate(subject=subject_of(content, networks), steps=(STEP,))
    return certificate.model_dump_json().encode()


def small_bundle(path: Path, **options: Any) -> Path:
    """``bundle_bytes`` written to ``path``, which is returned."""
    write_bundle(path, bundle_bytes(**options))
    return path


def encode(pixels: NDArray[Any], suffix: str = ".png") -> bytes:
    """The picture as a file's bytes."""
    fine, data = cv2.imencode(suffix, pixels)
    assert fine
    return data.tobytes()


def _golden(
    content: Manifest, files: dict[str, bytes], frames: dict[str, Pixels]
) -> tuple[GoldenManifest, ...]:
    inspector = build_inspector(Bundle(content, "0" * 64, files, 0), now_ns=time.monotonic_ns)
    return tuple(
        golden_manifest(file, inspector.examine(Frame(number, number, 0, 0, pixels)))
        for number, (file, pixels) in enumerate(frames.items())
    )


def _model(
    nodes: list[Any],
    constants: dict[str, Any],
    channels: int,
    output: tuple[str, int, Sequence[int | str]],
) -> bytes:
    make_info = onnx.helper.make_tensor_value_info
    shape = ["batch", "height", "width", channels]
    graph = onnx.helper.make_graph(
        nodes,
        "small",
        [make_info("pixels", onnx.TensorProto.UINT8, shape)],
        [make_info(*output)],
        [onnx.numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()],
    )
    # Old enough for every ONNX Runtime that Outfeed accepts.
    opset = onnx.helper.make_opsetid("", 17)
    model = onnx.helper.make_model(graph, opset_imports=[opset], ir_version=8)
    onnx.checker.check_model(model)
    data: bytes = model.SerializeToString()
    return data
