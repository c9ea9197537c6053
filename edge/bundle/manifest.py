"""The manifest of a bundle, and the checks that concern more than one of its fields."""

from __future__ import annotations

import json
import math
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
)

from edge.bundle.container import MANIFEST, MAX_FILES, NAME_PATTERN
from edge.bundle.kinds import PART_SCORE_KINDS, DetectorKind
from edge.bundle.picture import MAX_PIXELS
from edge.bundle.version import VERSION_PATTERN
from edge.errors import BundleError
from edge.validation_messages import describe

# The version of the chain, which a bundle must require. It is raised when the chain changes.
CHAIN = "outfeed-chain-2"
# The default kind of station, for a bundle and for a station.
COMPATIBLE = "outfeed"
MAX_MANIFEST_BYTES = 1024 * 1024

Format = Literal["onnx", "tflite"]
Precision = Literal["int8", "float32"]
FileName = Annotated[str, Field(pattern=NAME_PATTERN)]
BundleName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,99}$")]
Version = Annotated[str, Field(pattern=VERSION_PATTERN)]
Compatible = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]
# One line in one writing direction, because it is shown in reasons, events and on screens.
Line = Annotated[
    str, Field(pattern=r"^[^\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]*$", max_length=1000)
]


class ManifestModel(BaseModel):
    """A part of the manifest: unknown keys, NaN and infinity are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class AlignmentManifest(ManifestModel):
    """The pose in which the detector sees a part that lies on a plain ground (edge/chain/align.py).

    contrast: least difference of the part from its ground, in grey levels. least_area_px,
    most_area_px: area of the part in the frame. turns: the part is turned so that its long axis is
    level; otherwise it is only centred. directed: its heavier end is turned to the left; otherwise
    half a turn is open. height, width: size of the aligned picture in px, with the part in its
    centre.
    """

    contrast: float = Field(ge=1, le=255)
    least_area_px: int = Field(ge=1)
    most_area_px: int = Field(ge=1)
    turns: bool
    directed: bool
    height: int = Field(ge=16, le=8192)
    width: int = Field(ge=16, le=8192)


class DetectorManifest(ManifestModel):
    """The input and output of the detector, in every build.

    height × width is the shape of a run in a build that is not flexible, and of the golden frames.
    A larger frame of a flexible build is one run at its own size. A frame of 3 megapixels or more
    is cut into stripes, or into tiles, which overlap by overlap_px, where the network does not
    permit stripes. The output is one plane at stride_px. part_score: the network has a decision
    head. Its output is then one row: the cells of the plane row by row, and the score of the part
    last, on the same scale. alignment: the detector sees the aligned part and not the frame.
    """

    kind: DetectorKind = "regression"
    network: Line
    channels: Literal[1, 3]
    height: int = Field(ge=16, le=8192)
    width: int = Field(ge=16, le=8192)
    overlap_px: int = Field(ge=0)
    multiple_px: int = Field(ge=1)
    stride_px: int = Field(ge=1)
    part_score: bool = False
    alignment: AlignmentManifest | None = None


class ClassifierManifest(ManifestModel):
    """The block classifier: size_px square blocks → logits of background (0) and the kinds.

    keep_severity: a region whose blocks vote for background is dropped only if its peak severity
    times (1 - their mean background score) is below this value. With 12 the majority decides alone.
    """

    channels: Literal[1, 3]
    size_px: int = Field(ge=8, le=512)
    keep_severity: float = Field(default=12.0, ge=0, le=12)


class DetectorFile(ManifestModel):
    """The detector of a build: severity = scale * (value - zero_point).

    flexible: the network accepts any shape in multiples of multiple_px, and a frame is run at its
    own shape. Otherwise every run has height × width.
    """

    file: FileName
    scale: float = Field(gt=0)
    zero_point: int = Field(default=0, ge=0, le=255)
    flexible: bool = False


class GoldenLimits(ManifestModel):
    """The permitted difference between a build and the first build on a golden frame.

    severity: of any cell and of the part's score, 0 to 12. box_px: of the sides of a defect's box.
    area: of the area, as a share of it. confidence: of the classifier.
    """

    severity: float = Field(default=0.5, ge=0, le=12)
    box_px: int = Field(default=4, ge=0)
    area: float = Field(default=0.25, ge=0)
    confidence: float = Field(default=0.25, ge=0, le=1)


class BuildManifest(ManifestModel):
    """The networks as files for one family of engines.

    format: ``onnx`` for ONNX Runtime and OpenVINO, ``tflite`` for LiteRT. golden: the limits within
    which the build must reproduce the golden frames.
    """

    format: Format
    precision: Precision
    detector: DetectorFile
    classifier: FileName | None = None
    golden: GoldenLimits = GoldenLimits()

    @property
    def name(self) -> str:
        """The name of the build, for instance ``onnx-int8``."""
        return f"{self.format}-{self.precision}"

    @property
    def files(self) -> tuple[str, ...]:
        """The files of its networks."""
        return (self.detector.file, *((self.classifier,) if self.classifier else ()))


class RuleManifest(ManifestModel):
    """The rule by which defects of a kind reject a part.

    min_count defects are needed, each at least min_area_px large and with a peak severity of at
    least min_peak_severity. With reject = false the kind never rejects; it is still reported.
    """

    reject: bool = True
    min_peak_severity: float = Field(default=0.0, ge=0, le=12)
    min_area_px: int = Field(default=0, ge=0)
    min_count: int = Field(default=1, ge=1)


class KindManifest(ManifestModel):
    """A kind of defect, the advice for it, and its rule."""

    name: Line = Field(min_length=1)
    guidance: Line = ""
    rule: RuleManifest = RuleManifest()


class ChainManifest(ManifestModel):
    """The parameters of the chain.

    threshold: T of He & Liu 2020, equation (1). join_px: clusters that are nearer than this are one
    defect; the paper uses 4. max_regions: only so many regions are classified, and a frame with
    another one that may reject is rejected. reject_severity: a defect below it, its severity
    reduced by the classifier's doubt, is reported and does not reject; without it every defect may
    reject. part_threshold: a part whose score is at or above it is rejected, also without a region;
    without it the score only ranks.
    """

    threshold: float = Field(gt=0, le=12)
    join_px: float = Field(default=4.0, ge=0, le=64)
    max_regions: int = Field(default=64, ge=1, le=1000)
    reject_severity: float | None = Field(default=None, gt=0, le=12)
    part_threshold: float | None = Field(default=None, gt=0, le=12)


class GoldenDefect(ManifestModel):
    """A defect that the chain must find on a golden frame. box: left, top, right, bottom, px."""

    kind: Line
    box: tuple[int, int, int, int]
    area_px: int = Field(ge=1)
    peak_severity: float
    confidence: float


class GoldenManifest(ManifestModel):
    """A golden frame, and the result of the chain on the exporting machine.

    file: a PNG with sides of at most 4 times those of the detector. grid: peaks of the severity map
    by blocks, at most 8×8 (edge/chain/golden.py). part_score: of the decision head, 0 to 12.
    """

    file: FileName
    decision: Literal["PASS", "REJECT"]
    grid: tuple[Annotated[tuple[float, ...], Field(min_length=1)], ...] = Field(min_length=1)
    defects: tuple[GoldenDefect, ...] = ()
    part_score: float | None = None

    @property
    def peak_severity(self) -> float:
        return max(max(row) for row in self.grid)


Side = Annotated[int, Field(ge=1, le=65_535)]
MAX_SIZES = 64


class TrainedOn(ManifestModel):
    """The pictures for training and evaluation, as in their files.

    sizes: height and width in pixels of each size, the most frequent first, at most MAX_SIZES of
    them. least, greatest: smallest and greatest height and width. channels: 1 grey, 3 colour.
    """

    sizes: tuple[tuple[Side, Side], ...] = Field(min_length=1, max_length=MAX_SIZES)
    least: tuple[Side, Side]
    greatest: tuple[Side, Side]
    channels: tuple[Literal[1, 3], ...] = Field(min_length=1, max_length=2)


class FileManifest(ManifestModel):
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


class Manifest(ManifestModel):
    """The manifest of a bundle.

    compatible: the kinds of stations for which it is. requires: the version of the chain. builds:
    the first one was evaluated; an engine uses the first build of its format, and of a precision if
    one is set. reference: figures of the training pictures, which a station watches for drift
    (edge/drift/reference.py). trained_on: the training pictures; None in old bundles.
    """

    format: Literal[2] = 2
    name: BundleName
    version: Version
    compatible: tuple[Compatible, ...] = Field(default=(COMPATIBLE,), min_length=1)
    requires: Line = CHAIN
    outfeed_version: Line
    detector: DetectorManifest
    classifier: ClassifierManifest | None
    chain: ChainManifest
    kinds: tuple[KindManifest, ...]
    builds: tuple[BuildManifest, ...] = Field(min_length=1)
    golden: tuple[GoldenManifest, ...]
    reference: FileName | None = None
    trained_on: TrainedOn | None = None
    # nan (null in the file) where there was nothing to measure, as by models.evaluation.metrics.
    metrics: dict[Line, dict[Line, Measure]] = {}
    files: Annotated[dict[FileName, FileManifest], Field(max_length=MAX_FILES - 1)] = {}


def manifest_text(content: Any) -> str:
    """Return the JSON text of a manifest. Equal values give equal texts. Raises ValueError."""
    return json.dumps(content, indent=1, sort_keys=True, allow_nan=False) + "\n"


def parse_manifest(text: bytes | None) -> Manifest:
    """Return the manifest from its JSON text. text: None if the bundle has no manifest.

    Raises BundleError, which names the key.
    """
    if text is None:
        raise BundleError(f"lacks {MANIFEST}")
    if len(text) > MAX_MANIFEST_BYTES:
        raise BundleError(f"{MANIFEST}: is larger than {MAX_MANIFEST_BYTES} bytes")
    try:
        manifest = Manifest.model_validate_json(text, strict=True)
        # Two readers of JSON must not see two manifests: there is one way to write it.
        is_canonical = manifest_text(json.loads(text, object_pairs_hook=_unique)).encode() == text
    except ValidationError as error:
        raise BundleError(f"{MANIFEST}: {describe(error)}") from error
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{MANIFEST}: {' '.join(str(error).split())}") from error
    if not is_canonical:
        raise BundleError(f"{MANIFEST}: is not written in the one way that a bundle's is")
    return manifest


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key, value in pairs:
        if key in values:
            raise ValueError(f"key {key[:60]!r} is there twice")
        values[key] = value
    return values


def check(manifest: Manifest) -> None:
    """Check the fields of a manifest against each other. Raises BundleError."""
    if MANIFEST in manifest.files:
        raise BundleError(f"names {MANIFEST} among its files")
    if manifest.requires != CHAIN:
        raise BundleError(f"requires {manifest.requires}; this is {CHAIN}")
    detector = manifest.detector
    if detector.height * detector.width > MAX_PIXELS:
        raise BundleError(f"detector: height × width is above {MAX_PIXELS} px")
    for side in ("height", "width", "overlap_px"):
        if getattr(detector, side) % detector.multiple_px:
            raise BundleError(f"detector.{side} is no multiple of {detector.multiple_px}")
    if detector.multiple_px % detector.stride_px:
        raise BundleError(f"detector.multiple_px is no multiple of stride_px {detector.stride_px}")
    if detector.part_score and detector.kind not in PART_SCORE_KINDS:
        raise BundleError(f"detector.part_score: {detector.kind} has no decision head")
    if manifest.chain.part_threshold is not None and not detector.part_score:
        raise BundleError("chain.part_threshold: the detector gives no part_score")
    reject_severity = manifest.chain.reject_severity
    if reject_severity is not None and reject_severity < manifest.chain.threshold:
        raise BundleError("chain.reject_severity is below chain.threshold")
    if any((golden.part_score is None) is detector.part_score for golden in manifest.golden):
        raise BundleError("golden: part_score is there exactly where the detector gives one")
    if detector.overlap_px >= min(detector.height, detector.width):
        raise BundleError("detector.overlap_px is not smaller than a tile")
    names = [kind.name for kind in manifest.kinds]
    if len(set(names)) != len(names):
        raise BundleError("kinds: two of one name")
    classifier = manifest.classifier
    if classifier is not None:
        if classifier.channels != detector.channels:
            raise BundleError("classifier.channels is not the detector's")
        if not manifest.kinds:
            raise BundleError("has a classifier and no kinds")
    if len({build.name for build in manifest.builds}) != len(manifest.builds):
        raise BundleError("builds: two of one format and precision")
    used = {golden.file for golden in manifest.golden}
    if manifest.reference is not None:
        used.add(manifest.reference)
    for build in manifest.builds:
        top = build.detector.scale * (255 - build.detector.zero_point)
        if build.precision == "int8" and manifest.chain.threshold > top:
            raise BundleError(
                f"chain.threshold is above {top:g}, the most that the detector of {build.name} "
                "can say"
            )
        if build.precision == "int8" and (reject_severity or 0.0) > top:
            raise BundleError(
                f"chain.reject_severity is above {top:g}, the largest severity of {build.name}"
            )
        if build.precision == "int8" and (manifest.chain.part_threshold or 0.0) > top:
            raise BundleError(
                f"chain.part_threshold is above {top:g}, the largest score of {build.name}"
            )
        if build.classifier is None and classifier is not None:
            raise BundleError(f"builds: {build.name} lacks the classifier")
        if build.classifier is not None and classifier is None:
            raise BundleError(f"builds: {build.name} has a classifier, the bundle has none")
        used |= set(build.files)
    for name in sorted(used - manifest.files.keys()):
        raise BundleError(f"names {name!r} and does not hold it")
