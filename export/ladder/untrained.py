"""A bundle of an untrained network in int8, which a station's engine can run and prove.

Time depends on the architecture and not on the weights. The ways to quantise are not compared, and
two frames of noise calibrate. So a bundle takes some seconds and not minutes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt
import onnx
import torch

from edge import __version__
from edge.bundle import (
    CERTIFICATE,
    BuildManifest,
    ChainManifest,
    DetectorManifest,
    GoldenLimits,
    KindManifest,
    Manifest,
    pack,
)
from edge.bundle.kinds import DetectorKind
from edge.chain.golden import golden_manifest
from edge.records import Frame
from export.certificate import certificate_for
from export.chains import Build, build_chain
from export.errors import ExportError
from export.float_onnx import export_float, station_graph, tail_of
from export.quantisation.quantise import Quantiser, Scheme
from export.source import input_shape, onnx_build
from models.ladder.record import Subject
from models.ladder.rungs import find_rung
from models.methods.registry import METHODS
from models.networks import BlockClassifier, DetectorNetwork, ReducedDetector, build_detector
from models.training.recipe import load_recipe

CALIBRATION_TILES = 4  # side of a frame of noise, in units of the network's multiple
SILENT = 1e-3  # factor on the weights of the last layer, so that no cell of noise reaches T
T = 12.0
FRAMES = 2
# Engines round differently, and the severities of an untrained network mean nothing.
_LIMITS = GoldenLimits(severity=12.0, area=1e6, box_px=8192, confidence=1.0)
Pixels = npt.NDArray[np.uint8]


class UntrainedNetwork:
    """An untrained network in int8, for frames of any size that it takes.

    name: a rung of the ladder, or a method that learns from good parts. Blocks for some seconds.
    Raises ExportError for a method that has no network of a known size before it is trained.
    """

    def __init__(self, name: str, channels: int) -> None:
        torch.manual_seed(0)
        self.name = name
        self._channels: Literal[1, 3] = 1 if channels == 1 else 3
        self._kind, self._network = _build(name, channels)
        sides = CALIBRATION_TILES * max(self._network.multiple_px, 16)
        exported = export_float(self._network, channels)
        frames = noise(FRAMES, (sides, sides), channels)
        quantised = Quantiser(exported, frames).quantise(Scheme(corrected=False))
        self._graph: onnx.ModelProto = station_graph(quantised, tail_of(self._network))

    def bundle(self, subject: Subject) -> bytes:
        """Return the bundle whose golden frames have the size of the subject. Blocks for a second.

        Its frames have no defect: T is the highest severity.
        """
        manifest = onnx_build("int8", classifier=False, detector=self._network)
        limited = manifest.model_copy(update={"golden": _LIMITS})
        build = Build(limited, {limited.detector.file: self._graph.SerializeToString()})
        draft = self._draft(subject, limited)
        inspector = build_chain(draft, build)
        golden, files = [], dict(build.files)
        frames = noise(FRAMES, (subject.height, subject.width), subject.channels)
        for number, pixels in enumerate(frames):
            name = f"golden/{number:02d}.png"
            files[name] = cv2.imencode(".png", pixels)[1].tobytes()
            golden.append(golden_manifest(name, inspector.examine(Frame(0, 0, 0, 0, pixels))))
        whole = draft.model_copy(update={"golden": tuple(golden)})
        files[CERTIFICATE] = certificate_for(whole, [build], ())
        return pack(whole, files)

    def _draft(self, subject: Subject, build: BuildManifest) -> Manifest:
        height, width, overlap_px = input_shape(
            (None, None), self._network, (subject.height, subject.width)
        )
        return Manifest(
            name=f"untrained-{self.name}",
            version="1",
            outfeed_version=__version__,
            detector=DetectorManifest(
                kind=self._kind,
                network=self.name,
                channels=self._channels,
                height=height,
                width=width,
                overlap_px=overlap_px,
                multiple_px=self._network.multiple_px,
                stride_px=self._network.stride_px,
            ),
            classifier=None,
            chain=ChainManifest(threshold=T),
            kinds=(KindManifest(name="defect"),),
            builds=(build,),
            golden=(),
        )


def untrained_classifier(channels: int, kinds: int) -> bytes:
    """Return an untrained block classifier in int8, as a station runs it. Blocks for seconds."""
    torch.manual_seed(0)
    network = BlockClassifier(channels, kinds)
    exported = export_float(network, channels)
    blocks = noise(FRAMES, (network.size_px, network.size_px), channels)
    quantised = Quantiser(exported, blocks).quantise(Scheme(corrected=False))
    data: bytes = station_graph(quantised, None).SerializeToString()
    return data


def noise(count: int, size: tuple[int, int], channels: int) -> Sequence[Pixels]:
    """Return frames of noise, uint8 H×W or H×W×3."""
    shape = (count, *size) if channels == 1 else (count, *size, channels)
    return list(np.random.default_rng(0).integers(0, 256, shape, np.uint8))


def _build(name: str, channels: int) -> tuple[DetectorKind, DetectorNetwork]:
    if find_rung(name) is not None:
        network = build_detector(name, channels, 2).eval()
        assert isinstance(network, ReducedDetector)
        with torch.no_grad():
            network.head.weight.mul_(SILENT)
        return "regression", network
    recipe = load_recipe(name)
    method = METHODS[recipe.method]
    if method.build is None or not method.int8:
        raise ExportError(f"{name}: is not a network in int8; its time is known after the training")
    return recipe.method, method.build(recipe, channels).eval()
