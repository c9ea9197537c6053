"""Outfeed's public Python API, and below it the packages that run on a station.

The names in ``__all__`` are public and follow semantic versioning; docs/reference/python-api.md
describes them. Every other name below ``edge`` is internal and may change in any release.

Importing ``edge`` is instant: numpy, OpenCV and the engines are imported when a public name other
than an error is first used. The process that drives the ejector (edge/rejector) imports none of
them.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING

from edge.errors import BundleError, FrameError, OutfeedError, UsageError

if TYPE_CHECKING:
    from edge.api import (
        Box,
        Decision,
        Defect,
        Frame,
        Inspector,
        Region,
        Timings,
        Verdict,
        load_inspector,
    )

__version__ = "0.1.0"

__all__ = [
    "Box",
    "BundleError",
    "Decision",
    "Defect",
    "Frame",
    "FrameError",
    "Inspector",
    "OutfeedError",
    "Region",
    "Timings",
    "UsageError",
    "Verdict",
    "__version__",
    "load_inspector",
]

# ONNX Runtime from version 1.29 on reports its sessions to Microsoft, and stores an identifier and
# a database in the user's home folder. It does not if this variable is set before it is loaded (its
# Privacy.md). A station connects to its broker only.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"


def __getattr__(name: str) -> object:
    """Return a public name, and import the module that defines it on first use (PEP 562)."""
    if name not in __all__:
        raise AttributeError(f"module 'edge' has no attribute {name!r}")
    value: object = getattr(import_module("edge.api"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Return the public names, also those that are not imported yet."""
    return sorted({*globals(), *__all__})
