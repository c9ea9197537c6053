"""The drift measures of a station: the baseline, which outlasts restarts, and the alarms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from logging import getLogger
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.clock import utc_now
from edge.drift import (
    MEASURES,
    Alarm,
    DriftReference,
    FalseAlarmRate,
    Learner,
    Measure,
    Measurer,
    Watch,
)
from edge.drift.measurer import small_picture
from edge.drift.state import MAX_BYTES, AlarmState, DriftState, StateError, parse_state
from edge.drift.template import Template
from edge.files import write_atomically
from edge.records import Decision, Frame, Verdict

_log = getLogger(__name__)

_TEMPLATE_PARTS = 64  # their mean is the template; the noise of one part falls to an eighth in it
_TEXT_CHARS = 400


@dataclass(frozen=True, slots=True)
class DriftRules:
    """The rules for learning a baseline and raising alarms."""

    subject: str
    """The bundle and commissioning of the baseline. If it changes, a new baseline is learned."""

    learn_parts: int
    """The number of measured parts that passed for a baseline."""

    false_alarm_rate: FalseAlarmRate
    """The accepted false alarms; its parts_per_month counts measured parts."""

    measures: tuple[Measure, ...] = MEASURES


class DriftDetector:
    """Learns the baseline of a station, measures parts, and raises drift alarms.

    For one thread, which may block on the disk. A disk that refuses is one line in the log.
    """

    def __init__(self, rules: DriftRules, path: Path, reference: DriftReference | None) -> None:
        self._rules = rules
        self._path = path
        self._reference = reference
        self._measurer = Measurer(None if reference is None else reference.decoded_template())
        self._small: list[NDArray[np.float32]] = []
        self._learner: Learner | None = Learner(rules.learn_parts)
        self._watch: Watch | None = None
        self._state: DriftState | None = None
        self._is_refused = False

    @property
    def active(self) -> Mapping[Measure, Alarm]:
        """Return the alarms of the measures that drift now. Any thread."""
        return {} if self._watch is None else dict(self._watch.active)

    @property
    def is_learning(self) -> bool:
        return self._watch is None

    def load(self) -> None:
        """Load the baseline from the disk, if it has the same subject; else learn a new one."""
        try:
            with self._path.open("rb") as file:
                state = parse_state(file.read(MAX_BYTES + 1))
        except FileNotFoundError:
            state = None
        except (OSError, StateError) as error:
            _log.warning("drift_learns_anew reason=%s: %s", self._path, error)
            state = None
        if state is not None and state.subject != self._rules.subject:
            _log.info("drift_learns_anew reason=another bundle or commissioning")
            state = None
        if state is None:
            source = (
                "the bundle"
                if self._reference is not None
                else "no source: the bundle has no reference"
            )
            _log.info("drift_learns parts=%s level_from=%s", self._rules.learn_parts, source)
            return
        self._measurer.template = state.decoded_template()
        self._begin(state)
        if state.alarms:  # alarms that persist will be raised again
            self._write()

    def measure(self, frame: Frame, verdict: Verdict) -> list[Alarm]:
        """Measure a part, and return new alarms. While the baseline is learned, parts that passed
        are added to it."""
        passed = verdict.decision is Decision.PASS
        if self._watch is None and not passed:
            return []
        if self._wants_template():
            self._small.append(small_picture(frame.pixels))
            if len(self._small) == _TEMPLATE_PARTS:
                self._measurer.template = Template.mean_of(self._small)
                self._small.clear()
            return []
        peak = verdict.peak_severity if passed else float("nan")
        values = self._measurer.measure(frame.pixels, peak)
        if self._watch is not None:
            alarms = self._watch.take(values, frame.part_id)
            for alarm in alarms:
                _log.warning("drift part=%s %s", frame.part_id, alarm)
            if alarms:
                self._write()
            return alarms
        assert self._learner is not None
        self._learner.take(values, frame.triggered_ns)
        if self._learner.is_done:
            self._finish_learning(self._learner)
        return []

    def _wants_template(self) -> bool:
        """Return whether a template must be learned: the bundle has no reference of positions."""
        return self._measurer.template is None and self._reference is None and self._watch is None

    def _finish_learning(self, learner: Learner) -> None:
        self._learner = None
        self._begin(
            DriftState.of(
                learner.baseline(),
                self._measurer.template,
                subject=self._rules.subject,
                learned_utc=utc_now(),
                from_bundle=self._reference is not None,
            )
        )
        _log.info("drift_learned parts=%s", learner.count)
        self._write()

    def _begin(self, state: DriftState) -> None:
        self._state = state
        rules = self._rules
        self._watch = Watch(
            state.baseline(),
            self._reference,
            measures=rules.measures,
            false_alarm_rate=rules.false_alarm_rate,
        )

    def _write(self) -> None:
        assert self._state is not None
        alarms = tuple(
            AlarmState(
                measure=alarm.measure,
                grade=alarm.grade,
                said=str(alarm)[:_TEXT_CHARS],
                utc=utc_now(),
            )
            for alarm in self.active.values()
        )
        self._state = self._state.model_copy(update={"alarms": alarms})
        try:
            write_atomically(self._path, self._state.data())
        except OSError as error:
            if not self._is_refused:
                _log.error("drift_not_kept file=%s reason=%s", self._path, error.strerror)
            self._is_refused = True
        else:
            self._is_refused = False
