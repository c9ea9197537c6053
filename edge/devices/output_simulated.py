"""A reject output that drives no line and records every edge."""

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
# Two edges per pulse: the last 50,000 pulses are recorded.
_HISTORY = 100_000


class SimulatedOutput:
    """An Output that records every edge with its time.

    It does not simulate jitter, a glitch at the claim, wear or air pressure. Setting the current
    level again is no edge.

    record: a file to which each edge is written at once as ``at_ns 0|1``, so that a test can read
    the edges of a process that has crashed. A claim makes the line inactive and writes
    ``# claimed at_ns``. A disk error ends the record, but not the output.

    A forked process sets the same line and writes to the same file. ``history`` holds only the
    edges of its own process. Two processes that set the line within microseconds may both write an
    edge.
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
        """The edges since the claim, oldest first, at most the last 100,000."""
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
        except OSError as error:  # the record is for tests: only the record ends
            _log.error("output_record_refused reason=%s", error.strerror)
            self._is_refused = True


def read_record(path: Path) -> list[OutputEdge]:
    """Return the edges in the record of a SimulatedOutput. Raises DeviceError."""
    lines = (line for line in _lines(path) if not line.startswith("#"))
    edges = [OutputEdge(level == "1", int(at)) for at, level in map(str.split, lines)]
    # Two processes may write, each after taking its time, so the lines may be out of order.
    return sorted(edges, key=lambda edge: edge.at_ns)


def read_claims(path: Path) -> list[int]:
    """Return the times at which a process claimed the line, ascending, on CLOCK_MONOTONIC.

    A claim makes the line inactive. Raises DeviceError.
    """
    return sorted(int(line.split()[-1]) for line in _lines(path) if line.startswith("# claimed "))


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="ascii").splitlines()
    except OSError as error:
        raise DeviceError(f"{path}: cannot be read: {error.strerror}") from error


def pulses(edges: Iterable[OutputEdge]) -> list[Pulse]:
    """Return the pulses of a history; a pulse without an end is left out.

    Two rising edges in a row mean that a process crashed while the output was active. The end of
    that pulse is not known, and its width is 0.
    """
    complete: list[Pulse] = []
    began_ns: int | None = None
    for edge in edges:
        if edge.active:
            if began_ns is not None:
                complete.append(Pulse(began_ns, 0))
            began_ns = edge.at_ns
        elif began_ns is not None:
            complete.append(Pulse(began_ns, (edge.at_ns - began_ns) // 1000))
            began_ns = None
    return complete
