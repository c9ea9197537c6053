"""The chain of a station with the networks in torch, with which int8 builds are compared."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch

from edge.bundle import AlignmentManifest, ChainManifest, KindManifest
from edge.chain.align import AlignedDetector
from edge.chain.classify import KEEP_NONE, BlockVote, Classifier, SingleKindClassifier
from edge.chain.detect import Detector, as_channels
from edge.chain.inspector import Inspector
from edge.records import SeverityMap
from models.methods.file_detector import FileDetector
from models.networks import SEVERITY_MAX, BlockClassifier, DetectorNetwork, normalise
from models.training.detector import severity_and_score


class TorchDetector:
    """A Detector on torch in float32, which inspects a frame of any size in one run."""

    def __init__(self, network: DetectorNetwork, channels: int) -> None:
        self._network = network
        self._channels = channels

    def detect(self, pixels: npt.NDArray[np.uint8]) -> SeverityMap:
        values, score = severity_and_score(self._network, as_channels(pixels, self._channels))
        return SeverityMap(values, 1.0, 0, self._network.stride_px, part_score=score)


def detector_of(
    trained: DetectorNetwork | FileDetector,
    channels: int,
    alignment: AlignmentManifest | None = None,
) -> Detector:
    """Return the Detector of a trained network (on torch) or of a detector file.

    alignment: of the parts, as the run's record has it.
    """
    detector: Detector
    if isinstance(trained, FileDetector):
        detector, decides = trained.detector(channels), False
    else:
        detector, decides = TorchDetector(trained, channels), trained.decides
    if alignment is None:
        return detector
    return AlignedDetector(detector, alignment, channels, part_score=decides)


class RunOnce:
    """A Detector that runs another one once for each picture and stores the maps.

    Pictures are identified by the identity of their array, so the caller must keep the arrays and
    must not write to them.
    """

    def __init__(self, detector: Detector) -> None:
        self._detector = detector
        self._maps: dict[int, SeverityMap] = {}

    def detect(self, pixels: npt.NDArray[np.uint8]) -> SeverityMap:
        key = id(pixels)
        if key not in self._maps:
            severity = self._detector.detect(pixels)
            # A map is valid until the next frame only.
            self._maps[key] = replace(severity, values=severity.values.copy())
        return self._maps[key]


class TorchFrames:
    """An Engine for a detector on torch in float32, with a static shape and scale 1."""

    def __init__(self, network: DetectorNetwork, channels: int, height: int, width: int) -> None:
        self._network = network
        self._input = np.zeros((1, height, width, channels), np.uint8)

    @property
    def input(self) -> npt.NDArray[np.uint8]:
        return self._input

    @torch.no_grad()
    def run(self, count: int | None = None) -> npt.NDArray[np.float32]:
        pixels = torch.from_numpy(self._input[:count]).permute(0, 3, 1, 2)
        severity = self._network(normalise(pixels)).clamp(0, SEVERITY_MAX)
        return np.asarray(severity.numpy(), np.float32)


class TorchBlocks:
    """An Engine for the block classifier on torch in float32."""

    def __init__(self, network: BlockClassifier, channels: int, batch: int = 40) -> None:
        self._network = network
        size = network.size_px
        self._input = np.zeros((batch, size, size, channels), np.uint8)

    @property
    def input(self) -> npt.NDArray[np.uint8]:
        return self._input

    @torch.no_grad()
    def run(self, count: int | None = None) -> npt.NDArray[np.float32]:
        pixels = torch.from_numpy(self._input[:count]).permute(0, 3, 1, 2)
        return np.asarray(self._network(normalise(pixels)).numpy(), np.float32)


def float_inspector(
    detector: Detector,
    classifier: BlockClassifier | None,
    channels: int,
    chain: ChainManifest,
    kinds: tuple[KindManifest, ...],
    *,
    keep_severity: float = KEEP_NONE,
) -> Inspector:
    """Return the chain on torch. The classifier must be in eval mode."""
    classify: Classifier = SingleKindClassifier(kinds)
    if classifier is not None:
        blocks = TorchBlocks(classifier, channels)
        classify = BlockVote(
            blocks, classifier.size_px, channels, kinds, keep_severity=keep_severity
        )
    return Inspector(detector, classify, chain, kinds, time.perf_counter_ns)
