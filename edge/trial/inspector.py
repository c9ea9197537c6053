"""``python -m edge.trial.inspector OPTIONS``: inspect frames by a new bundle, beside the station.

It has the lowest priority (SCHED_IDLE), and limits of memory, so that it takes nothing from the
station. Requests are lines on standard input, and results are lines on standard output. It ends
with its parent, or at the end of the input.
"""

from __future__ import annotations

import json
import mmap
import os
import resource
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge.bundle import parse_bundle
from edge.chain.inspector import Inspector
from edge.chain.load import build_inspector
from edge.engines.registry import EngineChoice
from edge.errors import OutfeedError
from edge.files import read_regular_file
from edge.images import decode_image
from edge.proof.limits import exit_with_parent, limit_memory
from edge.records import Frame

MAX_PICTURE_BYTES = 64 << 20

PRIORITY_VARIABLE = "OUTFEED_SHADOW_PRIORITY"
"""With the value ``normal`` the priority stays. Tests on a busy machine would wait for ever."""


@dataclass(frozen=True, slots=True)
class InspectorOptions:
    """The options, as JSON on the command line.

    frames: descriptor of the shared frames, slots of slot_bytes each; -1: none.
    """

    bundle: str
    engine: EngineChoice
    memory_mb: int
    parent: int
    frames: int = -1
    slot_bytes: int = 0
    slots: int = 0


def main(arguments: list[str]) -> int:
    """Inspect what standard input names, until it ends. Return the exit status."""
    options = _options(arguments[0])
    exit_with_parent(options.parent)
    _give_way()
    limit_memory(options.memory_mb)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    bundle = parse_bundle(Path(options.bundle).read_bytes())
    inspector = build_inspector(bundle, now_ns=time.monotonic_ns, engine=options.engine)
    slots = None
    if options.frames >= 0:
        memory = mmap.mmap(
            options.frames, options.slots * options.slot_bytes, access=mmap.ACCESS_READ
        )
        slots = np.frombuffer(memory, np.uint8).reshape(options.slots, options.slot_bytes)
    _answer({"ready": True})
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if "picture" in request:
                data = read_regular_file(Path(request["picture"]), MAX_PICTURE_BYTES)
                pixels = decode_image(data, name="picture")
            else:
                assert slots is not None
                shape = tuple(request["shape"])
                size = int(np.prod(shape))
                pixels = slots[request["slot"], :size].reshape(shape).copy()
        except (OutfeedError, OSError) as error:
            _answer({"decision": None, "ms": 0.0, "reason": str(error)[:200]})
            continue
        _answer(_inspect(inspector, pixels, options.engine.threads))
    return 0


def _inspect(
    inspector: Inspector, pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], threads: int
) -> dict[str, object]:
    frame = Frame.from_array(pixels, part_id=1)
    began_ns = time.process_time_ns()
    reason = ""
    decision = None
    try:
        verdict = inspector.inspect(frame)
        decision, reason = verdict.decision.value, verdict.reason[:200]
    except Exception as error:  # noqa: BLE001 - a fault of the bundle on this frame
        reason = f"{type(error).__name__}: {error}"[:200]
    # Processor time: the other processes of the machine come first, so the time by the clock is
    # no measure of the bundle.
    spent_ms = (time.process_time_ns() - began_ns) / 1e6 / max(1, threads)
    return {"decision": decision, "ms": spent_ms, "reason": reason}


def _give_way() -> None:
    """Take processor time only where no other process wants it."""
    if os.environ.get(PRIORITY_VARIABLE) == "normal":
        return
    os.nice(19)
    with suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def _options(text: str) -> InspectorOptions:
    given = json.loads(text)
    engine = given.pop("engine")
    choice = EngineChoice(**{**engine, "providers": tuple(engine["providers"])})
    return InspectorOptions(engine=choice, **given)


def _answer(content: dict[str, object]) -> None:
    print(json.dumps(content), flush=True)


if __name__ == "__main__":
    # Without the destructors of the engine.
    status = main(sys.argv[1:])
    sys.stdout.flush()
    os._exit(status)
