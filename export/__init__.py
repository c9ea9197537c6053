"""Outfeed's public export API, and below it the packages that make a bundle from a training run.

The names in ``__all__`` are public and follow semantic versioning; docs/reference/python-api.md
describes them. Every other name below ``export`` is internal and may change in any release.

Importing ``export`` is instant: torch and ONNX are imported when a public name is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

# Importing edge sets ORT_DISABLE_TELEMETRY. This must happen before any module loads ONNX Runtime.
import edge  # noqa: F401

if TYPE_CHECKING:
    from export.api import (
        ExportError,
        ExportOptions,
        ExportResult,
        ParityError,
        ParityLimits,
        export_run,
    )

__all__ = [
    "ExportError",
    "ExportOptions",
    "ExportResult",
    "ParityError",
    "ParityLimits",
    "export_run",
]


def __getattr__(name: str) -> object:
    """Return a public name, and import the module that defines it on first use (PEP 562)."""
    if name not in __all__:
        raise AttributeError(f"module 'export' has no attribute {name!r}")
    value: object = getattr(import_module("export.api"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Return the public names, also those that are not imported yet."""
    return sorted({*globals(), *__all__})
