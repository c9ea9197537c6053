"""What several commands ask for in the same words."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

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
