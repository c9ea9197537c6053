"""The process that inspects frames by a new bundle, from its parent's side."""

from __future__ import annotations

import json
import os
import select
import subprocess
import time
from collections import deque
from dataclasses import asdict
from pathlib import Path

from edge.child_processes import FOLDER, command_of, environment_of
from edge.errors import OutfeedError
from edge.proof import ProofLimits
from edge.records import Decision
from edge.trial.admission import AdmittedBundle
from edge.trial.inspector import InspectorOptions
from edge.updates.channel import SLOTS, Offered
from edge.updates.shadow import ShadowedPart

# Processor time of the child. By the clock it may wait for long on a busy machine, and the hours of
# the desired state end that.
_START_S = 60.0
_PART_S = 30.0
_READ_BYTES = 1 << 16


class ShadowProcess:
    """Inspects offered frames and stored pictures, one after the other. For one thread.

    Every method raises OutfeedError, one line, where the process has ended or hangs: the bundle is
    then refused.
    """

    def __init__(
        self, admitted: AdmittedBundle, frames: int = -1, slot_bytes: int = 0, memory_mb: int = 0
    ) -> None:
        """Start the process. frames: descriptor of the shared frames; -1: pictures only."""
        options = InspectorOptions(
            bundle=str(admitted.path),
            engine=admitted.engine,
            memory_mb=memory_mb or ProofLimits.of_machine().memory_mb,
            parent=os.getpid(),
            frames=frames,
            slot_bytes=slot_bytes,
            slots=SLOTS,
        )
        try:
            self._process = subprocess.Popen(
                command_of("edge.trial.inspector", json.dumps(asdict(options))),
                cwd=FOLDER,
                env=environment_of(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                pass_fds=(frames,) if frames >= 0 else (),
            )
        except OSError as error:
            raise OutfeedError(f"the shadow cannot be started: {error.strerror}") from error
        self._waiting: deque[Offered | Path] = deque()
        self._since_s = 0.0
        self._is_ready = False
        self._text = b""

    @property
    def pid(self) -> int:
        """Return the process number."""
        return self._process.pid

    def fileno(self) -> int:
        """Return the descriptor, to wait for results."""
        assert self._process.stdout is not None
        return self._process.stdout.fileno()

    @property
    def is_idle(self) -> bool:
        """Return True when every request is answered."""
        return self._is_ready and not self._waiting

    def add(self, request: Offered | Path) -> None:
        """Add an offered frame, or the path of a stored picture."""
        if not self._waiting:
            self._since_s = self._spent_s()
        self._waiting.append(request)
        content = (
            {"picture": str(request)}
            if isinstance(request, Path)
            else {"slot": request.slot, "shape": request.shape}
        )
        self._write(json.dumps(content))

    def results(self) -> list[tuple[Offered | Path, ShadowedPart]]:
        """Return the results that have arrived. Never waits."""
        found: list[tuple[Offered | Path, ShadowedPart]] = []
        for line in self._lines():
            content = json.loads(line)
            self._since_s = self._spent_s()
            if "ready" in content:
                self._is_ready = True
                continue
            request = self._waiting.popleft()
            decision = content["decision"]
            running, kind = Decision.UNKNOWN, ""
            if isinstance(request, Offered):
                running, kind = request.decision, request.defect
            new = None if decision is None else Decision(decision)
            found.append((request, ShadowedPart(running, kind, new, float(content["ms"]))))
        self._check()
        return found

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except OSError:
                    continue

    def _write(self, line: str) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line.encode() + b"\n")
            self._process.stdin.flush()
        except OSError as error:
            raise self._ended() from error

    def _lines(self) -> list[bytes]:
        assert self._process.stdout is not None
        descriptor = self._process.stdout.fileno()
        while select.select([descriptor], [], [], 0)[0]:
            data = os.read(descriptor, _READ_BYTES)
            if not data:
                raise self._ended()
            self._text += data
        *lines, self._text = self._text.split(b"\n")
        return lines

    def _check(self) -> None:
        spent_s = self._spent_s() - self._since_s
        if not self._is_ready and spent_s > _START_S:
            raise OutfeedError(f"it was not loaded within {_START_S:g} s of processor time")
        if self._waiting and self._is_ready and spent_s > _PART_S:
            raise OutfeedError(f"it did not decide a part within {_PART_S:g} s of processor time")

    def _spent_s(self) -> float:
        """Return the processor time of the child (clock_getcpuclockid(3) for its number)."""
        try:
            return time.clock_gettime((~self._process.pid << 3) | 2)
        except OSError:
            return self._since_s

    def _ended(self) -> OutfeedError:
        status = self._process.wait()
        if status < 0:
            return OutfeedError(f"the process of the shadow ended by signal {-status}")
        return OutfeedError(
            f"the process of the shadow ended with status {status}: it failed, or needed more "
            "memory than a bundle may"
        )
