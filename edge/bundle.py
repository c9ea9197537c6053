"""The model bundle: one file, ``NAME.outfeed``, that a station accepts whole or not at all.

A bundle is a zip archive (stored, not compressed, fixed time stamps: the same content gives the
same bytes) that holds ``manifest.json``, the networks and the golden frames. Its archive comment is
the SHA-256, in 64 hex digits, of every byte before the comment; that is checked before anything is
parsed, so any flipped bit is refused. The manifest names size and SHA-256 of every other file.
Nothing is ever unpacked to disk. Signatures come later (ARCHITECTURE.md).
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
import struct
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
)

from edge.complaints import describe
from edge.errors import BundleError

SUFFIX = ".outfeed"
MANIFEST = "manifest.json"
# What this station's chain can run; a bundle must name it. Raised when the chain's meaning changes.
COMPATIBLE = "outfeed-chain-1"
MAX_BYTES = 256 * 1024 * 1024  # the largest network anyone put on a Pi is a tenth of this
_DIGEST_CHARS = 64

FileName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*(/[a-z0-9][a-z0-9_-]*)*\.[a-z]+$")]
# One line of text: it stands in reasons, events and on a technician's screen.
Line = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]*$")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class DetectorManifest(_Part):
    """The detector's input and output. height × width is the largest shape that one run takes;
    a larger frame is cut into tiles overlapping by overlap_px. flexible: the network also takes
    smaller shapes, multiples of multiple_px; else a smaller frame is reflected to height × width.
    The output is one plane at stride_px: severity = scale * (value - zero_point)."""

    kind: Literal["regression"] = "regression"
    network: str
    precision: Literal["int8", "float32"]
    file: FileName
    channels: Literal[1, 3]
    height: int = Field(ge=16, le=8192)
    width: int = Field(ge=16, le=8192)
    overlap_px: int = Field(ge=0)
    multiple_px: int = Field(ge=1)
    stride_px: int = Field(ge=1)
    flexible: bool = False
    scale: float = Field(gt=0)
    zero_point: int = Field(ge=0, le=255)


class ClassifierManifest(_Part):
    """The block classifier: size_px square blocks → logits of background (0) and the kinds.

    keep_severity: a region whose blocks vote for background is dropped only where its peak severity
    times 1 - their mean background score is below this; 12 is the majority alone."""

    precision: Literal["int8", "float32"]
    file: FileName
    channels: Literal[1, 3]
    size_px: int = Field(ge=8, le=512)
    keep_severity: float = Field(default=12.0, ge=0, le=12)


class RuleManifest(_Part):
    """When defects of a kind reject the part: min_count of them, each at least that large and
    that severe. reject = false lets the kind pass whatever it is (it is still reported)."""

    reject: bool = True
    min_peak_severity: float = Field(default=0.0, ge=0, le=12)
    min_area_px: int = Field(default=0, ge=0)
    min_count: int = Field(default=1, ge=1)


class KindManifest(_Part):
    """A kind of defect, what to do about it, and its rule."""

    name: Line = Field(min_length=1)
    guidance: Line = ""
    rule: RuleManifest = RuleManifest()


class ChainManifest(_Part):
    """threshold: T of He & Liu 2020, equation (1). join_px: clusters nearer than this are one
    defect (their 4). max_regions: a frame with more is rejected without classifying them."""

    threshold: float = Field(gt=0, le=12)
    join_px: float = Field(default=4.0, ge=0, le=64)
    max_regions: int = Field(default=64, ge=1, le=1000)


class GoldenDefect(_Part):
    """A defect that the chain must find on a golden frame."""

    kind: str
    box: tuple[int, int, int, int]


class GoldenManifest(_Part):
    """A frame and the verdict that the exporting machine's station chain gave it."""

    file: FileName
    decision: Literal["PASS", "REJECT"]
    peak_severity: float
    defects: tuple[GoldenDefect, ...] = ()


class FileManifest(_Part):
    """Size and SHA-256 of one file of the bundle."""

    bytes: int = Field(ge=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


def _measure(value: object) -> object:
    return float("nan") if value is None else value


Measure = Annotated[
    float,
    Field(allow_inf_nan=True),
    BeforeValidator(_measure),
    PlainSerializer(lambda value: value if math.isfinite(value) else None, when_used="json"),
]


class Manifest(_Part):
    """Everything a bundle says of itself."""

    format: Literal[1] = 1
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")
    version: str = Field(pattern=r"^[0-9A-Za-z][0-9A-Za-z.+_-]*$")
    compatible: tuple[str, ...] = (COMPATIBLE,)
    outfeed_version: str
    detector: DetectorManifest
    classifier: ClassifierManifest | None
    chain: ChainManifest
    kinds: tuple[KindManifest, ...]
    golden: tuple[GoldenManifest, ...]
    golden_tolerance: float = Field(default=0.5, ge=0, le=12)
    # nan (null in the file) where there was nothing to measure, as by models.metrics.
    metrics: dict[str, dict[str, Measure]] = {}
    files: dict[FileName, FileManifest] = {}


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle in memory, verified. digest: SHA-256 of the file, which names this very build."""

    manifest: Manifest
    digest: str
    files: dict[str, bytes]
    size_bytes: int

    @property
    def id(self) -> str:
        """Name, version and the first digits of the digest: what events say a verdict came from."""
        return f"{self.manifest.name}-{self.manifest.version}-{self.digest[:12]}"


def pack(manifest: Manifest, files: dict[str, bytes]) -> bytes:
    """The bundle's bytes; the manifest's ``files`` table is made here. Deterministic.

    Raises BundleError for what ``read_bundle`` would refuse.
    """
    table = {
        name: FileManifest(bytes=len(data), sha256=hashlib.sha256(data).hexdigest())
        for name, data in sorted(files.items())
    }
    whole = manifest.model_copy(update={"files": table})
    content = whole.model_dump(mode="json")
    text = json.dumps(content, indent=1, sort_keys=True, allow_nan=False) + "\n"
    _check(_manifest(text.encode()))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, data in [(MANIFEST, text.encode()), *sorted(files.items())]:
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.external_attr = 0o644 << 16
            entry.create_system = 3
            archive.writestr(entry, data)
        archive.comment = b"0" * _DIGEST_CHARS
    body = buffer.getvalue()[:-_DIGEST_CHARS]
    return body + hashlib.sha256(body).hexdigest().encode()


def write_bundle(path: Path, data: bytes) -> None:
    """Write by way of a temporary file in the same folder: never half a bundle, and no leftovers
    of a write that failed. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def read_bundle(path: Path) -> Bundle:
    """Read and verify every byte. Raises BundleError, one line that names file and fault."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise BundleError(f"{path}: cannot be read: {error.strerror}") from error
    if len(data) > MAX_BYTES:
        raise BundleError(f"{path}: is larger than {MAX_BYTES} bytes, the most a bundle may have")
    try:
        return parse_bundle(data)
    except BundleError as error:
        raise BundleError(f"{path}: {error}") from error


def parse_bundle(data: bytes) -> Bundle:
    """A bundle from its bytes, verified as ``read_bundle`` does. Raises BundleError."""
    body, claimed = data[:-_DIGEST_CHARS], data[-_DIGEST_CHARS:]
    digest = hashlib.sha256(body).hexdigest()
    if claimed != digest.encode():
        raise BundleError("is damaged, altered or not a bundle: its SHA-256 does not match")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if archive.comment != claimed:
                raise BundleError("is not a bundle: its SHA-256 is not the archive's comment")
            entries = archive.infolist()
            names = [entry.filename for entry in entries]
            if len(set(names)) != len(names):
                raise BundleError("holds two files of one name")
            if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
                raise BundleError("holds a compressed file; expected stored ones")
            if sum(entry.file_size for entry in entries) > len(data):
                raise BundleError("holds files that overlap")
            content = {name: archive.read(name) for name in names}
    # What zipfile raises for archives that somebody made up: EOFError and RuntimeError (encrypted,
    # NotImplementedError), struct.error, ValueError (UnicodeDecodeError), OSError (seek).
    except (zipfile.BadZipFile, EOFError, RuntimeError, struct.error, ValueError, OSError) as error:
        raise BundleError(f"is not a bundle: {' '.join(str(error).split())}") from error
    manifest = _manifest(content.pop(MANIFEST, None))
    for name in sorted(content.keys() - manifest.files.keys()):
        raise BundleError(f"holds {name!r}, which its manifest does not name")
    for name, entry in manifest.files.items():
        found = content.get(name)
        if found is None:
            raise BundleError(f"lacks {name!r}, which its manifest names")
        if len(found) != entry.bytes or hashlib.sha256(found).hexdigest() != entry.sha256:
            raise BundleError(f"{name!r} is not the file that its manifest names")
    _check(manifest)
    return Bundle(manifest, digest, content, len(data))


def _manifest(text: bytes | None) -> Manifest:
    if text is None:
        raise BundleError(f"lacks {MANIFEST}")
    try:
        return Manifest.model_validate_json(text)
    except ValidationError as error:
        raise BundleError(f"{MANIFEST}: {describe(error)}") from error


def _check(manifest: Manifest) -> None:
    """What no single field can say."""
    if MANIFEST in manifest.files:
        raise BundleError(f"names {MANIFEST} among its files")
    if COMPATIBLE not in manifest.compatible:
        raise BundleError(
            f"is for {', '.join(manifest.compatible) or 'nothing'}; this station runs {COMPATIBLE}"
        )
    detector = manifest.detector
    for side in ("height", "width", "overlap_px"):
        if getattr(detector, side) % detector.multiple_px:
            raise BundleError(f"detector.{side} is no multiple of {detector.multiple_px}")
    if detector.multiple_px % detector.stride_px:
        raise BundleError(f"detector.multiple_px is no multiple of stride_px {detector.stride_px}")
    if detector.overlap_px >= min(detector.height, detector.width):
        raise BundleError("detector.overlap_px is not smaller than a tile")
    top = detector.scale * (255 - detector.zero_point)
    if detector.precision == "int8" and manifest.chain.threshold > top:
        raise BundleError(f"chain.threshold is above {top:g}, the most that the detector can say")
    names = [kind.name for kind in manifest.kinds]
    if len(set(names)) != len(names):
        raise BundleError("kinds: two of one name")
    used = {detector.file, *(golden.file for golden in manifest.golden)}
    if manifest.classifier is not None:
        used.add(manifest.classifier.file)
        if manifest.classifier.channels != detector.channels:
            raise BundleError("classifier.channels is not the detector's")
        if not manifest.kinds:
            raise BundleError("has a classifier and no kinds")
    for name in sorted(used - manifest.files.keys()):
        raise BundleError(f"names {name!r} and does not hold it")
