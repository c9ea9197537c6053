"""The whole chain on a clean frame against the paper's network, in one run on one core.

    python bench/chain.py --bundle models/zoo/textures-lean.outfeed

Interleaved: each round times every candidate a few times in a row, so that a noisy machine hurts
all alike. The paper's network has random weights (time does not depend on them) and runs in ONNX
Runtime float32 on one 256×256 block, as the bundle's detector and chain do.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from edge.bundle import Bundle, ClassifierManifest, read_bundle
from edge.chain.load import load_inspector
from edge.engines.ort import OrtEngine
from edge.engines.registry import EngineChoice
from edge.images import decode_image
from edge.records import Decision, Frame
from export.float_onnx import Tail, export_float, station_graph
from models.networks import build_detector

SIDE_PX = 256
BLOCKS = 8


def main(
    bundle: Annotated[Path, typer.Option(help="The bundle to time.")],
    rounds: Annotated[int, typer.Option(min=10, help="Rounds of the interleaved timing.")] = 20,
    back_to_back: Annotated[
        int, typer.Option(min=1, help="Runs of each in a round; 1 finds the neighbour's caches.")
    ] = 30,
) -> None:
    """Time the bundle's network and chain beside the paper's network."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    loaded = read_bundle(bundle)
    frame = _clean_frame(loaded)
    candidates = {
        "paper's network, ORT float32": _paper(loaded.manifest.detector.channels),
        "bundle's network, ORT": _network(loaded),
        "whole chain, clean frame": _chain(loaded, frame),
    }
    if loaded.manifest.classifier is not None:
        candidates["bundle's classifier, eight blocks"] = _blocks(
            loaded, loaded.manifest.classifier
        )
    taken: dict[str, list[float]] = {name: [] for name in candidates}
    for number in range(rounds + 10):
        for name, call in candidates.items():
            for _ in range(back_to_back):
                start = time.perf_counter_ns()
                call()
                if number >= 10:  # the first rounds warm caches and ORT's arena
                    taken[name].append((time.perf_counter_ns() - start) / 1e6)
    reference = statistics.median(next(iter(taken.values())))
    table = Table("256×256, one core", "median ms", "p10", "p90", "times faster")
    for name, values in taken.items():
        p10, p90 = np.percentile(values, [10, 90])
        median = statistics.median(values)
        table.add_row(
            name, f"{median:.3f}", f"{p10:.3f}", f"{p90:.3f}", f"{reference / median:.1f}"
        )
    Console().print(table)


def _paper(channels: int) -> Callable[[], object]:
    network = build_detector("paper", channels, 4)
    graph = station_graph(export_float(network, channels), Tail(network.logistic, network.shuffle))
    return _engine(graph.SerializeToString(), channels).run


def _network(bundle: Bundle) -> Callable[[], object]:
    detector = bundle.manifest.detector
    build = EngineChoice().build(bundle)
    return _engine(bundle.files[build.detector.file], detector.channels).run


def _blocks(bundle: Bundle, classifier: ClassifierManifest) -> Callable[[], object]:
    file, side = EngineChoice().build(bundle).classifier, classifier.size_px
    assert file is not None
    data = bundle.files[file]
    return _engine(data, classifier.channels, side, BLOCKS).run


def _engine(model: bytes, channels: int, side: int = SIDE_PX, batch: int = 1) -> OrtEngine:
    engine = OrtEngine(model, batch=batch, height=side, width=side, channels=channels)
    engine.input[:] = np.random.default_rng(0).integers(0, 256, engine.input.shape, np.uint8)
    return engine


def _chain(bundle: Bundle, frame: Frame) -> Callable[[], object]:
    detector = bundle.manifest.detector.model_copy(update={"height": SIDE_PX, "width": SIDE_PX})
    manifest = bundle.manifest.model_copy(update={"detector": detector})
    resized = Bundle(manifest, bundle.digest, bundle.files, bundle.size_bytes)
    inspector = load_inspector(resized, now_ns=time.perf_counter_ns)
    verdict = inspector.inspect(frame)
    if verdict.decision is not Decision.PASS or verdict.reason != "clean":
        raise SystemExit(f"the bundle's golden PASS frame is not clean: {verdict.reason}")
    return lambda: inspector.inspect(frame)


def _clean_frame(bundle: Bundle) -> Frame:
    for golden in bundle.manifest.golden:
        if golden.decision == "PASS" and not golden.defects:
            pixels = decode_image(bundle.files[golden.file], name=golden.file)
            return Frame(0, 0, 0, 0, np.ascontiguousarray(pixels[:SIDE_PX, :SIDE_PX]))
    raise SystemExit("the bundle has no golden frame that passes")


if __name__ == "__main__":
    typer.run(main)
