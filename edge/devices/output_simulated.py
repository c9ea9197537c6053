"""A reject output that drives nothing and remembers everything."""

from __future__ import annotations

import errno
import mmap
import os
from collections import deque
from collections.abc import Iterable
from logging import getLogger
from pathlib import Path

from edge.clock import Clock
from edge.devices.output import OutputEdge, Pulse
from edge.errors import DeviceError

_log = getLogger(__name__)

_DISK_REFUSES = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EACCES)
# Two edges per kick: the last 50,000 kicks are remembered.
_HISTORY = 100_000


class SimulatedOutput:
    """Remembers every edge with its stamp. No jitter, no glitch at claim, no wear, no air.

    With ``record``, each edge is also written at once to that file as ``at_ns 0|1``, so that a
    test can read what a process did that has died since; a disk that refuses ends the record and
    not the output. A claim makes the line inactive, and is a line ``# claimed at_ns``. Setting the
    level that it has is no edge. A process that was forked sets the same line and writes to the
    same file; ``history`` has the edges of its own process only. Two
    processes that set it within microseconds may both write.
    """

    def __init__(self, *, clock: Clock, record: Path | None = None) -> None:
        self._clock = clock
        self._level = mmap.mmap(-1, 1)  # one line, also after a fork
        self._closed = self._is_refused = False
        self._edges: deque[OutputEdge] = deque(maxlen=_HISTORY)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        try:
            self._file = None if record is None else os.open(record, flags, 0o644)
        except OSError as error:
            if error.errno not in _DISK_REFUSES:
                raise DeviceError(f"{record}: cannot be written: {error.strerror}") from error
            _log.error("output_record_refused reason=%s: %s", record, error.strerror)
            self._file = None
        self._write(b"# claimed %d\n" % clock.now_ns())

    @property
    def history(self) -> list[OutputEdge]:
        """Every edge since the claim, oldest first (the last 100,000)."""
        return list(self._edges)

    def set(self, active: bool) -> None:
        if self._closed:
            raise DeviceError("output_simulated: set after close")
        if active == self.is_active():
            return
        self._level[0] = active
        edge = OutputEdge(active, self._clock.now_ns())
        self._edges.append(edge)
        self._write(b"%d %d\n" % (edge.at_ns, edge.active))

    def is_active(self) -> bool:
        if self._closed:
            raise DeviceError("output_simulated: read after close")
        return bool(self._level[0])

    def close(self) -> None:
        self._closed = True
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _write(self, line: bytes) -> None:
        if self._file is None or self._is_refused:
            return
        try:
            os.write(self._file, line)
        except OSError as error:  # the record is for tests: it ends, the output does not
            _log.error("output_record_refused reason=%s", error.strerror)
            self._is_refused = True


def read_record(path: Path) -> list[OutputEdge]:
    """The edges that a SimulatedOutput wrote to its record. Raises DeviceError."""
    lines = (line for line in _lines(path) if not line.startswith("#"))
    edges = [OutputEdge(level == "1", int(at)) for at, level in map(str.split, lines)]
    # Two processes write, each after its stamp.
    return sorted(edges, key=lambda edge: edge.at_ns)


def read_claims(path: Path) -> list[int]:
    """The moments at which a process claimed the line of this record, which made it inactive:
    CLOCK_MONOTONIC, ascending. Raises DeviceError."""
    return sorted(int(line.split()[-1]) for line in _lines(path) if line.startswith("# claimed "))


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="ascii").splitlines()
    except OSError as error:
        raise DeviceError(f"{path}: cannot be read: {error.strerror}") from error


def pulses(edges: Iterable[OutputEdge]) -> list[Pulse]:
    """The pulses of a history; one that is still active at its end is left out.

    Two rising edges in a row are a process that died while active and the one after it: when the
    first pulse ended is not known, and it has the width 0.
    """
    found: list[Pulse] = []
    began_ns: int | None = None
    for edge in edges:
        if edge.active:
            if began_ns is not None:
                found.append(Pulse(began_ns, 0))
            began_ns = edge.at_ns
        elif began_ns is not None:
            found.append(Pulse(began_ns, (edge.at_ns - began_ns) // 1000))
            began_ns = None
    return found
