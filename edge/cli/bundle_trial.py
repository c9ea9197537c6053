"""``outfeed bundle status`` and ``outfeed bundle revert``: bundles from the network, at a unit."""

from __future__ import annotations

from typing import Annotated

import typer

from edge.cli.options import ConfigOption


def status(
    config: ConfigOption,
    json: Annotated[bool, typer.Option("--json", help="Print the status as JSON.")] = False,
) -> None:
    """Show the bundle that the station loads, and the step of a new one from the network.

    The steps are downloading, checking, shadow, probation and accepting. The last change of state
    is shown with its reason. Nothing is changed, and the station may be running.
    """
    from edge.cli.bundle_status import read_status, status_lines
    from edge.privileges import open_config
    from edge.terminals import say

    found = read_status(open_config(config))
    if json:
        print(found.model_dump_json(indent=1))
        return
    for line in status_lines(found):
        say(line)


def revert(config: ConfigOption) -> None:
    """Let the former bundle decide again: a person's word.

    A bundle in its shadow is refused, a bundle on probation is reverted, and an accepted bundle is
    replaced by the one before. The running station follows within a second, without a pause in
    inspection. A stopped station follows at its next start. The same desired state does not bring
    the bundle back; a newer one does. The user needs write access to the state folder of the
    station.
    """
    from edge.cli.bundle_status import ask_to_revert
    from edge.privileges import open_config
    from edge.terminals import say

    say(ask_to_revert(open_config(config)))
