"""What several commands ask for in the same words."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Annotated, Any

import typer

# Seconds, parts a second, terabytes: more is a slip of the keyboard.
_MOST = 1e9


def finite(value: float | None) -> float | None:
    """Check a number of the command line: nan compares as within every range, and nobody waits for
    inf. For ``callback`` of a float option. Raises typer.BadParameter."""
    if value is not None and not (isfinite(value) and abs(value) <= _MOST):
        raise typer.BadParameter(f"{value} is out of range: expected a number up to {_MOST:g}")
    return value


BundleOption = Annotated[
    Path, typer.Option("--bundle", "-b", help="The model bundle, NAME.outfeed.", show_default=False)
]
ConfigOption = Annotated[
    Path,
    typer.Option(
        "--config",
        "-c",
        help="The station.toml; firmware-config/station.toml shows every key.",
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
        help="int8 or float32. Default: the first of the bundle's builds that the engine reads.",
    ),
]

TrustOption = Annotated[
    list[str] | None,
    typer.Option(
        "--trust",
        metavar="PUB",
        help="A public key that may have signed the bundle: a file, or ed25519: and its hex "
        "digits. May be given several times. Default: any bundle, also an unsigned one.",
        show_default=False,
    ),
]


@dataclass(frozen=True, slots=True)
class Common:
    """The options before the command's name."""

    quiet: bool = False


def is_quiet(context: typer.Context) -> bool:
    """Whether --quiet was given."""
    common: Any = context.obj
    return isinstance(common, Common) and common.quiet
