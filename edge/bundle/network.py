"""A bundle's networks are data: each is looked through before an engine is given it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from edge.bundle.archive import Bundle
from edge.bundle.manifest import Format
from edge.bundle.onnx_file import check_onnx
from edge.bundle.tflite_file import check_tflite
from edge.errors import BundleError

_CHECKS: Mapping[Format, Callable[[bytes], None]] = {"onnx": check_onnx, "tflite": check_tflite}
# Detectors whose file is no network: the station reads it itself (edge/chain/load.py).
OWN_FILES = frozenset({"template", "threshold"})


def check_networks(bundle: Bundle) -> None:
    """Look through every network of every build. Raises BundleError, one line that names the file,
    for one that does more than compute, or claims more than a station has. Runs nothing; blocks for
    some 80 ms."""
    own = bundle.manifest.detector.kind in OWN_FILES
    wanted: dict[tuple[str, Format], None] = {}
    for build in bundle.manifest.builds:
        for name in build.files:
            if not (own and name == build.detector.file):
                wanted[name, build.format] = None
    for name, form in wanted:
        try:
            _CHECKS[form](bundle.files[name])
        except BundleError as error:
            raise BundleError(f"{bundle.id}: {name}: {error}") from error
