"""The parity certificate: how the builds of exactly one bundle agree with the torch network."""

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
    """Everything that affects a verdict. networks: SHA-256 of each network's file."""

    detector: DetectorManifest
    classifier: ClassifierManifest | None
    chain: ChainManifest
    kinds: tuple[KindManifest, ...]
    builds: tuple[BuildManifest, ...]
    networks: dict[str, str]


class ParityStep(ManifestModel):
    """The comparison of two chains on the same frames, for instance ``onnx-int8`` against
    ``torch-float32``.

    figures: the results of export.parity. limits: the limits that they met.
    """

    chain: str
    against: str
    figures: dict[str, Measure]
    limits: dict[str, float]


class Certificate(ManifestModel):
    """A certificate. subject: the only bundle for which it is valid."""

    subject: CertificateSubject
    steps: tuple[ParityStep, ...]


def subject_of(manifest: Manifest, networks: dict[str, str]) -> CertificateSubject:
    """Return the subject of a certificate. networks: SHA-256 by file name."""
    return CertificateSubject(
        detector=manifest.detector,
        classifier=manifest.classifier,
        chain=manifest.chain,
        kinds=manifest.kinds,
        builds=manifest.builds,
        networks=networks,
    )


def check_certificate(manifest: Manifest, files: dict[str, bytes]) -> Certificate:
    """Return the certificate of a bundle.

    Raises BundleError if it is missing, or if it belongs to another bundle. The error then names
    the first key that differs.
    """
    text = files.get(CERTIFICATE)
    if text is None:
        raise BundleError("has no parity certificate: its builds were never compared")
    try:
        certificate = Certificate.model_validate_json(text)
    except ValidationError as error:
        raise BundleError(f"{CERTIFICATE}: {describe(error)}") from error
    names = {name for build in manifest.builds for name in build.files}
    hashes = {name: manifest.files[name].sha256 for name in sorted(names)}
    subject = subject_of(manifest, hashes)
    certified = dict(_leaves("", certificate.subject.model_dump(mode="json")))
    present = dict(_leaves("", subject.model_dump(mode="json")))
    for key in (*present, *certified):
        if present.get(key) != certified.get(key):
            raise BundleError(
                f"its certificate is another's: {key} is {_word(present, key)}, certified was "
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
