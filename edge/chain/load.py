"""From a verified bundle to a chain that has proven itself on the bundle's golden frames."""

from __future__ import annotations

from collections.abc import Callable

from edge.bundle import Bundle, GoldenDefect
from edge.chain.classify import BLOCKS_PER_REGION, BlockVote, Classifier, Unnamed
from edge.chain.detect import RegressionDetector
from edge.chain.inspector import Inspector
from edge.engines.engine import Engine
from edge.engines.registry import ENGINES, EngineChoice
from edge.errors import BundleError, FrameError
from edge.images import decode_image
from edge.records import Defect, Frame

# Blocks of eight regions in one run; a frame with more regions takes another run.
CLASSIFIER_BATCH = 8 * BLOCKS_PER_REGION
# Another engine's rounding may move the edge of a region by about one cell.
BOX_TOLERANCE_PX = 4


def load_inspector(
    bundle: Bundle, *, now_ns: Callable[[], int], engine: EngineChoice | None = None
) -> Inspector:
    """The chain that the bundle describes, on an engine (ONNX Runtime). Raises BundleError.

    Blocks while the networks load (some 50 ms each). The chain has not seen the golden frames yet:
    call ``prove``.
    """
    engine = engine or EngineChoice()
    make, threads = ENGINES[engine.name].make, engine.threads
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

    detector = RegressionDetector(
        detector_engine(spec.height, spec.width),
        spec,
        scale=build.detector.scale,
        zero_point=build.detector.zero_point,
        smaller=detector_engine if build.detector.flexible else None,
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
    or that there is no frame at all: a chain that nobody has seen work must not run.

    Decision, kinds and boxes (to BOX_TOLERANCE_PX) must be what the exporting machine got, and the
    peak severity within the tolerance of the build that the engine takes.
    """
    tolerance = (engine or EngineChoice()).build(bundle).golden_tolerance
    if not bundle.manifest.golden:
        raise BundleError(f"{bundle.id} has no golden frame to prove itself on")
    for number, golden in enumerate(bundle.manifest.golden):
        try:
            pixels = decode_image(bundle.files[golden.file], name="picture")
            verdict = inspector.inspect(Frame(number, number, 0, 0, pixels))
        except FrameError as error:
            raise BundleError(f"{bundle.id}: golden frame {golden.file}: {error}") from error
        where = f"{bundle.id} does not reproduce its golden frame {golden.file}"
        off = abs(verdict.peak_severity - golden.peak_severity)
        if not off <= tolerance:  # NaN is off
            raise BundleError(
                f"{where}: detect: peak severity {verdict.peak_severity:.2f}, "
                f"expected {golden.peak_severity:.2f}"
            )
        if verdict.decision.value != golden.decision:
            raise BundleError(
                f"{where}: decide: {verdict.decision.value} ({verdict.reason}), "
                f"expected {golden.decision}"
            )
        kinds = sorted(defect.kind for defect in verdict.defects)
        wanted = sorted(defect.kind for defect in golden.defects)
        if kinds != wanted:
            raise BundleError(
                f"{where}: classify: {', '.join(kinds) or 'nothing'}, "
                f"expected {', '.join(wanted) or 'nothing'}"
            )
        for defect in golden.defects:
            if not any(_matches(defect, seen) for seen in verdict.defects):
                raise BundleError(f"{where}: components: no {defect.kind} at {list(defect.box)}")


def _matches(golden: GoldenDefect, seen: Defect) -> bool:
    box = seen.region.box
    sides = (box.left, box.top, box.right, box.bottom)
    return seen.kind == golden.kind and all(
        abs(a - b) <= BOX_TOLERANCE_PX for a, b in zip(sides, golden.box, strict=True)
    )
