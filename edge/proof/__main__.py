"""``python -m edge.proof LIMITS ENGINE PARENT``: one bundle on standard input, proven.

Exit status 0 where it proved itself; REFUSED, and why on standard output, where it did not.
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
from edge.proof.isolated import REFUSED, ProofLimits
from edge.proof.limits import confine, confine_work, end_with


def main(arguments: list[str]) -> int:
    """Read, load, prove; the exit status."""
    limits, engine = ProofLimits(**json.loads(arguments[0])), _engine(arguments[1])
    # Before anything of the bundle is read.
    end_with(int(arguments[2]))
    confine(limits.memory_mb)
    confine_work(max(1, round(limits.seconds)) * engine.threads)
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
    # No destructors of an engine's own: what was found is said.
    status = main(sys.argv[1:])
    sys.stdout.flush()
    os._exit(status)
