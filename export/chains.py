"""The station's chain on what an export makes: torch's networks, and builds that are not packed."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from edge.bundle import BuildManifest, Bundle, Manifest, pack, parse_bundle
from edge.bundle.manifest import Format
from edge.chain.classify import BlockVote, Classifier, Unnamed
from edge.chain.detect import Detector, RegressionDetector
from edge.chain.file_detectors import READERS
from edge.chain.inspector import Inspection, Inspector
from edge.chain.load import build_inspector
from edge.engines.registry import EngineChoice
from edge.records import Frame
from models.evaluation.float_chain import TorchBlocks, TorchFrames
from models.methods.file_detector import FileDetector
from models.networks import BlockClassifier, DetectorNetwork

TORCH = "torch-float32"
# The engine on which a format is proven here; a station proves it again on its own.
ENGINE: dict[Format, str] = {"onnx": "ort", "tflite": "litert"}


class Examines(Protocol):
    """A chain, as far as parity is concerned."""

    def examine(self, frame: Frame) -> Inspection: ...


@dataclass(frozen=True, slots=True)
class Build:
    """One build with the bytes of its files."""

    manifest: BuildManifest
    files: dict[str, bytes]

    @property
    def name(self) -> str:
        return self.manifest.name


def torch_chain(
    detector: DetectorNetwork | FileDetector,
    classifier: BlockClassifier | None,
    manifest: Manifest,
    *,
    flexible: bool,
) -> Inspector:
    """The chain of the manifest on torch in float: frames are cut, tiled and reflected as by a
    build that is flexible, or not."""
    spec = manifest.detector

    detect: Detector
    if isinstance(detector, FileDetector):
        detect = READERS[detector.kind](detector.data, spec)
    else:
        engine = partial(TorchFrames, detector, spec.channels)
        detect = RegressionDetector(
            engine(spec.height, spec.width), spec, scale=1.0, shaped=engine if flexible else None
        )
    classify: Classifier = Unnamed(manifest.kinds)
    if classifier is not None and manifest.classifier is not None:
        classify = BlockVote(
            TorchBlocks(classifier, spec.channels),
            classifier.size_px,
            spec.channels,
            manifest.kinds,
            keep_severity=manifest.classifier.keep_severity,
        )
    return Inspector(detect, classify, manifest.chain, manifest.kinds, time.perf_counter_ns)


def build_chain(manifest: Manifest, build: Build) -> Inspector:
    """The chain of the manifest on one build, by way of a whole bundle. Raises BundleError."""
    one = manifest.model_copy(update={"builds": (build.manifest,), "golden": ()})
    bundle: Bundle = parse_bundle(pack(one, build.files))
    return build_inspector(bundle, now_ns=time.perf_counter_ns, engine=engine_of(build.manifest))


def engine_of(build: BuildManifest) -> EngineChoice:
    """What runs a build on this machine."""
    return EngineChoice(ENGINE[build.format], precision=build.precision)
