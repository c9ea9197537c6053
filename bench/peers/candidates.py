"""The candidates of the comparison.

They are the paper's network and a plain autoencoder as a user would run them, and Outfeed's
networks and whole chain in every installed engine.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from bench.peers.autoencoder import Deployment, PeerAutoencoder
from bench.runners import (
    PRECISIONS,
    SIDE_PX,
    graphs,
    has_openvino,
    noise,
    run_openvino,
    run_ort,
    run_torch,
)
from bench.timing import Call
from edge.benchmark.timing import bench_frames, fit
from edge.bundle import Bundle
from edge.bundle.manifest import Precision
from edge.chain.inspector import Inspector
from edge.chain.load import build_inspector
from edge.engines.registry import DEFAULT_ENGINE, ENGINES, EngineChoice
from edge.errors import BundleError, OutfeedError
from edge.records import Frame
from models.networks import BlockClassifier, DetectorNetwork, build_detector, mmac

REFERENCE = "paper, ONNX Runtime float32"
BLOCKS = 8
Pixels = NDArray[np.uint8]
Size = tuple[int, int]


class AbsentError(Exception):
    """Raised for a candidate that cannot run on this machine. The message is one line."""


@dataclass(frozen=True, slots=True)
class PeerCandidate:
    """A candidate.

    prepare: returns the call to be timed. It may take a minute and raises AbsentError.
    mmac, precision: million multiply-accumulates of a run, and their arithmetic. None where a share
    of the peak has no meaning.
    network: for a chain, the name of the candidate that is its network alone.
    frame, base: for a chain, height and width of its frame, and the name of the same chain on one
    block.
    """

    name: str
    prepare: Callable[[], Call]
    mmac: float | None = None
    precision: Precision | None = None
    network: str | None = None
    frame: Size = (SIDE_PX, SIDE_PX)
    base: str | None = None


def peers(scratch: Path) -> Iterator[PeerCandidate]:
    """Yield the other ways to deploy a network, the reference first. scratch: database folder."""
    paper = build_detector("paper", 1, 4).eval()
    cost = mmac(paper)

    @cache
    def model(precision: Precision) -> bytes:
        return graphs(paper, precisions=[precision])[precision]

    def ort(precision: Precision) -> Call:
        return run_ort(model(precision), noise())

    def openvino(precision: Precision) -> Call:
        if not has_openvino():
            raise AbsentError("openvino is not installed")
        return run_openvino(model(precision), noise())

    for precision in PRECISIONS:
        name = f"paper, ONNX Runtime {precision}"
        yield PeerCandidate(name, partial(ort, precision), cost, precision)
    yield PeerCandidate("paper, PyTorch eager", partial(run_torch, paper, noise()), cost, "float32")
    yield PeerCandidate("paper, torch.compile", partial(_compiled, paper), cost, "float32")
    # By default OpenVINO computes a float network in bfloat16 where the processor can. So it has no
    # share of the float32 peak.
    yield PeerCandidate("paper, OpenVINO float32", partial(openvino, "float32"), cost)
    yield PeerCandidate("paper, OpenVINO int8", partial(openvino, "int8"), cost, "int8")
    yield PeerCandidate(
        "autoencoder, PyTorch and SQLite",
        partial(_autoencoder, scratch / "defect_results.db"),
        PeerAutoencoder().mmac(),
        "float32",
    )


def outfeed(bundle: Bundle, sizes: Sequence[Size]) -> Iterator[PeerCandidate]:
    """Yield a bundle's network and whole chain in each engine.

    The default engine also runs its classifier, and the chain on a frame with regions and on clean
    frames of other sizes.
    """
    manifest, name = bundle.manifest, bundle.manifest.name
    spec = manifest.detector
    try:
        network = build_detector(spec.network, spec.channels, spec.stride_px).eval()
    except ValueError:  # an unknown network, whose cost is not known
        network = None
    cost = mmac(network, spec.channels) if network else None

    @cache
    def floats() -> bytes:
        if network is None:
            raise AbsentError(f"{bundle.id} has no float build, and {spec.network} is not known")
        return graphs(network, spec.channels, ["float32"])["float32"]

    def alone(engine: str, precision: Precision) -> Call:
        try:
            build = EngineChoice(engine, precision=precision).build(bundle)
            data = bundle.files[build.detector.file]
        except BundleError:
            if (ENGINES[engine].format, precision) != ("onnx", "float32"):
                raise
            data = floats()  # random weights take the same time
        return _run(engine, data, noise(spec.channels))

    for engine, kind in ENGINES.items():
        for precision in PRECISIONS if kind.format == "onnx" else PRECISIONS[1:]:
            prepare = _absent(partial(alone, engine, precision))
            yield PeerCandidate(f"{name}, {kind.title} {precision}", prepare, cost, precision)
    for engine, kind in ENGINES.items():
        yield PeerCandidate(
            f"{name}, whole chain, {kind.title}, clean",
            _absent(partial(_chain, bundle, engine, clean=True)),
            cost,
            "int8",
            network=f"{name}, {kind.title} int8",
        )
    chain = f"{name}, whole chain, {ENGINES[DEFAULT_ENGINE].title}"
    on_default = partial(_chain, bundle, DEFAULT_ENGINE)
    yield PeerCandidate(f"{chain}, with regions", _absent(partial(on_default, clean=False)))
    if manifest.classifier is not None:
        blocks = BlockClassifier(spec.channels, len(manifest.kinds))
        yield PeerCandidate(
            f"{name}, classifier, {BLOCKS} blocks",
            _absent(partial(_blocks, bundle)),
            BLOCKS * mmac(blocks, spec.channels, manifest.classifier.size_px),
            "int8",
        )
    for height, width in sizes:
        prepare = _absent(partial(on_default, clean=True, size=(height, width)))
        yield PeerCandidate(
            f"{chain}, {width}×{height}", prepare, frame=(height, width), base=f"{chain}, clean"
        )


def _run(engine: str, model: bytes, pixels: Pixels) -> Call:
    batch, height, width, channels = pixels.shape
    make = EngineChoice(engine).load().make
    made = make(model, batch=batch, height=height, width=width, channels=channels)
    made.input[:] = pixels
    return made.run


def _blocks(bundle: Bundle) -> Call:
    classifier = bundle.manifest.classifier
    file = EngineChoice().build(bundle).classifier
    assert classifier is not None
    assert file is not None
    blocks = np.repeat(noise(classifier.channels, classifier.size_px), BLOCKS, axis=0)
    return _run(DEFAULT_ENGINE, bundle.files[file], blocks)


def _chain(bundle: Bundle, engine: str, *, clean: bool, size: Size = (SIDE_PX, SIDE_PX)) -> Call:
    inspector = build_inspector(
        bundle, now_ns=time.perf_counter_ns, engine=EngineChoice(engine, precision="int8")
    )
    frame = _frame(bundle, inspector, clean=clean, size=size)
    return lambda: inspector.inspect(frame)


def _frame(bundle: Bundle, inspector: Inspector, *, clean: bool, size: Size) -> Frame:
    """Return the first golden frame of the wanted sort, cropped or reflected to the size.

    Where a reflection's seam is detected as a region, return a plain surface of the same grey.
    """
    golden = [fit(pixels, *size) for pixels in bench_frames(bundle, None)]
    plain = [np.full_like(golden[-1], int(np.median(golden[-1])))] if golden else []
    for number, pixels in enumerate([*golden, *plain]):
        frame = Frame(number, number, 0, 0, pixels)
        if (inspector.examine(frame).components is None) == clean:
            return frame
    sort = "is clean" if clean else "has a region"
    raise AbsentError(f"no golden frame of {bundle.id} {sort} at {size[1]}×{size[0]}")


def _absent(prepare: Callable[[], Call]) -> Callable[[], Call]:
    """Return a call that raises errors of the engines as AbsentError."""

    def attempt() -> Call:
        try:
            return prepare()
        except OutfeedError as error:
            raise AbsentError(str(error)) from error

    return attempt


def _autoencoder(database: Path) -> Call:
    deployment, pixels = Deployment(database), noise()[0]
    return lambda: deployment.inspect(pixels)


def _compiled(network: DetectorNetwork) -> Call:
    """Compile the network before it is timed, which takes half a minute."""
    compiled: DetectorNetwork = torch.compile(network)  # type: ignore[assignment]
    call = run_torch(compiled, noise())
    try:
        call()
    except Exception as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise AbsentError(f"torch.compile: {lines[0]}") from error
    return call
