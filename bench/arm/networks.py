"""The networks of the ladder, untrained, in both formats.

The number of instructions depends on the architecture and not on the weights, as in export/ladder.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import torch

from bench.arm.workloads import SIZE
from export.float_onnx import export_float, station_graph, tail_of
from export.ladder.untrained import FRAMES, noise
from export.quantisation.quantise import Quantiser, Scheme
from export.tflite import TfliteJob, convert
from models.ladder.rungs import LADDER
from models.networks import BlockClassifier, DetectorNetwork, build_detector, mmac

KINDS = 4  # of defects, for the classifier


def make_networks(folder: Path) -> None:
    """Write every rung and the classifier in both formats. Blocks for some minutes.

    Files that exist are kept, and networks.json names their operations.
    """
    folder.mkdir(parents=True, exist_ok=True)
    jobs: dict[str, TfliteJob] = {}
    macs: dict[str, float] = {}
    for name, network, side in _untrained():
        macs[name] = mmac(network, side_px=side)
        frames = noise(FRAMES, (side, side), 1)
        if not (folder / f"{name}.onnx").exists():
            graph = Quantiser(export_float(network, 1), frames).quantise(Scheme(corrected=False))
            tail = None if isinstance(network, BlockClassifier) else tail_of(network)
            data = station_graph(graph, tail).SerializeToString()
            (folder / f"{name}.onnx").write_bytes(data)
        if not (folder / f"{name}.tflite").exists():
            jobs[name] = TfliteJob(network, 1, side, side, calibration=frames, corrected=False)
    for name, file in convert(jobs).items() if jobs else ():
        (folder / f"{name}.tflite").write_bytes(file.data)
    (folder / "networks.json").write_text(json.dumps(macs), encoding="utf-8")


def _untrained() -> Iterator[tuple[str, DetectorNetwork | BlockClassifier, int]]:
    torch.manual_seed(0)
    for rung in LADDER:
        yield rung.network, build_detector(rung.network, 1, 2).eval(), SIZE
    classifier = BlockClassifier(1, KINDS).eval()
    yield "classifier", classifier, classifier.size_px
