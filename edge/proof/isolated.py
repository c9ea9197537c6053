"""The golden frames in a child with limits of time and memory.

A network that is wrong, or wrong on purpose, may compute for ever, ask for all memory, or bring an
engine down. In a child of its own that is one line and a bundle that is refused.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from dataclasses import asdict, dataclass

from edge.bundle import Bundle, pack
from edge.bundle.network import check_networks
from edge.child_processes import FOLDER, command_of, environment_of
from edge.engines.registry import EngineChoice
from edge.errors import BundleError

REFUSED = 3  # the child's exit status where the bundle did not prove itself
_LEAST_MB, _MOST_MB = 1024, 8192
_MB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class ProofLimits:
    """seconds: from the child's start to its end. memory_mb: what it may allocate."""

    seconds: float
    memory_mb: int

    @classmethod
    def of_machine(cls) -> ProofLimits:
        """A minute; half of the machine's memory, but 1 to 8 GiB."""
        pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        return cls(60.0, min(_MOST_MB, max(_LEAST_MB, pages // 2 // _MB)))


# What was proven in this process: a command may load a bundle several times.
_proven: set[tuple[str, EngineChoice]] = set()


def prove_in_child(bundle: Bundle, engine: EngineChoice, limits: ProofLimits | None = None) -> None:
    """Load the bundle on the engine and run its golden frames, in a child. Raises BundleError, one
    line, where it does not prove itself, takes too long or too much memory, or dies of it.

    Blocks, some seconds as a rule and limits.seconds at most; at once where this process has had it
    proven before.
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
    said = child.stdout.decode(errors="replace").strip()
    if child.returncode == REFUSED and said:
        raise BundleError(said.splitlines()[-1])
    if child.returncode != 0:
        raise BundleError(f"{bundle.id}: proving it on {engine} {_end(child, limits)}")
    _proven.add(key)


def _end(child: subprocess.CompletedProcess[bytes], limits: ProofLimits) -> str:
    """Return the reason the child ended, in words."""
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
