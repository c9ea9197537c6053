"""The result of a check: a level, a message and an advice."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Level(str, Enum):
    """The severity of a finding."""

    OK = "OK"

    WARN = "WARN"
    """The unit works, but a failure is likely later."""

    FAIL = "FAIL"
    """Parts are not inspected or not ejected, or the central system does not receive events."""


@dataclass(frozen=True, slots=True)
class DiagnosticFinding:
    """The result of one check."""

    name: str
    """The name of the check, as it is printed."""

    level: Level

    message: str
    """The observation, in one line."""

    advice: str = ""
    """The action to take; empty where none is needed."""

    def __str__(self) -> str:
        return f"{self.level.value} {self.name}: {self.message}"


def fine(name: str, message: str) -> DiagnosticFinding:
    """Return a finding of level OK."""
    return DiagnosticFinding(name, Level.OK, message)


def warn(name: str, message: str, advice: str) -> DiagnosticFinding:
    """Return a finding of level WARN."""
    return DiagnosticFinding(name, Level.WARN, message, advice)


def fail(name: str, message: str, advice: str) -> DiagnosticFinding:
    """Return a finding of level FAIL."""
    return DiagnosticFinding(name, Level.FAIL, message, advice)
