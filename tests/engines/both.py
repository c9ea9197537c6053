"""The small bundle of tests/support/bundles.py, with networks for LiteRT as well."""

from __future__ import annotations

from typing import Any

from edge.bundle import CERTIFICATE, BuildManifest, DetectorFile, pack, parse_bundle
from edge.chain.classify import BLOCKS_PER_REGION
from tests.support import tflite
from tests.support.bundles import BLOCK_PX, SEVERITY_SCALE, bundle_bytes, certificate_of
from tests.support.keys import KEY

TFLITE = {
    "detector.tflite": tflite.dark_detector(96, 128, SEVERITY_SCALE),
    "classifier.tflite": tflite.dark_classifier(BLOCKS_PER_REGION, BLOCK_PX),
}
BUILD = BuildManifest(
    format="tflite",
    precision="int8",
    detector=DetectorFile(file="detector.tflite", scale=SEVERITY_SCALE),
    classifier="classifier.tflite",
)


def both_formats(
    *, onnx: bool = True, networks: dict[str, bytes] | None = None, **options: Any
) -> bytes:
    """Return a bundle with the builds onnx-int8 and tflite-int8.

    onnx: False leaves out the first build. networks: other content for the files of TFLITE.
    options: options of bundle_bytes.
    """
    bundle = parse_bundle(bundle_bytes(**options))
    builds = (*bundle.manifest.builds, BUILD) if onnx else (BUILD,)
    kept = {name: data for name, data in bundle.files.items() if onnx or name.startswith("golden/")}
    files = {**kept, **TFLITE, **(networks or {})}
    manifest = bundle.manifest.model_copy(update={"builds": builds})
    files[CERTIFICATE] = certificate_of(manifest, files)
    return pack(manifest, files, KEY)
