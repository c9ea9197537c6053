"""``outfeed replay``: the inspection of stored parts again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edge.cli.options import ConfigOption, PrecisionOption, ThreadsOption

_Parts = Annotated[
    list[int] | None,
    typer.Argument(metavar="PART", help="Part numbers.", show_default=False),
]
_All = Annotated[bool, typer.Option("--all", help="Every picture of the picture store.")]
_Last = Annotated[int | None, typer.Option(min=1, metavar="N", help="The last N pictures.")]
_Bundle = Annotated[
    Path | None,
    typer.Option("--bundle", "-b", help="Another bundle, to see its verdicts."),
]
_Engine = Annotated[
    str | None,
    typer.Option(
        metavar="ENGINE",
        help="ort, litert or openvino. Default: the engine that inspected each part.",
    ),
]
_Expect = Annotated[
    str | None,
    typer.Option(
        metavar="same|any",
        help="same: a part that differs makes the exit status 1. any: it does not. Default: same; "
        "with another --bundle any.",
    ),
]
_Journal = Annotated[
    bool,
    typer.Option("--journal", help="Compare the records with the events of the journal too."),
]
_AnyBundle = Annotated[
    bool,
    typer.Option(
        "--any-bundle",
        help="Also use bundles that none of the keys in [trust] signed. Check their source first: "
        "a file in the state folder may come from another program.",
    ),
]


def replay(
    config: ConfigOption,
    parts: _Parts = None,
    everything: _All = False,
    last: _Last = None,
    bundle: _Bundle = None,
    engine: _Engine = None,
    precision: PrecisionOption = None,
    threads: ThreadsOption = 1,
    expect: _Expect = None,
    journal: _Journal = False,
    any_bundle: _AnyBundle = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")] = False,
) -> None:
    """Inspect stored parts again, with the same bundle and engine, and compare the verdicts.

    With the same engine, processor and libraries the verdict must be the same byte for byte. If one
    of them differs (`--engine`, another machine), it must agree within the limits that the bundle
    states for its builds, and each line names them. A part without a verdict in time (camera or
    inspection too late) is shown with its verdict of now, as `unjudged`.

    A bundle is loaded only if a key of [trust] signed it, and it is proven in a child process
    first.

    For each part that cannot be replayed there is one line on standard error, and the exit status
    is 1.
    """
    from edge.assembly.admission import trusted_keys
    from edge.assembly.replay import chosen_engine, compare_with_journal, replay_all, select
    from edge.errors import UsageError
    from edge.privileges import open_config
    from edge.replay import ReplayChains

    if expect not in (None, "same", "any"):
        raise UsageError(f"--expect {expect}: expected same or any")
    settings = open_config(config)
    paths = select(settings.paths.pictures, parts or [], everything=everything, last=last)
    chains = ReplayChains(
        settings.paths.bundles,
        configured=settings.bundle,
        other=bundle,
        engine=chosen_engine(engine, precision, threads),
        trusted=None if any_bundle else trusted_keys(settings),
    )
    strict = expect == "same" or (expect is None and bundle is None)
    agree = replay_all(paths, chains, strict=strict, as_json=json)
    if journal:
        agree &= compare_with_journal(paths, settings.paths.journal)
    if not agree:
        raise typer.Exit(1)
