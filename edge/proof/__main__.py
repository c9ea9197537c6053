"""``python -m edge.proof LIMITS ENGINE PARENT``: prove one bundle from standard input.

Exit status 0 after a successful proof; REFUSED, with the reason on standard output, otherwise.
"""

from __future__ import annotations

import json
import os
import sys
import time

from edge.bundle import parse_bundle
from edge.chain.load import build_inspector, prove
from edge.engines.registry import EngineChoice
from edge.errors import BundleError
from edge.proof.isolated import REFUSED
from edge.proof.limits import ProofLimits, exit_with_parent, limit_cpu_time, limit_memory


def main(arguments: list[str]) -> int:
    """Read, load and prove the bundle. Return the exit status."""
    limits, engine = ProofLimits(**json.loads(arguments[0])), _engine(arguments[1])
    # Before the bundle is read.
    exit_with_parent(int(arguments[2]))
    limit_memory(limits.memory_mb)
    limit_cpu_time(max(1, round(limits.seconds)) * engine.threads)
    try:
        bundle = parse_bundle(sys.stdin.buffer.read())
        inspector = build_inspector(bundle, now_ns=time.monotonic_ns, engine=engine)
        prove(bundle, inspector, engine)
    except BundleError as error:
        print(" ".join(str(error).splitlines()), flush=True)
        return REFUSED
    except MemoryError:
        print(f"needs more than {limits.memory_mb} MB to prove itself", flush=True)
        return REFUSED
    return 0


def _engine(text: str) -> EngineChoice:
    given = json.loads(text)
    return EngineChoice(**{**given, "providers": tuple(given["providers"])})


if __name__ == "__main__":
    # Without the destructors of the engine: the result is already printed.
    status = main(sys.argv[1:])
    sys.stdout.flush()
    os._exit(status)
