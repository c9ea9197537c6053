"""The parity certificate: what a bundle was proven to do, and for exactly which bundle."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import ValidationError

from edge.bundle.manifest import (
    BuildManifest,
    ChainManifest,
    ClassifierManifest,
    DetectorManifest,
    KindManifest,
    Manifest,
    ManifestModel,
    Measure,
)
from edge.errors import BundleError
from edge.validation_messages import describe

CERTIFICATE = "certificate.json"


class CertificateSubject(ManifestModel):
    """All that decides a verdict. networks: SHA-256 of each network's file."""

    detector: DetectorManifest
    classifier: ClassifierManifest | None
    chain: ChainManifest
    kinds: tuple[KindManifest, ...]
    builds: tuple[BuildManifest, ...]
    networks: dict[str, str]


class ParityStep(ManifestModel):
    """One chain held against another over the same frames, as ``onnx-int8`` against
    ``torch-float32``: the figures of export.parity, and the limits that they kept."""

    chain: str
    against: str
    figures: dict[str, Measure]
    limits: dict[str, float]


class Certificate(ManifestModel):
    """subject: what the steps were measured on; another bundle has no right to it."""

    subject: CertificateSubject
    steps: tuple[ParityStep, ...]


def subject_of(manifest: Manifest, networks: dict[str, str]) -> CertificateSubject:
    """networks: SHA-256 by name of file."""
    return CertificateSubject(
        detector=manifest.detector,
        classifier=manifest.classifier,
        chain=manifest.chain,
        kinds=manifest.kinds,
        builds=manifest.builds,
        networks=networks,
    )


def check_certificate(manifest: Manifest, files: dict[str, bytes]) -> Certificate:
    """The bundle's certificate. Raises BundleError where there is none, or where it is another
    bundle's, naming the first key that differs."""
    text = files.get(CERTIFICATE)
    if text is None:
        raise BundleError("has no parity certificate: nobody has shown that it does what it should")
    try:
        certificate = Certificate.model_validate_json(text)
    except ValidationError as error:
        raise BundleError(f"{CERTIFICATE}: {describe(error)}") from error
    names = {name for build in manifest.builds for name in build.files}
    hashes = {name: manifest.files[name].sha256 for name in sorted(names)}
    subject = subject_of(manifest, hashes)
    certified = dict(_leaves("", certificate.subject.model_dump(mode="json")))
    said = dict(_leaves("", subject.model_dump(mode="json")))
    for key in (*said, *certified):
        if said.get(key) != certified.get(key):
            raise BundleError(
                f"its certificate is another's: {key} is {_word(said, key)}, certified was "
                f"{_word(certified, key)}"
            )
    return certificate


def _leaves(key: str, value: object) -> Iterator[tuple[str, object]]:
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from _leaves(f"{key}.{name}" if key else name, inner)
    elif isinstance(value, list) and value:
        for number, inner in enumerate(value):
            yield from _leaves(f"{key}.{number}", inner)
    else:
        yield key, value


def _word(leaves: dict[str, object], key: str) -> str:
    value = leaves.get(key, "nothing")
    return value[:16] if isinstance(value, str) else str(value)
