"""The alarm of a drift measure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from edge.drift.streams import Measure

Grade = Literal["mild", "severe"]


@dataclass(frozen=True, slots=True)
class Alarm:
    """The report that a measure has moved, has become severe (raised again), or has returned.

    raised: False where it has returned. stream, unit: name and unit of the value. since_part: part
    at which the change began. place: centre of the cell, across and down as shares of the frame;
    None for a measure of the whole frame.
    """

    measure: Measure
    raised: bool
    grade: Grade
    stream: str
    unit: str
    value: float
    expected: float
    since_part: int
    part: int
    place: tuple[float, float] | None

    def __str__(self) -> str:
        if not self.raised:
            return f"{self.measure}: back, {self.stream} {self.value:.3g}"
        where = (
            ""
            if self.place is None
            else f" at {self.place[0]:.0%} across, {self.place[1]:.0%} down"
        )
        return (
            f"{self.measure}: {self.stream} {self.value:.3g} ({self.unit}){where}, "
            f"expected {self.expected:.3g}, since part {self.since_part}"
        )
