"""The workloads: the networks of the ladder in both formats, the chain, and the events."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from bench.arm.published import SIDE, graph_of, networks

SIZE = 256  # side of a frame, in px
BLOCK = 64  # side of a block of the classifier, in px
REGION = 5  # blocks of the classifier for one region
ZOO = Path(__file__).parents[2] / "models/zoo"
ENGINES: dict[str, str] = {"ort": "onnx", "litert": "tflite"}


@dataclass(frozen=True, slots=True)
class Workload:
    """One thing to count.

    name: of the network, or of the bundle. kind: which part of guest.py runs it. defects: for the
    chain, a golden frame with or without defects. mmac: of a frame; None where not known.
    """

    name: str
    kind: Literal["network", "chain", "event", "ncnn"]
    engine: str = ""
    file: str = ""
    bundle: str = ""
    defects: bool = False
    batch: int = 1
    height: int = SIZE
    width: int = SIZE
    channels: int = 1
    side: int = SIDE
    mmac: float | None = None


def workloads(folder: Path) -> list[Workload]:
    """Return what is counted, with the networks of a folder of ``make_networks``."""
    macs = json.loads((folder / "networks.json").read_text(encoding="utf-8"))
    found = []
    for name, operations in macs.items():
        for engine, suffix in ENGINES.items():
            side = SIZE if name != "classifier" else BLOCK
            batch = 1 if name != "classifier" else REGION
            found.append(
                Workload(
                    name,
                    "network",
                    engine,
                    file=str(folder / f"{name}.{suffix}"),
                    batch=batch,
                    height=side,
                    width=side,
                    mmac=operations * batch,
                )
            )
    for bundle in sorted(ZOO.glob("*.outfeed")):
        name = bundle.stem
        for engine in ENGINES:
            for defects in (False, True):
                found.append(Workload(name, "chain", engine, bundle=str(bundle), defects=defects))
    event = sorted(ZOO.glob("*.outfeed"))[0]
    found += [
        Workload("event", "event", "ort", bundle=str(event), defects=defects)
        for defects in (False, True)
    ]
    return found


def published_workloads(folder: Path) -> list[Workload]:
    """Write the networks with published times, and return them."""
    found = []
    for name in networks():
        path = folder / f"{name}.param"
        path.write_text(graph_of(name), encoding="ascii")
        found.append(Workload(name, "ncnn", "ncnn", file=str(path)))
    return found


def job_of(some: Sequence[Workload], frames: int) -> str:
    """Return the JSON that guest.py reads."""
    return json.dumps({"frames": frames, "workloads": [asdict(each) for each in some]})
