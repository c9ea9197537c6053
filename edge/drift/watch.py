"""The watch over a line: it compares parts with the baseline and raises alarms."""

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

_SEEMS = 0.25  # share of the limit, reached after about a third of the parts of an alarm
_SEVERE = 4.0  # shifts: 40 % of the light, 8 px in 1280, a blur of 1.5 px on the smoothest surface


@dataclass(frozen=True, slots=True)
class FalseAlarmRate:
    """The rate of false alarms on a line where nothing drifts.

    false_alarms_per_month: over all measures together. parts_per_month: measured parts; None: the
    rate at which the baseline was learned, 24 hours a day.
    """

    false_alarms_per_month: float = 1.0
    parts_per_month: float | None = None

    def parts(self, baseline: Baseline) -> float:
        """Return the measured parts per month, at least one."""
        if self.parts_per_month is not None:
            return max(1.0, self.parts_per_month)
        return max(1.0, baseline.rate_hz * MONTH_S)


class Watch:
    """The comparison of measured parts with a baseline. One thread at a time may use it."""

    def __init__(
        self,
        baseline: Baseline,
        reference: DriftReference | None = None,
        *,
        measures: tuple[Measure, ...] = MEASURES,
        false_alarm_rate: FalseAlarmRate,
    ) -> None:
        self.baseline = baseline
        self._chart = baseline.chart(
            reference,
            measures=measures,
            false_alarms_per_month=false_alarm_rate.false_alarms_per_month,
            parts_per_month=false_alarm_rate.parts(baseline),
        )
        self._belongs = {measure: np.flatnonzero(streams.belongs(measure)) for measure in measures}
        self._active: dict[Measure, Alarm] = {}
        self._index: dict[Measure, int] = {}  # stream of each active alarm

    @property
    def active(self) -> Mapping[Measure, Alarm]:
        """The latest alarm of each measure that has not returned."""
        return self._active

    def take(self, values: NDArray[np.float64], part_id: int) -> list[Alarm]:
        """Add one part; return the new alarms, usually none."""
        over = self._chart.update(values, part_id)
        if not self._active and not over.any():
            return []
        alarms = []
        is_moving = self._is_moving()
        for measure, mine in self._belongs.items():
            moved = mine[over[mine]]
            before = self._active.get(measure)
            if len(moved) and measure == "dirt" and before is None and is_moving:
                continue  # edges of parts that moved look like new dark spots
            if len(moved):
                alarm = self._alarm(measure, moved, part_id, before)
                if before is None or before.grade != alarm.grade:
                    self._active[measure] = alarm
                    alarms.append(alarm)
            elif before is not None:
                del self._active[measure]
                value = values[self._index[measure]]
                alarms.append(_back(before, float(value), self._index[measure], part_id))
        return alarms

    def _is_moving(self) -> bool:
        """Return True where the position of the parts has drifted, or begins to."""
        return "position" in self._active or any(
            self._chart.share(int(index)) >= _SEEMS for index in self._belongs.get("position", ())
        )

    def _alarm(
        self, measure: Measure, moved: NDArray[np.intp], part_id: int, before: Alarm | None
    ) -> Alarm:
        """Return the alarm of the stream with the largest change.

        An alarm that was severe stays severe until the measure returns.
        """
        chart = self._chart
        shifts = {
            int(index): abs(chart.value(index) - chart.expected[index])
            / streams.stream(index).shift
            for index in moved
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
