"""Errors that stop an export, and the record of a build that cannot be packed.

    edge.OutfeedError
    └── ExportError       the run cannot be exported as it is
        └── ParityError   a build does not agree with the network in torch

Settings that cannot be used raise edge.UsageError, and data that cannot be read models.DataError.
"""

from __future__ import annotations

from dataclasses import dataclass

from edge.errors import OutfeedError


class ExportError(OutfeedError):
    """The run cannot be exported as it is. The one line names the figure or file at fault."""


class ParityError(ExportError):
    """A build exceeds the limits within which it must agree with the network in torch."""


@dataclass(frozen=True, slots=True)
class BuildFailure:
    """A build that was requested and cannot be packed.

    Attributes:
        build: name of the build, for instance "tflite-int8".
        reason: one line. It names the limit that the build exceeds, with the frame and step.
        remedy: one line with the option that would pack the build; "" where there is none.
    """

    build: str
    reason: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.reason}. {self.remedy}" if self.remedy else self.reason
