"""``python -m edge.benchmark.first_verdict BUNDLE ENGINE PRECISION THREADS``: a cold start.

``outfeed bench`` starts this process. It prints the time of its first verdict and its memory as
JSON.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from edge.assembly.chain import engine_choice, load_chain
from edge.errors import OutfeedError
from edge.images import decode_image
from edge.records import Frame


def main() -> int:
    """Load and prove the bundle as a station does, inspect a golden frame, and print the figures.

    A grey frame would show no part, and a detector that aligns parts would not run.
    """
    path, name, precision, threads = sys.argv[1:]
    try:
        engine = engine_choice(name, precision, int(threads))
        bundle, inspector = load_chain(Path(path), engine=engine)
    except OutfeedError as error:
        print(error, file=sys.stderr)
        return error.exit_status
    golden = bundle.manifest.golden[0].file
    inspector.inspect(Frame(0, 0, 0, 0, decode_image(bundle.files[golden], name=golden)))
    at_ns = time.monotonic_ns()
    print(json.dumps({"at_ns": at_ns, **_memory_kib()}))
    return 0


def _memory_kib() -> dict[str, int]:
    """Return VmRSS and VmHWM of this process (proc(5)) in KiB; 0 where they are not available."""
    memory = {"VmRSS": 0, "VmHWM": 0}
    status = Path("/proc/self/status")
    if status.is_file():
        for line in status.read_text(encoding="ascii", errors="replace").splitlines():
            key, _, value = line.partition(":")
            if key in memory:
                memory[key] = int(value.split()[0])
    return memory


if __name__ == "__main__":
    sys.exit(main())
