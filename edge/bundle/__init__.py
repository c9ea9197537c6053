"""The model bundle: what it says of itself, and the one file that it is."""

from edge.bundle.archive import (
    MAX_BYTES,
    SUFFIX,
    Bundle,
    pack,
    parse_bundle,
    read_bundle,
    sign_bundle,
    write_bundle,
)
from edge.bundle.certificate import CERTIFICATE, Certificate, check_certificate, subject_of
from edge.bundle.container import MANIFEST
from edge.bundle.keys import key_id, read_trusted
from edge.bundle.manifest import (
    CHAIN,
    COMPATIBLE,
    BuildManifest,
    ChainManifest,
    ClassifierManifest,
    DetectorFile,
    DetectorManifest,
    GoldenDefect,
    GoldenLimits,
    GoldenManifest,
    KindManifest,
    Manifest,
    Measure,
    RuleManifest,
)

__all__ = [
    "CERTIFICATE",
    "CHAIN",
    "COMPATIBLE",
    "MANIFEST",
    "MAX_BYTES",
    "SUFFIX",
    "BuildManifest",
    "Bundle",
    "Certificate",
    "ChainManifest",
    "ClassifierManifest",
    "DetectorFile",
    "DetectorManifest",
    "GoldenDefect",
    "GoldenLimits",
    "GoldenManifest",
    "KindManifest",
    "Manifest",
    "Measure",
    "RuleManifest",
    "check_certificate",
    "key_id",
    "pack",
    "parse_bundle",
    "read_bundle",
    "read_trusted",
    "sign_bundle",
    "subject_of",
    "write_bundle",
]
