"""The station's chain on networks in torch, and on builds that are not packed yet."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Hashable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeVar

from edge.bundle import BuildManifest, Bundle, Manifest, pack, parse_bundle
from edge.bundle.manifest import Format
from edge.chain import load
from edge.chain.align import AlignedDetector
from edge.chain.classify import BlockVote, Classifier, SingleKindClassifier
from edge.chain.detect import Detector, RegressionDetector
from edge.chain.inspector import Inspection, Inspector
from edge.chain.load import READERS, build_inspector
from edge.engines.registry import EngineChoice
from edge.records import Frame
from models.evaluation.float_chain import TorchBlocks, TorchFrames
from models.methods.file_detector import FileDetector
from models.networks import BlockClassifier, DetectorNetwork
from models.training.device import usable_cores

_Key = TypeVar("_Key", bound=Hashable)
TORCH = "torch-float32"
# The engine that runs the golden frames of each format during the export. A station repeats this
# on its own engine.
ENGINE: dict[Format, str] = {"onnx": "ort", "tflite": "litert"}


class Examines(Protocol):
    """A chain that can be compared with another."""

    def examine(self, frame: Frame) -> Inspection:
        """Inspect a frame and return the result of every step. Blocks."""
        ...


@dataclass(frozen=True, slots=True)
class Build:
    """One build: its manifest and the bytes of its files."""

    manifest: BuildManifest
    files: dict[str, bytes]

    @property
    def name(self) -> str:
        """Return the name, for instance "onnx-int8"."""
        return self.manifest.name


@contextmanager
def side_by_side(
    chains: Mapping[_Key, Examines],
) -> Iterator[Callable[[Frame], dict[_Key, Inspection]]]:
    """Yield a function that inspects a frame by every chain, and returns the results by key.

    The chains run at the same time, on one thread for each core. Their buffers are their own, so
    the results equal those of one after the other. The function blocks for the slowest chain.
    """
    with ThreadPoolExecutor(usable_cores(), thread_name_prefix="chain") as pool:

        def examine(frame: Frame) -> dict[_Key, Inspection]:
            found = {key: pool.submit(chain.examine, frame) for key, chain in chains.items()}
            return {key: future.result() for key, future in found.items()}

        yield examine


def torch_chain(
    detector: DetectorNetwork | FileDetector,
    classifier: BlockClassifier | None,
    manifest: Manifest,
    *,
    flexible: bool,
) -> Inspector:
    """Return the chain of a manifest on torch in float.

    flexible: true takes every frame in one run, as training does; false cuts and reflects it as a
    build with a static size does. A network of one size has only the latter.
    """
    spec = manifest.detector

    detect: Detector
    if isinstance(detector, FileDetector):
        detect = READERS[detector.kind](detector.data, spec)
    else:
        engine = partial(TorchFrames, detector, spec.channels)
        shaped = engine if flexible and detector.fixed_px is None else None
        static = engine(spec.height, spec.width)
        detect = RegressionDetector(static, spec, scale=1.0, shaped=shaped, run_px=sys.maxsize)
    if spec.alignment is not None:
        detect = AlignedDetector(detect, spec.alignment, spec.channels, part_score=spec.part_score)
    classify: Classifier = SingleKindClassifier(manifest.kinds)
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
    """Return the chain of a manifest on one build, loaded from a bundle in memory.

    Raises BundleError.
    """
    bundle, engine = _alone(manifest, build), engine_of(build.manifest)
    return build_inspector(bundle, now_ns=time.perf_counter_ns, engine=engine)


def build_steps(manifest: Manifest, build: Build) -> tuple[Detector, Classifier]:
    """Return detector and classifier of a manifest on one build. Raises BundleError."""
    return load.build_steps(_alone(manifest, build), engine_of(build.manifest))


def _alone(manifest: Manifest, build: Build) -> Bundle:
    """Return a bundle in memory that has this build alone, and no golden frame."""
    one = manifest.model_copy(update={"builds": (build.manifest,), "golden": ()})
    return parse_bundle(pack(one, build.files))


def engine_of(build: BuildManifest) -> EngineChoice:
    """Return the engine that runs a build on this machine."""
    return EngineChoice(ENGINE[build.format], precision=build.precision)
