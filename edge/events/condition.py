"""What a station says of itself: that its pictures drift, and that its chain still sees."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from edge.clock import boot_id, utc_now
from edge.events.payload import MAX_TEXT_CHARS, StationEvent


class DriftEvent(StationEvent):
    """Pictures or scores are no longer what the bundle was trained on or what was learned at this
    station; or they are again."""

    type: Literal["outfeed.drift/1"] = "outfeed.drift/1"
    bundle: str = Field(description="id of the model bundle that judges")
    state: Literal["raised", "cleared"] = Field(
        description="raised comes again where a mild drift has become a severe one; a restart of "
        "the station forgets what was raised, and raises it again where it still is"
    )
    severity: Literal["mild", "severe"]
    measure: str = Field(description="exposure, focus, lighting, dirt, position or score")
    stream: str = Field(description="which of the measure's numbers moved")
    unit: str
    value: float = Field(description="what the number is now")
    expected: float = Field(description="what it should be")
    since_part: int = Field(
        description="the part with which the change began, as far as can be told"
    )
    part_id: int = Field(description="the part at which this was said")
    place: tuple[float, float] | None = Field(
        description="where in the frame, across and down, as shares of width and height; null for "
        "what concerns all of it"
    )


class SentinelEvent(StationEvent):
    """A known picture went through the chain that judges, or a known part over the belt. Where it
    was not reproduced, nobody knows what the chain sees: look again at the parts from since_part to
    part_id."""

    type: Literal["outfeed.sentinel/1"] = "outfeed.sentinel/1"
    bundle: str = Field(description="id of the model bundle that judges")
    sentinel: str = Field(description="the golden frame's file in the bundle, or 'part N'")
    reproduced: bool
    reason: str = Field(description="what differs; empty where it was reproduced")
    since_part: int = Field(description="the first part since a defect was last reproduced")
    part_id: int = Field(description="the last part before this")


def drift_event(
    station: str,
    bundle: str,
    *,
    state: Literal["raised", "cleared"],
    severity: Literal["mild", "severe"],
    measure: str,
    stream: str,
    unit: str,
    value: float,
    expected: float,
    since_part: int,
    part_id: int,
    place: tuple[float, float] | None,
) -> DriftEvent:
    """The event of a measure that moved or is back."""
    return DriftEvent(
        station=station,
        boot_id=boot_id(),
        utc=utc_now(),
        bundle=bundle,
        state=state,
        severity=severity,
        measure=measure,
        stream=stream,
        unit=unit,
        value=value,
        expected=expected,
        since_part=since_part,
        part_id=part_id,
        place=place,
    )


def sentinel_event(
    station: str,
    bundle: str,
    *,
    sentinel: str,
    fault: str | None,
    since_part: int,
    part_id: int,
) -> SentinelEvent:
    """The event of a sentinel. fault: what was not reproduced."""
    return SentinelEvent(
        station=station,
        boot_id=boot_id(),
        utc=utc_now(),
        bundle=bundle,
        sentinel=sentinel[:MAX_TEXT_CHARS],
        reproduced=fault is None,
        reason=(fault or "")[:MAX_TEXT_CHARS],
        since_part=since_part,
        part_id=part_id,
    )
