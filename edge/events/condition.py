"""Events about the condition of a station: drift, and the results of self-tests."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from edge.clock import boot_id, utc_now
from edge.events.payload import MAX_TEXT_CHARS, StationEvent


class DriftEvent(StationEvent):
    """A drift began, became severe, or ended.

    Pictures or scores differ from those that the bundle was trained on, or from the baseline of
    this station.
    """

    type: Literal["outfeed.drift/1"] = Field(
        default="outfeed.drift/1", description="type and version of the event"
    )
    bundle: str = Field(description="id of the active model bundle")
    state: Literal["raised", "cleared"] = Field(
        description="raised: the drift is present; cleared: it ended. A mild drift that becomes "
        "severe is raised again. After a restart of the station, a drift that is still present is "
        "raised again"
    )
    severity: Literal["mild", "severe"] = Field(description="severity of the drift")
    measure: str = Field(description="exposure, focus, lighting, dirt, position or score")
    stream: str = Field(description="the quantity of the measure that changed")
    unit: str = Field(description="unit of value and expected")
    value: float = Field(description="the present value")
    expected: float = Field(description="the expected value")
    since_part: int = Field(description="number of the part with which the change began; estimate")
    part_id: int = Field(description="number of the part at which the drift was detected")
    place: tuple[float, float] | None = Field(
        description="position in the frame, across and down, as shares of width and height, 0 to "
        "1; null where the whole frame is concerned"
    )


class SelfTestEvent(StationEvent):
    """The result of a self-test: a golden frame in the live chain, or a known defective part on
    the belt.

    If the expected result was not reproduced, the verdicts since the last success are in doubt.
    Inspect the parts from since_part to part_id again.
    """

    type: Literal["outfeed.self-test/1"] = Field(
        default="outfeed.self-test/1", description="type and version of the event"
    )
    bundle: str = Field(description="id of the active model bundle")
    subject: str = Field(description="file of the golden frame in the bundle, or 'part N'")
    reproduced: bool = Field(description="true if the result was the expected one")
    reason: str = Field(description="the difference; empty if the result was reproduced")
    since_part: int = Field(
        description="number of the first part after the last self-test that reproduced a defect"
    )
    part_id: int = Field(description="number of the last part before this self-test")


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
    """Return the event of a drift that began or ended, with the present time."""
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


def self_test_event(
    station: str,
    bundle: str,
    *,
    subject: str,
    fault: str | None,
    since_part: int,
    part_id: int,
) -> SelfTestEvent:
    """Return the event of a self-test.

    subject, fault: texts, cut to ``MAX_TEXT_CHARS``. fault: the difference from the expected
    result; None: the result was reproduced.
    """
    return SelfTestEvent(
        station=station,
        boot_id=boot_id(),
        utc=utc_now(),
        bundle=bundle,
        subject=subject[:MAX_TEXT_CHARS],
        reproduced=fault is None,
        reason=(fault or "")[:MAX_TEXT_CHARS],
        since_part=since_part,
        part_id=part_id,
    )
