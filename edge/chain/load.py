"""Loading of a chain from a verified bundle, and its check on the golden frames."""

from __future__ import annotations

from collections.abc import Callable

from edge.bundle import Bundle, DetectorManifest, check_certificate
from edge.bundle.kinds import DetectorKind
from edge.bundle.network import check_networks
from edge.chain.align import AlignedDetector
from edge.chain.classify import BLOCKS_PER_REGION, BlockVote, Classifier, SingleKindClassifier
from edge.chain.detect import Detector, RegressionDetector
from edge.chain.golden import first_difference
from edge.chain.inspector import Inspector
from edge.chain.stripes.detector import LargeFrameDetector, StripedDetector
from edge.chain.stripes.network import expects_stripes, stripe_network
from edge.chain.stripes.reach import NotLocalError
from edge.chain.template.detector import read_template
from edge.chain.threshold.detector import read_threshold
from edge.engines.engine import Engine
from edge.engines.registry import EngineChoice
from edge.engines.workers import Workers
from edge.errors import BundleError, FrameError
from edge.images import decode_image
from edge.records import Frame

# Detectors that are no networks. A reader takes the bytes of the file and the manifest. It raises
# BundleError, one line, for a file that it cannot read, and checks every length and shape in it.
READERS: dict[DetectorKind, Callable[[bytes, DetectorManifest], Detector]] = {
    "template": read_template,
    "threshold": read_threshold,
}

# The blocks of eight regions fit into one run; a frame with more regions takes another run.
CLASSIFIER_BATCH = 8 * BLOCKS_PER_REGION


def build_inspector(
    bundle: Bundle, *, now_ns: Callable[[], int], engine: EngineChoice | None = None
) -> Inspector:
    """Return the chain that the bundle describes. engine: None is ONNX Runtime on one core.

    Blocks and raises as ``build_steps`` does. Call ``prove`` afterwards: the golden frames are not
    checked yet.
    """
    detector, classifier = build_steps(bundle, engine)
    return Inspector(detector, classifier, bundle.manifest.chain, bundle.manifest.kinds, now_ns)


def build_steps(bundle: Bundle, engine: EngineChoice | None = None) -> tuple[Detector, Classifier]:
    """Return the two steps of the chain that hold networks. engine: None is ONNX Runtime.

    Blocks while the networks load (about 50 ms each). Raises BundleError. The operators of a
    network are checked before an engine loads it (edge/bundle/network.py).
    """
    check_networks(bundle)
    engine = engine or EngineChoice()
    make, threads = engine.load().make, engine.threads
    manifest, build = bundle.manifest, engine.build(bundle)
    spec = manifest.detector

    def detector_engine(height: int, width: int) -> Engine:
        return make(
            bundle.files[build.detector.file],
            batch=1,
            height=height,
            width=width,
            channels=spec.channels,
            threads=threads,
        )

    detector: Detector
    if spec.kind in READERS:
        if engine.stripes_required:
            stripe_network(bundle, engine)  # raises
        detector = READERS[spec.kind](bundle.files[build.detector.file], spec)
    else:
        detector = RegressionDetector(
            detector_engine(spec.height, spec.width),
            spec,
            scale=build.detector.scale,
            zero_point=build.detector.zero_point,
            shaped=detector_engine if build.detector.flexible else None,
        )
        detector = _with_stripes(detector, bundle, engine)
    if spec.alignment is not None:
        detector = AlignedDetector(
            detector, spec.alignment, spec.channels, part_score=spec.part_score
        )
    classifier: Classifier = SingleKindClassifier(manifest.kinds)
    if manifest.classifier is not None and build.classifier is not None:
        blocks = manifest.classifier
        blocks_engine = make(
            bundle.files[build.classifier],
            batch=CLASSIFIER_BATCH,
            height=blocks.size_px,
            width=blocks.size_px,
            channels=blocks.channels,
            threads=threads,
            group=BLOCKS_PER_REGION,
            dequantise=True,
        )
        classifier = BlockVote(
            blocks_engine,
            blocks.size_px,
            blocks.channels,
            manifest.kinds,
            keep_severity=blocks.keep_severity,
        )
    return detector, classifier


def _with_stripes(detector: RegressionDetector, bundle: Bundle, engine: EngineChoice) -> Detector:
    """Return the detector for stripes, or the same one where all frames are cut into tiles."""
    if engine.stripes_from_px is None:
        return detector

    def striped() -> Detector:
        try:
            network = stripe_network(bundle, engine)
        except NotLocalError:
            if engine.stripes_required:
                raise
            return detector
        return StripedDetector(network, Workers(engine.threads))

    both = LargeFrameDetector(detector, striped, engine.stripes_from_px)
    if engine.stripes_required or expects_stripes(bundle, engine):
        both.prepare()
    return both


def prove(bundle: Bundle, inspector: Inspector, engine: EngineChoice | None = None) -> None:
    """Check that the chain reproduces the golden frames of its bundle. Blocks.

    Raises BundleError that names the first frame and step that differ. A bundle without golden
    frames or without a valid certificate raises it too, because its chain was never checked. The
    comparison and its limits are in edge/chain/golden.py.
    """
    manifest = bundle.manifest
    try:
        check_certificate(manifest, bundle.files)
    except BundleError as error:
        raise BundleError(f"{bundle.id}: {error}") from error
    if not manifest.golden:
        raise BundleError(f"{bundle.id} has no golden frame, so its chain cannot be checked")
    limits = (engine or EngineChoice()).build(bundle).golden
    for number, golden in enumerate(manifest.golden):
        try:
            pixels = decode_image(bundle.files[golden.file], name="picture")
            inspection = inspector.examine(Frame(number, number, 0, 0, pixels))
        except FrameError as error:
            raise BundleError(f"{bundle.id}: golden frame {golden.file}: {error}") from error
        fault = first_difference(golden, inspection, limits, manifest.chain.threshold)
        if fault:
            raise BundleError(
                f"{bundle.id} does not reproduce its golden frame {golden.file}: {fault}"
            )
