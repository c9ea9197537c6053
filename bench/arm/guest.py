"""The program that runs in the emulator: it marks each frame, so that the plugin counts it.

    python3.11 -s -S guest.py JOB SITE...

JOB is a JSON file with a list of workloads. Each prints one line when it is done. This file is
imported by nothing: the emulated Python has the wheels of SITE and the packages of the project.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

MARK = 1000  # the number of a system call that no kernel has
WARM_UP = 2


def main() -> None:
    """Run every workload of the job."""
    import ctypes

    system_call = ctypes.CDLL(None).syscall
    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    prepared = [_prepare(each) for each in job["workloads"]]
    gc.collect()
    gc.disable()
    frames = range(job["frames"])
    for number, run in enumerate([_nothing, *prepared]):
        for _ in range(WARM_UP):
            run()
            system_call(MARK, 0)
        for _ in frames:
            system_call(MARK, 0)
            run()
            system_call(MARK, number + 1)
        print(number, flush=True)


def _nothing() -> None:
    """Do nothing: what a mark itself costs."""


def _prepare(workload: dict[str, Any]) -> Callable[[], object]:
    return {"network": _network, "chain": _chain, "event": _event, "ncnn": _ncnn}[workload["kind"]](
        workload
    )


def _network(workload: dict[str, Any]) -> Callable[[], object]:
    import numpy as np

    from edge.engines.registry import EngineChoice

    size = {key: workload[key] for key in ("batch", "height", "width", "channels")}
    data = Path(workload["file"]).read_bytes()
    engine = EngineChoice(workload["engine"]).load().make(data, threads=1, **size)
    noise = np.random.default_rng(0).integers(0, 256, engine.input.shape, np.uint8)
    engine.input[:] = noise
    return engine.run


def _inspector(workload: dict[str, Any]) -> tuple[Any, Any]:
    from edge.bundle import read_bundle
    from edge.chain.load import build_inspector
    from edge.engines.registry import EngineChoice
    from edge.images import decode_image
    from edge.records import Frame

    bundle = read_bundle(Path(workload["bundle"]))
    inspector = build_inspector(
        bundle, now_ns=time.monotonic_ns, engine=EngineChoice(workload["engine"])
    )
    wanted = bool(workload["defects"])
    golden = next(each for each in bundle.manifest.golden if bool(each.defects) == wanted)
    pixels = decode_image(bundle.files[golden.file], name=golden.file)
    return inspector, Frame(0, 0, 0, 0, pixels)


def _chain(workload: dict[str, Any]) -> Callable[[], object]:
    inspector, frame = _inspector(workload)
    return lambda: inspector.inspect(frame)


def _event(workload: dict[str, Any]) -> Callable[[], object]:
    from edge.events.event import part_event

    inspector, frame = _inspector(workload)
    verdict = inspector.inspect(frame)
    return lambda: part_event("line-1", "bundle-1-0123456789ab", verdict, 1).model_dump_json()


def _ncnn(workload: dict[str, Any]) -> Callable[[], object]:
    import numpy as np

    ncnn: Any = import_module("ncnn")
    net = ncnn.Net()
    net.opt.num_threads = 1
    net.opt.use_vulkan_compute = False
    if net.load_param(workload["file"]) or net.load_model(ncnn.DataReaderFromEmpty()):
        raise SystemExit(f"{workload['file']}: ncnn refuses it")
    pixels = ncnn.Mat(np.full((3, workload["side"], workload["side"]), 0.01, np.float32))

    def run() -> object:
        extractor = net.create_extractor()
        extractor.input("data", pixels)
        return extractor.extract("output")

    return run


if __name__ == "__main__":
    sys.path[:0] = sys.argv[2:]
    main()
