"""From a verified bundle to a chain that has proven itself on the bundle's golden frames."""

from __future__ import annotations

from collections.abc import Callable

from edge.bundle import Bundle, check_certificate
from edge.bundle.network import check_networks
from edge.chain.classify import BLOCKS_PER_REGION, BlockVote, Classifier, Unnamed
from edge.chain.detect import Detector, RegressionDetector
from edge.chain.file_detectors import READERS
from edge.chain.golden import difference
from edge.chain.inspector import Inspector
from edge.engines.engine import Engine
from edge.engines.registry import EngineChoice
from edge.errors import BundleError, FrameError
from edge.images import decode_image
from edge.records import Frame

# Blocks of eight regions in one run; a frame with more regions takes another run.
CLASSIFIER_BATCH = 8 * BLOCKS_PER_REGION


def build_inspector(
    bundle: Bundle, *, now_ns: Callable[[], int], engine: EngineChoice | None = None
) -> Inspector:
    """The chain that the bundle describes, on an engine (ONNX Runtime). Raises BundleError, also
    for a network that does more than compute (edge/bundle/network.py), before an engine sees it.

    Blocks while the networks load (some 50 ms each). The chain has not seen the golden frames yet:
    call ``prove``.
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
        detector = READERS[spec.kind](bundle.files[build.detector.file], spec)
    else:
        detector = RegressionDetector(
            detector_engine(spec.height, spec.width),
            spec,
            scale=build.detector.scale,
            zero_point=build.detector.zero_point,
            shaped=detector_engine if build.detector.flexible else None,
        )
    classifier: Classifier = Unnamed(manifest.kinds)
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
    return Inspector(detector, classifier, manifest.chain, manifest.kinds, now_ns)


def prove(bundle: Bundle, inspector: Inspector, engine: EngineChoice | None = None) -> None:
    """Run the golden frames; raises BundleError that names the first frame and step that differ,
    or that there is no frame or no certificate at all: a chain that nobody has seen work must not
    run. What is reproduced, and how closely, says edge/chain/golden.py.
    """
    manifest = bundle.manifest
    try:
        check_certificate(manifest, bundle.files)
    except BundleError as error:
        raise BundleError(f"{bundle.id}: {error}") from error
    if not manifest.golden:
        raise BundleError(f"{bundle.id} has no golden frame to prove itself on")
    limits = (engine or EngineChoice()).build(bundle).golden
    for number, golden in enumerate(manifest.golden):
        try:
            pixels = decode_image(bundle.files[golden.file], name="picture")
            seen = inspector.examine(Frame(number, number, 0, 0, pixels))
        except FrameError as error:
            raise BundleError(f"{bundle.id}: golden frame {golden.file}: {error}") from error
        said = difference(golden, seen, limits, manifest.chain.threshold)
        if said:
            raise BundleError(
                f"{bundle.id} does not reproduce its golden frame {golden.file}: {said}"
            )
