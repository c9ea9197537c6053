"""Detectors that are no networks: each reads its file of a bundle itself, without an engine."""

from __future__ import annotations

from collections.abc import Callable

from edge.bundle import DetectorManifest
from edge.bundle.manifest import DetectorKind
from edge.chain.detect import Detector
from edge.chain.template.detector import read_template
from edge.chain.threshold.detector import read_threshold

# A reader takes the file's bytes and the manifest; it raises BundleError, one line, for what it
# cannot read, and never trusts a length or a shape that the bytes tell.
READERS: dict[DetectorKind, Callable[[bytes, DetectorManifest], Detector]] = {
    "template": read_template,
    "threshold": read_threshold,
}
