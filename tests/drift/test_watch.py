"""The watch: it learns, stays silent, detects drift, and reports when it has returned."""

import numpy as np
import pytest

from bench import drift_line as production
from bench.drift_line import SECOND_NS, Change, DriftLine
from edge.drift import Alarm, Baseline, FalseAlarmRate, Learner, Measurer, Watch, streams
from edge.drift.measurer import small_picture
from edge.drift.reference import DriftReference
from edge.drift.template import Template

LEARNED = 400
# Spreads as in the pictures of production.DriftLine; for cells, the largest of the real data sets.
SPREADS = np.concatenate([[0.02, 0.002, 0.05, 0.02, 0.02, 0.02, 0.2, 0.2, 0.4], np.full(512, 0.1)])


class LearnedLine:
    """A line with a learned baseline, and a watch over the next parts."""

    def __init__(self, *, aligned: bool = True) -> None:
        self.line = DriftLine(2, aligned=aligned)
        template = Template.mean_of(small_picture(pixels) for pixels in self.line.parts(64))
        self.measurer = Measurer(template)
        learner = Learner(LEARNED)
        for number, pixels in enumerate(self.line.parts(LEARNED)):
            learner.take(self.measurer.measure(pixels, self.line.peak()), number * SECOND_NS)
        self.baseline = learner.baseline()

    def watch(self, reference: DriftReference | None = None, **given) -> Watch:
        return Watch(self.baseline, reference, false_alarm_rate=FalseAlarmRate(1.0), **given)

    def alarms(self, watch: Watch, parts: int, change: Change | None = None, *, creep=0.0):
        """Return the first alarms within a number of parts, with the number of the part."""
        self.line.__init__(5, aligned=self.line._aligned)
        for number, pixels in enumerate(self.line.parts(parts, change), 1):
            peak = self.line.peak() + creep * number
            if alarms := watch.take(self.measurer.measure(pixels, peak), number):
                return number, alarms
        return parts, []


@pytest.fixture(scope="module")
def line() -> LearnedLine:
    return LearnedLine()


def test_the_learned_baseline(line: LearnedLine) -> None:
    baseline = line.baseline
    assert baseline.count == LEARNED
    assert baseline.rate_hz == pytest.approx(1.0)
    assert np.isfinite(baseline.level).all()
    assert baseline.spread[streams.POSITION] == pytest.approx([0.2, 0.2], rel=0.4)  # 0.3 px of 192
    assert (baseline.long_run >= baseline.spread).all()


def test_a_line_that_stays_as_it_was_is_silent(line: LearnedLine) -> None:
    assert line.alarms(line.watch(), 600) == (600, [])


@pytest.mark.parametrize(
    ("change", "measure", "at_most"),
    [
        (production.darker(0.2), "exposure", 10),
        (production.blurred(0.7), "focus", 10),
        (production.lamp(0.15), "lighting", 40),
        (production.moved(3.0), "position", 15),
        (production.dirt(0.2), "dirt", 30),
        (production.grease(), "dirt", 20),
        (production.growing(production.dirt, 0.5, 200), "dirt", 150),
        (production.growing(production.blurred, 1.5, 200), "focus", 150),
    ],
    ids=["light", "focus", "lamp", "nest", "dirt", "grease", "growing dirt", "creeping focus"],
)
def test_what_drifts_is_named_first(
    line: LearnedLine, change: Change, measure: str, at_most: int
) -> None:
    part, alarms = line.alarms(line.watch(), at_most, change)
    assert [(one.measure, one.raised) for one in alarms][:1] == [(measure, True)]
    assert alarms[0].part == part
    assert 0 < alarms[0].since_part <= part


def test_scores_that_creep(line: LearnedLine) -> None:
    part, (alarm,) = line.alarms(line.watch(), 300, creep=0.01)  # by 0.5 after 50 parts
    assert (alarm.measure, alarm.stream) == ("score", "peak severity")
    assert 40 < part < 150


def test_parts_that_did_not_pass_do_not_count_for_the_score(line: LearnedLine) -> None:
    watch = line.watch(measures=("score",))
    pixels = line.line.part()
    for number in range(1, 300):
        assert watch.take(line.measurer.measure(pixels), number) == []


def test_an_alarm_has_the_value_the_expected_value_and_the_place() -> None:
    baseline = flat()
    watch = Watch(baseline, false_alarm_rate=FalseAlarmRate(1.0))
    values = np.zeros(streams.COUNT)
    index = streams.DARK.start + 3 * streams.CELLS + 8
    values[index] = np.log(0.8)
    (alarm,) = first(watch, values)
    assert alarm == Alarm(
        measure="dirt",
        raised=True,
        grade="mild",
        stream="dark spot",
        unit="by its surroundings",
        value=pytest.approx(0.8),
        expected=1.0,
        since_part=1,
        part=alarm.part,
        place=(8.5 / 16, 3.5 / 16),
    )
    alarms = "dirt: dark spot 0.8 (by its surroundings) at 53% across, 22% down, expected 1, since"
    assert str(alarm).startswith(alarms)


def flat() -> Baseline:
    """Return a baseline with the level 0 and a small spread everywhere."""
    spread = streams.shifts() / 10
    return Baseline(np.zeros(streams.COUNT), spread, spread, 2000, 1.0)


def first(watch: Watch, values: np.ndarray, *, begin: int = 1) -> list[Alarm]:
    for part in range(begin, begin + 200):
        if alarms := watch.take(values, part):
            return alarms
    return []


def off(index: int, shifts: float) -> np.ndarray:
    values = np.zeros(streams.COUNT)
    values[index] = shifts * streams.stream(index).shift
    return values


def test_raised_severe_and_returned() -> None:
    watch = Watch(flat(), false_alarm_rate=FalseAlarmRate(1.0))
    (raised,) = first(watch, off(0, 1.5))
    assert (raised.raised, raised.grade) == (True, "mild")
    assert list(watch.active) == ["exposure"]
    (worse,) = first(watch, off(0, -6.0), begin=100)
    assert (worse.raised, worse.grade) == (True, "severe")
    (back,) = first(watch, off(0, 0.0), begin=200)
    assert (back.raised, back.grade, back.value) == (False, "severe", 1.0)
    assert str(back) == "exposure: back, brightness 1"
    assert watch.active == {}
    assert first(watch, off(0, 0.0), begin=400) == []


def test_half_a_shift_is_allowed_for_good() -> None:
    watch = Watch(flat(), false_alarm_rate=FalseAlarmRate(1.0))
    assert first(watch, off(0, 0.5)) == []


def test_parts_that_moved_do_not_make_dirt() -> None:
    values = off(6, 2.0)
    values[streams.DARK.start + 5] = -0.3  # quicker than the place
    alarms = first(Watch(flat(), false_alarm_rate=FalseAlarmRate(1.0)), values)
    assert [one.measure for one in alarms] == ["position"]
    values[6] = np.nan
    assert [
        one.measure for one in first(Watch(flat(), false_alarm_rate=FalseAlarmRate(1.0)), values)
    ] == ["dirt"]


def test_only_the_measures_that_are_wanted() -> None:
    assert (
        first(Watch(flat(), false_alarm_rate=FalseAlarmRate(1.0), measures=("focus",)), off(0, 5.0))
        == []
    )
    (alarm,) = first(
        Watch(flat(), false_alarm_rate=FalseAlarmRate(1.0), measures=("focus",)), off(2, 5.0)
    )
    assert alarm.measure == "focus"


def reference(level: np.ndarray, *, pictures: int = 10_000) -> DriftReference:
    spread = streams.shifts() / 10
    return DriftReference(
        pictures=pictures, scored=pictures, level=tuple(level), spread=tuple(spread)
    )


def test_a_station_that_differs_from_the_bundle_raises_an_alarm() -> None:
    as_learned = off(0, 0.0)
    near, far = reference(off(0, 0.4)), reference(off(0, 1.5))
    assert first(Watch(flat(), near, false_alarm_rate=FalseAlarmRate(1.0)), as_learned) == []
    (alarm,) = first(Watch(flat(), far, false_alarm_rate=FalseAlarmRate(1.0)), as_learned)
    assert (alarm.measure, alarm.value) == ("exposure", 1.0)
    assert alarm.expected == pytest.approx(np.exp(0.1), rel=0.01)  # half a shift nearer than 1.5
    few = reference(off(0, 0.6), pictures=20)  # whose mean may be wrong by a little
    assert first(Watch(flat(), few, false_alarm_rate=FalseAlarmRate(1.0)), as_learned) == []


def test_the_false_alarm_rate_sets_the_limit() -> None:
    delays = []
    for alarms, parts in ((10.0, 1e4), (1.0, 1e4), (0.01, 1e8)):
        noisy = Baseline(np.zeros(streams.COUNT), SPREADS, 10 * SPREADS, 2000, 1.0)
        watch = Watch(noisy, false_alarm_rate=FalseAlarmRate(alarms, parts))
        delays.append(next(n for n in range(1, 9999) if watch.take(off(2, 2.0), n)))
    assert delays[0] < delays[1] < delays[2]


def test_parts_per_month_are_measured_by_default() -> None:
    assert FalseAlarmRate().parts(flat()) == 30 * 24 * 3600
    assert FalseAlarmRate(parts_per_month=5e4).parts(flat()) == 5e4


def learned(draw, parts: int = 2000) -> Baseline:
    learner = Learner(parts)
    for number in range(parts):
        learner.take(draw(), number * SECOND_NS)
    assert learner.is_done
    return learner.baseline()


class Dependent:
    """Return parts, each of which depends on the one before."""

    def __init__(self, seed: int, memory: float) -> None:
        self._rng = np.random.default_rng(seed)
        self._memory = memory
        self._last = self._rng.normal(size=streams.COUNT)

    def __call__(self) -> np.ndarray:
        fresh = self._rng.normal(size=streams.COUNT)
        self._last = self._memory * self._last + np.sqrt(1 - self._memory**2) * fresh
        return self._last * SPREADS


@pytest.mark.parametrize("memory", [0.0, 0.8])
def test_the_long_run_spread_is_learned(memory: float) -> None:
    baseline = learned(Dependent(11, memory))
    assert baseline.spread == pytest.approx(SPREADS, rel=0.25)
    # For parts that depend by 0.8 the long-run spread is three times the spread. The factor root of
    # 1.5 covers what 40 batches may miss. A scalar is known to a quarter; the cells together are
    # known better.
    wanted = SPREADS * np.sqrt((1 + memory) / (1 - memory)) * np.sqrt(1.5)
    assert baseline.long_run[streams.DARK] == pytest.approx(wanted[streams.DARK], rel=0.25)
    scalars = baseline.long_run[:9] / wanted[:9]
    assert scalars.min() > 0.65
    assert scalars.max() < 1.6


@pytest.mark.parametrize("memory", [0.0, 0.9])
def test_a_month_without_drift_has_no_more_alarms_than_the_rate(memory: float) -> None:
    """A month of 12,000 measured parts, at a rate of one alarm."""
    draw = Dependent(12, memory)
    watch = Watch(learned(draw), false_alarm_rate=FalseAlarmRate(1.0, 12_000))
    alarms = [one for part in range(1, 12_001) for one in watch.take(draw(), part) if one.raised]
    assert len(alarms) <= 1


def test_streams_with_few_values_are_not_watched() -> None:
    draw, count = Dependent(13, 0.0), iter(range(10**6))

    def seldom() -> np.ndarray:
        values = draw()
        if next(count) % 3:
            values[2] = np.nan
        values[6:8] *= 20  # parts that lie anywhere
        return values

    baseline = learned(seldom, 400)
    assert np.flatnonzero(np.isnan(baseline.level)).tolist() == [2, 6, 7]
    watch = Watch(baseline, false_alarm_rate=FalseAlarmRate(1.0))
    assert first(watch, off(2, 50.0)) == []
