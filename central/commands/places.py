"""``outfeed-central line``: plants, lines, and the stations of each line."""

from __future__ import annotations

from typing import Annotated

import typer

from central.commands.common import ConfigOption, command_line_actor, now_us, open_database

app = typer.Typer(
    name="line",
    help="Create plants and lines, and assign stations to them.",
    no_args_is_help=True,
)

_Plant = Annotated[str, typer.Argument(help="The name of the plant.", show_default=False)]
_Line = Annotated[str, typer.Argument(help="The name of the line.", show_default=False)]


@app.command("add")
def add(plant: _Plant, line: _Line, config: ConfigOption = None) -> None:
    """Create a line, and its plant where there is none yet."""
    from central.access.audit import audited
    from central.access.places import add_line, add_plant, has_place

    with (
        open_database(config) as database,
        audited(database, command_line_actor(), now_us()) as change,
    ):
        if not has_place(change.connection, plant, None):
            add_plant(change, plant)
        add_line(change, plant, line)


@app.command("assign")
def assign(
    station: Annotated[str, typer.Argument(help="The id of the station.", show_default=False)],
    plant: _Plant,
    line: _Line,
    config: ConfigOption = None,
) -> None:
    """Assign a station to a line."""
    from central.access.audit import audited
    from central.access.places import assign_station

    with (
        open_database(config) as database,
        audited(database, command_line_actor(), now_us()) as change,
    ):
        assign_station(change, station, plant, line)


@app.command("list")
def list_lines(config: ConfigOption = None) -> None:
    """Print all lines with their stations."""
    from central.access.places import read_plants, read_unassigned

    with open_database(config) as database, database.read() as connection:
        for plant in read_plants(connection):
            for line in plant.lines:
                print(f"{plant.name}/{line.name}\t{', '.join(line.stations) or 'no station'}")
        for station in read_unassigned(connection):
            print(f"no line\t{station}")
