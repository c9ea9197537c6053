"""``outfeed label``: a local page on which people label pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edge.cli.options import EngineOption, PrecisionOption, ThreadsOption, TrustOption

_Folder = Annotated[
    Path,
    typer.Argument(
        metavar="FOLDER",
        help="A data folder (images/ or good/), a folder of `outfeed quarantine collect`, or with "
        "--out any folder of pictures.",
        show_default=False,
    ),
]
_Out = Annotated[
    Path | None,
    typer.Option(
        metavar="DATA",
        help="The data folder that gets the labels, with copies of the labelled pictures. FOLDER "
        "is then only read.",
    ),
]
_Bundle = Annotated[
    Path | None,
    typer.Option(
        "--bundle",
        "-b",
        help="A bundle, NAME.outfeed. Its network proposes defects, and the pictures come in the "
        "order of its doubt.",
        show_default=False,
    ),
]
_Listen = Annotated[
    str,
    typer.Option(
        metavar="ADDRESS:PORT",
        help="Where the page is served. 0.0.0.0:8470 lets a tablet in the same network open it. "
        "Port 0 takes a free one.",
    ),
]
_Certificate = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="A certificate of this machine in PEM, with --key. The page is then served by HTTPS. "
        "`outfeed provision broker HOST` makes one.",
        show_default=False,
    ),
]
_Key = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="The private key of --certificate.", show_default=False),
]
_KnownGood = Annotated[
    bool,
    typer.Option(
        "--known-good",
        help="Pictures in images/ without a mask have been looked at and are good parts. Without "
        "this option they are not labelled yet. Only for a folder without labelled.csv.",
    ),
]


def label(
    folder: _Folder,
    out: _Out = None,
    bundle: _Bundle = None,
    engine: EngineOption = None,
    precision: PrecisionOption = None,
    threads: ThreadsOption = 1,
    trust: TrustOption = None,
    listen: _Listen = "127.0.0.1:8470",
    certificate: _Certificate = None,
    key: _Key = None,
    known_good: _KnownGood = False,
) -> None:
    """Serve a page on which people label pictures as good or bad, and draw defects.

    The command prints the address to open. It contains a code, without which the page stays
    closed. The page needs no internet, and nothing leaves the machine. Ctrl-C ends the command.

    Labels are in `labelled.csv` and masks in `masks/KIND/`, which `make train` reads. Pictures
    without a label, and skipped ones, are not used for training. Each save is on the disk
    before the page confirms it. Pictures that come into the folder later appear by themselves.

    Of a folder with label files of another tool (COCO, YOLO and others), `--out DATA` takes over
    the labels. These files are never changed.

    Needs the extra `label` (starlette, uvicorn).
    """
    from edge.errors import UsageError

    try:
        import starlette
        import uvicorn
    except ImportError as error:
        raise UsageError(f"label needs {error.name}: pip install 'outfeed[label]'") from error
    del starlette, uvicorn
    from edge.cli.labelling import Serving, label_folder, load_network

    network = None if bundle is None else load_network(bundle, engine, precision, threads, trust)
    served = Serving(listen, certificate, key)
    label_folder(folder, out, network, served, known_good=known_good)
