"""The proof of a bundle: its golden frames in a child process with limits of time and memory.

A faulty or malicious network may compute without end, allocate all memory, or crash the engine. In
a child process, the result is one error line, and the bundle is refused.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from dataclasses import asdict

from edge.bundle import Bundle, pack
from edge.bundle.network import check_networks
from edge.child_processes import FOLDER, command_of, environment_of
from edge.engines.registry import EngineChoice
from edge.errors import BundleError
from edge.proof.limits import ProofLimits

REFUSED = 3  # the child's exit status where the bundle did not prove itself


# Proofs in this process: a command may load a bundle several times.
_proven: set[tuple[str, EngineChoice]] = set()


def prove_in_child(bundle: Bundle, engine: EngineChoice, limits: ProofLimits | None = None) -> None:
    """Load the bundle on the engine and run its golden frames, in a child process.

    Raises BundleError with one line if a result differs, a limit is exceeded or the child crashes.
    Blocks for some seconds as a rule, and for limits.seconds at most. Returns at once if this
    process has proven the bundle on this engine before.
    """
    key = (bundle.digest, engine)
    if key in _proven:
        return
    check_networks(bundle)
    limits = limits or ProofLimits.of_machine()
    command = command_of(
        "edge.proof", json.dumps(asdict(limits)), json.dumps(asdict(engine)), str(os.getpid())
    )
    try:
        child = subprocess.run(
            command,
            input=pack(bundle.manifest, bundle.files),
            capture_output=True,
            cwd=FOLDER,
            env=environment_of(),
            timeout=limits.seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise BundleError(
            f"{bundle.id}: has not proven itself within {limits.seconds:g} s"
        ) from error
    except OSError as error:
        raise BundleError(f"{bundle.id}: cannot be proven: {error.strerror}") from error
    message = child.stdout.decode(errors="replace").strip()
    if child.returncode == REFUSED and message:
        raise BundleError(message.splitlines()[-1])
    if child.returncode != 0:
        raise BundleError(f"{bundle.id}: proving it on {engine} {_end(child, limits)}")
    _proven.add(key)


def _end(child: subprocess.CompletedProcess[bytes], limits: ProofLimits) -> str:
    """Return a text with the reason for which the child ended."""
    number = -child.returncode
    if number == signal.SIGXCPU:
        return f"took more than {limits.seconds:g} s of processor time"
    if number == signal.SIGKILL:
        return f"was killed: above {limits.seconds:g} s or the machine's memory"
    if number > 0:
        try:
            name = signal.Signals(number).name
        except ValueError:
            name = f"signal {number}"
        return f"ended by {name}"
    lines = child.stderr.decode(errors="replace").strip().splitlines()
    last = "".join(c for c in (lines[-1] if lines else "no reason given")[:200] if c.isprintable())
    return f"failed: {last}"
