"""Options that several commands share."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Annotated, Any

import typer

# For seconds, parts per second and terabytes a larger number is a typing error.
_MAX = 1e9


def finite(value: float | None) -> float | None:
    """Check a number of the command line, as the ``callback`` of a float option.

    The range check of typer accepts nan, and inf is no time to wait. Raises typer.BadParameter.
    """
    if value is not None and not (isfinite(value) and abs(value) <= _MAX):
        raise typer.BadParameter(f"{value} is out of range: expected a number up to {_MAX:g}")
    return value


BundleOption = Annotated[
    Path, typer.Option("--bundle", "-b", help="The bundle, NAME.outfeed.", show_default=False)
]
ConfigOption = Annotated[
    Path,
    typer.Option(
        "--config",
        "-c",
        help="The configuration, station.toml; firmware-config/station.toml has every key.",
        show_default=False,
    ),
]
ThreadsOption = Annotated[
    int, typer.Option("--threads", min=1, max=64, help="Cores that one run of a network may use.")
]
EngineOption = Annotated[
    str | None,
    typer.Option(
        "--engine", metavar="ENGINE", help="ort (ONNX Runtime, the default), litert or openvino."
    ),
]
PrecisionOption = Annotated[
    str | None,
    typer.Option(
        "--precision",
        metavar="PRECISION",
        help="int8 or float32. Default: the first build in the bundle that the engine can read.",
    ),
]

TrustOption = Annotated[
    list[str] | None,
    typer.Option(
        "--trust",
        metavar="PUB",
        help="A public key that may have signed the bundle: a file, or ed25519: and its hex "
        "digits. May be given several times. Default: every bundle is accepted, signed or not.",
        show_default=False,
    ),
]


@dataclass(frozen=True, slots=True)
class Common:
    """The options before the name of the command."""

    quiet: bool = False


def is_quiet(context: typer.Context) -> bool:
    """Return whether --quiet was given."""
    common: Any = context.obj
    return isinstance(common, Common) and common.quiet
