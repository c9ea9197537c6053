"""``outfeed disk-usage``: the bytes that a station will write to its disk."""

from __future__ import annotations

from typing import Annotated

import typer

from edge.cli.options import ConfigOption, finite

_Rate = Annotated[
    float | None,
    typer.Option(
        callback=finite,
        help="Parts per second. Default: the rate of a simulated belt.",
        show_default=False,
    ),
]
_Hours = Annotated[
    float, typer.Option(callback=finite, help="Hours per day in which the line runs.")
]
_Rejected = Annotated[
    float, typer.Option(callback=finite, help="Share of parts that are rejected, 0 to 1.")
]
_Unknown = Annotated[
    float, typer.Option(callback=finite, help="Share of parts that are UNKNOWN, 0 to 1.")
]
_PictureKb = Annotated[
    float | None,
    typer.Option(
        callback=finite,
        help="Size of a picture file in kB. Default: the mean of the picture store, else half of a "
        "frame of the configured width and height.",
        show_default=False,
    ),
]
_Endurance = Annotated[
    float | None,
    typer.Option(
        metavar="TB",
        callback=finite,
        help="Endurance of the disk in terabytes (TBW). Adds its life in years.",
    ),
]
_Updates = Annotated[
    float, typer.Option(callback=finite, help="Bundles over the network in a month.")
]
_BundleMb = Annotated[
    float | None,
    typer.Option(
        min=0,
        callback=finite,
        help="Size of such a bundle in MB. Default: that of the bundle of station.toml.",
        show_default=False,
    ),
]
_SystemUpdates = Annotated[
    float, typer.Option(callback=finite, help="Updates of the system in a month.")
]
_SystemMb = Annotated[
    float,
    typer.Option(min=0, callback=finite, help="Size of an update of the system in MB."),
]


def disk_usage(
    config: ConfigOption,
    rate_hz: _Rate = None,
    hours: _Hours = 24.0,
    rejected: _Rejected = 0.01,
    unknown: _Unknown = 0.0,
    picture_kb: _PictureKb = None,
    bundle_updates: _Updates = 0.0,
    bundle_mb: _BundleMb = None,
    system_updates: _SystemUpdates = 0.0,
    system_mb: _SystemMb = 350.0,
    tbw: _Endurance = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Predict the bytes that the station writes to its disk in a day, and the life of the disk.

    The table has journal, pictures, the position of the uplink and updates, with the writes of the
    file system, next to their limits. The figures are for an ext4 file system
    (docs/benchmarks/disk.md). A flash card writes more than it receives; its TBW includes that.
    """
    from rich.console import Console

    from edge.disk_usage import predict
    from edge.disk_usage.report import UpdatesPerMonth, day_of, prediction_json, usage_table
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
        updates=UpdatesPerMonth(bundle_updates, system_updates, bundle_mb, system_mb),
    )
    prediction = predict(settings, day)
    if json:
        print(prediction_json(prediction, tbw))
    else:
        Console(highlight=False).print(usage_table(settings, day, prediction, tbw))
