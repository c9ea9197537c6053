"""Who stands at the line, or nobody."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Operator(Protocol):
    """Asked on the main thread; answers block. ``there``: whether anybody can be asked at all."""

    there: bool

    def confirm(self, text: str) -> bool:
        """Ask for something to be done or agreed to. False: it is not, or nobody is there."""
        ...

    def choose(self, text: str, answers: Sequence[str]) -> str | None:
        """One of the answers; None: nobody answers (any more)."""
        ...


class NoOperator:
    """For a run without a terminal. agrees: what --yes has agreed to beforehand."""

    there = False

    def __init__(self, *, agrees: bool = False) -> None:
        self._agrees = agrees

    def confirm(self, text: str) -> bool:
        return self._agrees

    def choose(self, text: str, answers: Sequence[str]) -> str | None:
        return None
