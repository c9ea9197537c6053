"""Watches a line: learn what is usual, then say what has moved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edge.drift import streams
from edge.drift.alarm import Alarm, Grade
from edge.drift.baseline import MONTH_S, Baseline
from edge.drift.reference import DriftReference
from edge.drift.streams import MEASURES, Measure

_SEEMS = 0.25  # of the limit: a third of the parts that an alarm takes
_SEVERE = 4.0  # shifts: 40 % of the light, 8 px in 1280, a blur of 1.5 px on the smoothest surface


@dataclass(frozen=True, slots=True)
class FalseAlarmRate:
    """false_alarms_per_month: of all measures together, of a line where nothing drifts.
    parts_per_month: measured ones; None: as fast as they came while the baseline was learned, all
    day and night."""

    false_alarms_per_month: float = 1.0
    parts_per_month: float | None = None

    def parts(self, baseline: Baseline) -> float:
        """Measured parts a month; one at least."""
        if self.parts_per_month is not None:
            return max(1.0, self.parts_per_month)
        return max(1.0, baseline.rate_hz * MONTH_S)


class Watch:
    """Takes one measured part after the other, and gives the alarms it makes. One thread."""

    def __init__(
        self,
        baseline: Baseline,
        reference: DriftReference | None = None,
        *,
        measures: tuple[Measure, ...] = MEASURES,
        budget: FalseAlarmRate,
    ) -> None:
        self.baseline = baseline
        self._chart = baseline.chart(
            reference,
            measures=measures,
            false_alarms_per_month=budget.false_alarms_per_month,
            parts_per_month=budget.parts(baseline),
        )
        self._belongs = {measure: np.flatnonzero(streams.belongs(measure)) for measure in measures}
        self._active: dict[Measure, Alarm] = {}
        self._index: dict[Measure, int] = {}  # of the stream that each is about

    @property
    def active(self) -> Mapping[Measure, Alarm]:
        """What has moved and is not back, as it was said last."""
        return self._active

    def take(self, values: NDArray[np.float64], part_id: int) -> list[Alarm]:
        """What this part changes: mostly nothing."""
        over = self._chart.update(values, part_id)
        if not self._active and not over.any():
            return []
        said = []
        is_moving = self._is_moving()
        for measure, mine in self._belongs.items():
            found = mine[over[mine]]
            before = self._active.get(measure)
            if len(found) and measure == "dirt" and before is None and is_moving:
                continue  # the edges of parts that moved are dark spots where there were none
            if len(found):
                alarm = self._alarm(measure, found, part_id, before)
                if before is None or before.grade != alarm.grade:
                    self._active[measure] = alarm
                    said.append(alarm)
            elif before is not None:
                del self._active[measure]
                value = values[self._index[measure]]
                said.append(_back(before, float(value), self._index[measure], part_id))
        return said

    def _is_moving(self) -> bool:
        """Whether the parts' place has moved, or seems to."""
        return "position" in self._active or any(
            self._chart.share(int(index)) >= _SEEMS for index in self._belongs.get("position", ())
        )

    def _alarm(
        self, measure: Measure, found: NDArray[np.intp], part_id: int, before: Alarm | None
    ) -> Alarm:
        """Of the stream that has moved furthest. Severe stays severe until it is back."""
        chart = self._chart
        shifts = {
            int(index): abs(chart.value(index) - chart.expected[index])
            / streams.stream(index).shift
            for index in found
        }
        index = max(shifts, key=lambda each: shifts[each])
        is_severe = shifts[index] >= _SEVERE or (before is not None and before.grade == "severe")
        grade: Grade = "severe" if is_severe else "mild"
        self._index[measure] = index
        one = streams.stream(index)
        return Alarm(
            measure=measure,
            raised=True,
            grade=grade,
            stream=one.name,
            unit=one.unit,
            value=one.shown(chart.value(index)),
            expected=one.shown(float(chart.expected[index])),
            since_part=chart.since(index),
            part=part_id,
            place=streams.place(index),
        )


def _back(before: Alarm, value: float, index: int, part_id: int) -> Alarm:
    shown = streams.stream(index).shown(value)
    return replace(before, raised=False, value=shown, part=part_id)
