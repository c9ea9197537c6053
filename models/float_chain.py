"""The station's chain with the torch networks in it: what the int8 bundle is compared with."""

from __future__ import annotations

import time

import numpy as np
import numpy.typing as npt
import torch

from edge.bundle import ChainManifest, KindManifest
from edge.chain.classify import BlockVote, Classifier, Unnamed
from edge.chain.detect import as_channels
from edge.chain.inspector import Inspector
from edge.records import SeverityMap
from models.detector import severity_map
from models.networks import BlockClassifier, DetectorNetwork, normalise


class TorchDetector:
    """A chain's Detector on torch, float32, the whole frame in one run whatever its size."""

    def __init__(self, network: DetectorNetwork, channels: int) -> None:
        self._network = network
        self._channels = channels

    def detect(self, pixels: npt.NDArray[np.uint8]) -> SeverityMap:
        values = severity_map(self._network, as_channels(pixels, self._channels))
        return SeverityMap(values, 1.0, 0, self._network.stride_px)


class TorchBlocks:
    """An Engine for the block classifier on torch, float32."""

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
    detector: DetectorNetwork,
    classifier: BlockClassifier | None,
    channels: int,
    chain: ChainManifest,
    kinds: tuple[KindManifest, ...],
    *,
    min_background: float = 0.0,
) -> Inspector:
    """The chain on torch. Networks must be in eval mode."""
    classify: Classifier = Unnamed(kinds)
    if classifier is not None:
        blocks = TorchBlocks(classifier, channels)
        classify = BlockVote(
            blocks, classifier.size_px, channels, kinds, min_background=min_background
        )
    return Inspector(
        TorchDetector(detector, channels), classify, chain, kinds, time.perf_counter_ns
    )
