"""``outfeed disk-usage``: what a station will write."""

from __future__ import annotations

from typing import Annotated

import typer

from edge.cli.options import ConfigOption, finite


def disk_usage(
    config: ConfigOption,
    rate_hz: Annotated[
        float | None,
        typer.Option(
            callback=finite,
            help="Parts a second. Default: that of a simulated belt.",
            show_default=False,
        ),
    ] = None,
    hours: Annotated[
        float,
        typer.Option(
            callback=finite,
            help="Hours a day in which the line runs.",
        ),
    ] = 24.0,
    rejected: Annotated[
        float,
        typer.Option(
            callback=finite,
            help="Share of parts that are rejected.",
        ),
    ] = 0.01,
    unknown: Annotated[
        float,
        typer.Option(
            callback=finite,
            help="Share of parts that are UNKNOWN.",
        ),
    ] = 0.0,
    picture_kb: Annotated[
        float | None,
        typer.Option(
            callback=finite,
            help="Size of a picture's file. Default: the mean of the album, else half of a frame "
            "of the configured width and height.",
            show_default=False,
        ),
    ] = None,
    tbw: Annotated[
        float | None,
        typer.Option(
            metavar="TB",
            callback=finite,
            help="Terabytes that the disk's maker lets it write (TBW): adds years.",
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Predict what the station writes to its disk in a day: journal, pictures and the uplink's
    position, with what the file system adds, beside their caps; and how long the disk will last.

    The figures are of an ext4 file system (docs/benchmarks/disk.md); a card writes more than it is
    given, which its TBW counts in.
    """
    from rich.console import Console

    from edge.disk_usage import predict
    from edge.disk_usage.report import day_of, prediction_json, usage_table
    from edge.privileges import open_config

    settings = open_config(config)
    day = day_of(
        settings,
        rate_hz=rate_hz,
        hours=hours,
        rejected=rejected,
        unknown=unknown,
        picture_kb=picture_kb,
        tbw=tbw,
    )
    found = predict(settings, day)
    if json:
        print(prediction_json(found, tbw))
    else:
        Console(highlight=False).print(usage_table(settings, day, found, tbw))
