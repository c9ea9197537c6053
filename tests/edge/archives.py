"""A bundle of a few bytes, and bundles that an attacker who knows the format could make."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge.bundle import (
    MANIFEST,
    BuildManifest,
    ChainManifest,
    ClassifierManifest,
    DetectorFile,
    DetectorManifest,
    GoldenManifest,
    KindManifest,
    Manifest,
    pack,
    read_bundle,
)
from edge.bundle.container import join, split
from edge.bundle.keys import public_of
from edge.bundle.seal import SEAL_BYTES, make_seal
from edge.errors import BundleError
from tests.support.keys import KEY

TRUSTED = frozenset({public_of(KEY)})

PICTURE = cv2.imencode(".png", np.full((4, 6), 160, np.uint8))[1].tobytes()
FILES = {"detector.onnx": b"network", "classifier.onnx": b"blocks", "golden/one.png": PICTURE}
DETECTOR = DetectorManifest(
    network="lean",
    channels=1,
    height=64,
    width=96,
    overlap_px=32,
    multiple_px=16,
    stride_px=2,
)
BUILD = BuildManifest(
    format="onnx",
    precision="int8",
    detector=DetectorFile(file="detector.onnx", scale=0.05),
    classifier="classifier.onnx",
)
CONTENT = Manifest(
    name="tiles",
    version="1.0",
    outfeed_version="0.1.0",
    detector=DETECTOR,
    classifier=ClassifierManifest(channels=1, size_px=64),
    chain=ChainManifest(threshold=4.0),
    kinds=(KindManifest(name="hole"), KindManifest(name="crack")),
    builds=(BUILD,),
    golden=(GoldenManifest(file="golden/one.png", decision="PASS", grid=((1.0,),)),),
    metrics={"int8": {"mean_iou": 0.8, "image_ap": float("nan")}},
)


def archive(files: dict[str, bytes]) -> bytes:
    """Any files as a bundle has them, unsigned."""
    return sealed(join(files, SEAL_BYTES))


def sealed(body: bytes, key: Ed25519PrivateKey | None = None) -> bytes:
    """Any bytes under a seal that fits."""
    return body + make_seal(body, key)


def body_of(data: bytes) -> bytes:
    return data[:-SEAL_BYTES]


def files_of(data: bytes) -> dict[str, bytes]:
    """The files of a bundle, its manifest among them."""
    return split(memoryview(body_of(data)), SEAL_BYTES)


_TEXT = files_of(pack(CONTENT, FILES))[MANIFEST]


def manifest_of(files: dict[str, bytes], **changes: Any) -> bytes:
    """CONTENT's manifest with keys replaced, or taken out where the value is None; a change
    detector__scale goes below."""
    content = json.loads(_TEXT)
    content["files"] = {
        name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        for name, data in files.items()
    }
    for path, value in changes.items():
        *above, key = path.split("__")
        section = content
        for step in above:
            section = section[int(step) if isinstance(section, list) else step]
        if value is None:
            del section[key]
        else:
            section[key] = value
    return (json.dumps(content, indent=1, sort_keys=True) + "\n").encode()


def refusal(path: Path, data: bytes, trusted: frozenset[str] | None = None) -> str:
    """Return the error of read_bundle for the bytes, without the file's name in front."""
    path.write_bytes(data)
    with pytest.raises(BundleError) as caught:
        read_bundle(path, trusted)
    line = str(caught.value)
    assert line.startswith(f"{path}: ")
    assert len(line.splitlines()) == 1
    return line.removeprefix(f"{path}: ")
