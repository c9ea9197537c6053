"""A frame and what became of its part."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from edge.records import Frame, Verdict


class KeepReason(str, Enum):
    """Why a picture is kept."""

    REJECT = "reject"
    UNKNOWN = "unknown"
    PASS = "pass"  # the share of good parts
    BEFORE = "before"  # it came shortly before one of the others
    MARK = "mark"  # a person wants it
    CRASH = "crash"  # it was in memory when the station died


@dataclass(slots=True)
class BufferedFrame:
    """verdict: the part's one verdict. said: what the chain said, in time or not; of a frame that
    it refused, UNKNOWN with the error. Both are set once, under the ring's lock, and None until
    then. kept: somebody has asked for it."""

    frame: Frame
    verdict: Verdict | None = None
    said: Verdict | None = None
    kept: bool = False
