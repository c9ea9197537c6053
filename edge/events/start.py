"""The first event of each run: how the run before it ended, and what it left undone."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

import edge
from edge.clock import boot_id, utc_now
from edge.events.payload import StationEvent

LastEnd = Literal["first", "stopped", "failed", "died", "killed", "power", "unknown"]

# So that a payload is bounded: what is beyond them is in the count.
MAX_RANGES = 64


class StartEvent(StationEvent):
    """A station started. Parts that were announced to the rejector and have no verdict in the
    journal get one now, as ``outfeed.part/1`` events that follow; those of which nothing more is
    known are ``unaccounted``."""

    type: Literal["outfeed.start/1"] = "outfeed.start/1"
    bundle: str = Field(description="id of the model bundle that judges from now on")
    version: str = Field(description="of Outfeed")
    first_part: int = Field(description="the number of the first part of this run")
    last_end: LastEnd = Field(
        description="how the run before ended. first: there was none; stopped: in order; failed: "
        "in order, after a device failed; died: a stage hung or crashed, and the station ended "
        "itself; killed: by SIGKILL or for want of memory; power: the machine went off or was "
        "reset; unknown: its records are lost"
    )
    last_run: str | None = Field(description="the run of the last event before this one")
    last_part: int | None = Field(description="the last part that is known to have been announced")
    last_part_at_most: int | None = Field(
        description="up to this number parts may have been announced; null where last_part is exact"
    )
    recovered: int = Field(
        description="verdicts that the run before had not journalled; they follow, without details"
    )
    unaccounted: tuple[tuple[int, int], ...] = Field(
        description="parts of the run before of which nothing more is known, first and last of "
        "each range"
    )
    unaccounted_parts: int = Field(description="how many parts are unaccounted")
    under_way: tuple[int, int] | None = Field(
        description="from the first to the last part of which it is not known what the ejector "
        "did: they were between photo-eye and ejector at the end, or its report is lost. "
        "The rejector treated those without a verdict as on_unknown says"
    )
    refused: bool = Field(description="the disk refused events when the run before ended")
    unwatched_s: float | None = Field(
        description="how long nobody looked at the line since the start event before: by the "
        "monotonic clock within a boot, else by the wall clock"
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
    """The event of this start."""
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
