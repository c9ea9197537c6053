"""Errors that stop an export, or one of its builds; one line for a person."""

from __future__ import annotations

from dataclasses import dataclass


class ExportError(Exception):
    """The run cannot be exported as it is; the line says which figure or file is at fault."""


@dataclass(frozen=True, slots=True)
class Lost:
    """A build that was asked for and is not packed. why: what it does not keep, by which frame and
    step; one line. helps: the option that would pack it, or ''."""

    build: str
    why: str
    helps: str = ""

    def __str__(self) -> str:
        return f"{self.why}. {self.helps}" if self.helps else self.why


class ParityError(ExportError):
    """A build does not keep the limits within which it must do what torch does."""
