"""What a check found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Level(str, Enum):
    """WARN: it works, and will hurt one day. FAIL: parts are not inspected or not ejected, or the
    central system does not hear of them."""

    OK = "OK"
    WARN = "WARN"
    FAIL = "FAIL"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line. said: what is; advice: what to do, empty where nothing is to be done."""

    name: str
    level: Level
    said: str
    advice: str = ""

    def __str__(self) -> str:
        return f"{self.level.value} {self.name}: {self.said}"


def fine(name: str, said: str) -> Finding:
    return Finding(name, Level.OK, said)


def warn(name: str, said: str, advice: str) -> Finding:
    return Finding(name, Level.WARN, said, advice)


def fail(name: str, said: str, advice: str) -> Finding:
    return Finding(name, Level.FAIL, said, advice)
