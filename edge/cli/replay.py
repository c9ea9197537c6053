"""``outfeed replay``: kept parts again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edge.cli.options import ConfigOption, PrecisionOption, ThreadsOption


def replay(
    config: ConfigOption,
    parts: Annotated[
        list[int] | None,
        typer.Argument(metavar="PART", help="Numbers of parts.", show_default=False),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every picture of the album.")] = False,
    last: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="The last N pictures.")
    ] = None,
    bundle: Annotated[
        Path | None,
        typer.Option(
            "--bundle", "-b", help="Judge by this bundle instead, to see what it would say."
        ),
    ] = None,
    engine: Annotated[
        str | None,
        typer.Option(
            metavar="ENGINE", help="ort, litert or openvino. Default: what judged each part."
        ),
    ] = None,
    precision: PrecisionOption = None,
    threads: ThreadsOption = 1,
    expect: Annotated[
        str | None,
        typer.Option(
            metavar="same|any",
            help="same: a part that differs makes the exit status 1. any: it does not. Default: "
            "same, with another --bundle any.",
        ),
    ] = None,
    journal: Annotated[
        bool,
        typer.Option("--journal", help="Compare the records with the journal's events too."),
    ] = False,
    any_bundle: Annotated[
        bool,
        typer.Option(
            "--any-bundle",
            help="Also bundles that none of the keys in [trust] signed. Look first where they come "
            "from: what lies in the station's state may have been put there.",
        ),
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Judge kept parts again, from their stored frames, by the bundle and on the engine that judged
    them, and compare with what was recorded then.

    On the same engine, processor and libraries the verdict must be the same, byte for byte. Where
    one of them is another (`--engine`, another machine), it must agree within the limits that the
    bundle states for its builds, and each line says so. A part to which the chain never answered
    (camera or inspection too late) is shown with what it says now, as `unjudged`.

    A bundle is loaded only where a key of [trust] signed it, and proves itself in a child first.

    What cannot be replayed is one line on standard error each, and the exit status is 1.
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
