"""The first event of each run: the end of the previous run, and the parts without an outcome."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

import edge
from edge.clock import boot_id, utc_now
from edge.events.payload import StationEvent

LastEnd = Literal["first", "stopped", "failed", "crashed", "killed", "power", "unknown"]

MAX_RANGES = 64
"""Most ranges of parts in one payload. The total count includes the parts beyond them."""


class StartEvent(StationEvent):
    """A station started.

    Parts that the previous run announced to the rejector, and that have no verdict in the journal,
    follow as `outfeed.part/1` events. Parts of which nothing more is known are `unaccounted`.
    """

    type: Literal["outfeed.start/1"] = Field(
        default="outfeed.start/1", description="type and version of the event"
    )
    bundle: str = Field(description="id of the model bundle that this run uses")
    version: str = Field(description="version of Outfeed")
    first_part: int = Field(description="number of the first part of this run")
    last_end: LastEnd = Field(
        description="the way in which the previous run ended. `first`: there was no previous run. "
        "`stopped`: it ended in order. `failed`: it ended in order after a device failed. "
        "`crashed`: a stage hung or crashed, and the station ended itself. `killed`: it was ended "
        "by SIGKILL, or for lack of memory. `power`: the machine was switched off or reset. "
        "`unknown`: the records of the run are lost"
    )
    last_run: str | None = Field(
        description="run of the event before this one; null in an empty journal"
    )
    last_part: int | None = Field(
        description="number of the last part that is known to have been announced to the rejector"
    )
    last_part_at_most: int | None = Field(
        description="parts up to this number may have been announced; null if last_part is exact"
    )
    recovered: int = Field(
        description="number of part events that follow for the previous run, whose verdicts were "
        "not in the journal; they have no details, and are UNKNOWN where there was no verdict"
    )
    unaccounted: tuple[tuple[int, int], ...] = Field(
        description="ranges of parts of the previous run of which nothing more is known; each has "
        f"its first and its last part; at most {MAX_RANGES} ranges"
    )
    unaccounted_parts: int = Field(description="number of all unaccounted parts")
    under_way: tuple[int, int] | None = Field(
        description="first and last part whose outcome is not known. They were between photo-eye "
        "and ejector when the run ended, or the report of the ejector is lost. The rejector "
        "treated parts without a verdict as the key `on_unknown` sets"
    )
    refused: bool = Field(
        description="true if the disk did not accept events when the previous run ended"
    )
    unwatched_s: float | None = Field(
        description="seconds since the previous start event in which the line was not inspected; "
        "by the monotonic clock within a boot, otherwise by the wall clock; null if not known"
    )


def start_event(
    station: str,
    bundle: str,
    *,
    first_part: int,
    last_end: LastEnd,
    last_run: str | None,
    last_part: int | None = None,
    last_part_at_most: int | None = None,
    recovered: int = 0,
    unaccounted: tuple[range, ...] = (),
    under_way: range = range(0),
    refused: bool = False,
    unwatched_s: float | None = None,
) -> StartEvent:
    """Return the event of this start.

    unaccounted: ranges of part numbers. under_way: the parts without a known outcome, or an empty
    range. Other parameters are the fields of ``StartEvent``.
    """
    return StartEvent(
        station=station,
        boot_id=boot_id(),
        utc=utc_now(),
        bundle=bundle,
        version=edge.__version__,
        first_part=first_part,
        last_end=last_end,
        last_run=last_run,
        last_part=last_part,
        last_part_at_most=last_part_at_most,
        recovered=recovered,
        unaccounted=tuple((each.start, each.stop - 1) for each in unaccounted[:MAX_RANGES]),
        unaccounted_parts=sum(map(len, unaccounted)),
        under_way=(under_way.start, under_way.stop - 1) if under_way else None,
        refused=refused,
        unwatched_s=unwatched_s,
    )
