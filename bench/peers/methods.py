"""Candidates: the networks that users would take today, each in the engines of a station.

Every network has random weights, the same frame of SIDE_PX, and uint8 pixels as the camera gives
them. int8 is the static quantisation of ONNX Runtime, weights by channel, calibrated on noise. It
would round the distances of PaDiM and PatchCore, so these have no row in int8.
Outfeed's own methods beside them are untrained too, and are whole chains in int8.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
import onnxruntime as ort
import torch
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_static,
)
from torch import Tensor, nn

from bench.peers.candidates import AbsentError, PeerCandidate
from bench.peers.measure import Row
from bench.peers.networks.blocks import fused
from bench.peers.networks.efficientad import EfficientAD
from bench.peers.networks.features import PaDiM, PatchCore, SuperSimpleNet
from bench.peers.networks.segmentation import MobileUNet, SegDecNet
from bench.peers.networks.yolo import YoloSegmentation
from bench.public_sets.published import published
from bench.runners import PRECISIONS, SIDE_PX, has_openvino, noise, run_openvino
from bench.timing import Call
from edge.bundle import parse_bundle
from edge.bundle.manifest import Precision
from edge.chain.load import build_inspector
from edge.engines.registry import EngineChoice
from edge.records import Frame
from export.errors import ExportError
from export.float_onnx import traced
from export.ladder.untrained import UntrainedNetwork
from models.ladder.record import Subject
from models.networks import mmac

# 10 % of the cells of 240 pictures, the median of the categories of MVTec AD.
BANK = 24_576
NETWORKS: Mapping[str, Callable[[], nn.Module]] = {
    "EfficientAD-S": EfficientAD,
    "EfficientAD-M": partial(EfficientAD, medium=True),
    "PaDiM, ResNet18": partial(PaDiM, SIDE_PX),
    "PatchCore, ResNet18": partial(PatchCore, SIDE_PX, BANK),
    "SuperSimpleNet": SuperSimpleNet,
    "SuperSimpleNet, ResNet18": partial(SuperSimpleNet, narrow=True),
    "SegDecNet": SegDecNet,
    "U-Net, MobileNetV2": MobileUNet,
    "YOLO11n-seg": YoloSegmentation,
}
OWN = ("nano", "lean", "large", "memory-bank", "reverse-distillation", "ensemble", "efficientad")


class _FromCamera(nn.Module):
    """A network on uint8 pixels 1×H×W×3, with the normalisation of ImageNet inside."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        mean, deviation = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
        self.register_buffer("mean", 255.0 * torch.tensor(mean)[None, :, None, None])
        self.register_buffer("scale", 1.0 / (255.0 * torch.tensor(deviation)[None, :, None, None]))

    def forward(self, pixels: Tensor) -> Tensor:
        mean, scale = self.mean, self.scale
        assert isinstance(mean, Tensor)
        assert isinstance(scale, Tensor)
        found: Tensor = self.network((pixels.permute(0, 3, 1, 2).float() - mean) * scale)
        return found


def methods() -> Iterator[PeerCandidate]:
    """Yield the networks of other methods in each engine, then the chains of Outfeed's own."""
    for name, make in NETWORKS.items():
        for precision in PRECISIONS[:1] if _products_mmac(make) else PRECISIONS:
            runs = {"ONNX Runtime": _with_ort, "OpenVINO": _with_openvino}
            for title, run in runs.items():
                yield PeerCandidate(
                    f"{name}, {title} {precision}", partial(run, make, precision), _mmac(make)
                )
    for name in OWN:
        for engine, title in (("ort", "ONNX Runtime"), ("openvino", "OpenVINO")):
            yield PeerCandidate(
                f"{name} of Outfeed, whole chain, {title} int8", partial(_own, name, engine)
            )


def _with_ort(make: Callable[[], nn.Module], precision: Precision) -> Call:
    return _session(_graph(make, precision))


def _with_openvino(make: Callable[[], nn.Module], precision: Precision) -> Call:
    if not has_openvino():
        raise AbsentError("openvino is not installed")
    return run_openvino(_graph(make, precision), noise(3))


@cache
def _network(make: Callable[[], nn.Module]) -> nn.Module:
    torch.manual_seed(0)
    return fused(make())


@cache
def _mmac(make: Callable[[], nn.Module]) -> float:
    return mmac(_network(make), 3, SIDE_PX) + _products_mmac(make)


def _products_mmac(make: Callable[[], nn.Module]) -> float:
    """Return the million multiply-accumulates of comparisons with good parts; 0 without any."""
    network = _network(make)
    return network.products_mmac if isinstance(network, PaDiM | PatchCore) else 0.0


@cache
def _graph(make: Callable[[], nn.Module], precision: Precision) -> bytes:
    """Return the ONNX file of a network. Blocks for some ten seconds, for int8 up to a minute."""
    if precision == "float32":
        whole = _FromCamera(_network(make)).eval()
        model = traced(whole, torch.from_numpy(noise(3)), input_names=["pixels"])
        data: bytes = model.SerializeToString()
        return data
    with TemporaryDirectory() as folder:
        path = Path(folder) / "int8.onnx"
        quantize_static(
            onnx.load_from_string(_graph(make, "float32")),
            path,
            _Noise(),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            weight_type=QuantType.QInt8,
            activation_type=QuantType.QUInt8,
            extra_options={"WeightSymmetric": True},
        )
        return path.read_bytes()


class _Noise(CalibrationDataReader):  # type: ignore[misc]
    """Two frames of noise."""

    def __init__(self) -> None:
        frame = noise(3)
        self._frames = [frame, np.ascontiguousarray(frame[:, ::-1])]

    def get_next(self) -> dict[str, np.ndarray] | None:
        return {"pixels": self._frames.pop()} if self._frames else None


def _session(data: bytes) -> Call:
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    pixels = {"pixels": noise(3)}
    return lambda: session.run(None, pixels)


def fastest(rows: Iterable[Row]) -> dict[str, tuple[float, float]]:
    """Return ms of the fastest engine, and the published AUROC on MVTec AD, of each other method.

    Only methods with a published figure are in it (bench/public_sets/published.toml).
    """
    known = {
        each.method: each.value
        for each in published()
        if (each.set, each.category, each.figure) == ("mvtec-ad", "mean", "picture_auroc")
    }
    found: dict[str, tuple[float, float]] = {}
    for name in NETWORKS:
        times = [
            row.spread.median_ms
            for row in rows
            if row.spread is not None and row.name.rsplit(", ", 1)[0] == name
        ]
        if times and name in known:
            found[name] = min(times), known[name]
    return found


def _own(name: str, engine: str) -> Call:
    """Return a call of the whole chain on a colour frame without a region."""
    if engine == "openvino" and not has_openvino():
        raise AbsentError("openvino is not installed")
    bundle = parse_bundle(_bundle(name))
    choice = EngineChoice(engine, precision="int8")
    inspector = build_inspector(bundle, now_ns=time.perf_counter_ns, engine=choice)
    frame = Frame(0, 0, 0, 0, noise(3)[0])
    return lambda: inspector.inspect(frame)


@cache
def _bundle(name: str) -> bytes:
    """Return a bundle of one of Outfeed's networks, untrained. Blocks for some ten seconds."""
    subject = Subject(name=name, height=SIDE_PX, width=SIDE_PX, channels=3)
    try:
        return UntrainedNetwork(name, 3).bundle(subject)
    except ExportError as error:
        raise AbsentError(str(error)) from error
