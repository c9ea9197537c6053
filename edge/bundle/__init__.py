"""The model bundle: what it says of itself, and the one file that it is."""

from edge.bundle.archive import (
    MAX_BYTES,
    SUFFIX,
    Bundle,
    pack,
    parse_bundle,
    read_bundle,
    write_bundle,
)
from edge.bundle.manifest import (
    COMPATIBLE,
    MANIFEST,
    BuildManifest,
    ChainManifest,
    ClassifierManifest,
    DetectorFile,
    DetectorManifest,
    GoldenDefect,
    GoldenManifest,
    KindManifest,
    Manifest,
    Measure,
    RuleManifest,
)

__all__ = [
    "COMPATIBLE",
    "MANIFEST",
    "MAX_BYTES",
    "SUFFIX",
    "BuildManifest",
    "Bundle",
    "ChainManifest",
    "ClassifierManifest",
    "DetectorFile",
    "DetectorManifest",
    "GoldenDefect",
    "GoldenManifest",
    "KindManifest",
    "Manifest",
    "Measure",
    "RuleManifest",
    "pack",
    "parse_bundle",
    "read_bundle",
    "write_bundle",
]
