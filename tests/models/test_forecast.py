"""The estimate of whole work, and how finished phases correct it."""

from __future__ import annotations

import logging

import pytest

pytest.importorskip("torch", reason="torch is not installed: pip install torch")

from models.methods.registry import METHODS
from models.training.device import CPU, TrainingDevice
from models.training.estimate import PictureSides, measure_slowness, phases_of
from models.training.forecast import Forecast, forecast, phase
from models.training.progress import STAGES, WorkStages
from models.training.recipe import Recipe, load_recipe

EXPECTED = {"detector": 100.0, "classifier": 40.0, "figures": 10.0}
SIDES = PictureSides(good=20.0, train=30.0, held_back=10.0, each=0.1)


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_finished_phases_correct_what_is_left() -> None:
    clock = Clock()
    one = Forecast(EXPECTED, clock)
    assert one.left_s() == 150.0
    with one.phase("detector"):
        clock.now_s = 30.0
        assert one.left_s() == 120.0
        assert one.left_s(20.0) == 70.0, "the stage knows better"
        clock.now_s = 170.0
        assert one.left_s() == 50.0, "a phase that takes too long has nothing left"
        clock.now_s = 200.0
    assert one.left_s() == 100.0, "this machine takes twice as long"
    with one.phase("classifier"):
        clock.now_s = 240.0
        assert one.left_s() == 60.0
    with one.phase("figures"):
        pass
    assert one.left_s() == 0.0


def test_a_correction_has_limits_and_a_short_phase_corrects_nothing() -> None:
    clock = Clock()
    one = Forecast({"short": 1.0, "long": 100.0, "last": 10.0}, clock)
    with one.phase("short"):
        clock.now_s = 4.0
    assert one.left_s() == 110.0
    with one.phase("long"):
        clock.now_s = 10_000.0
    assert one.left_s() == 40.0


def test_a_phase_within_a_phase_and_an_unknown_one_count_nothing() -> None:
    clock = Clock()
    one = Forecast({"memory-bank": 10.0, "padim": 10.0}, clock)
    with one.phase("memory-bank"), one.phase("detector"):
        clock.now_s = 4.0
    assert one.left_s() == 10.0


def test_the_line_states_each_phase(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with forecast(EXPECTED) as outer:
        with forecast({"other": 1.0}) as inner:
            assert inner is outer, "the outer one describes the whole work"
        with phase("detector"):
            assert STAGES.forecast is outer
    assert STAGES.forecast is None
    with phase("detector"), forecast({}):
        assert STAGES.forecast is None
    (line,) = caplog.messages
    assert line.startswith("estimate from a short trial on this machine: about 2 min with ")
    assert line.endswith(": detector 100 s, classifier 40 s, figures 10 s")


def test_a_line_of_progress_states_what_is_left_in_all() -> None:
    clock = Clock()
    stages = WorkStages(clock)
    whole = Forecast(EXPECTED, clock)
    stages.forecast = whole
    with whole.phase("detector"), stages.enter("detector (lean)", 100) as one:
        clock.now_s, one.done = 10.0, 20
        assert stages.line() == (
            "detector (lean): 20 of 100 after 10 s, about 40 s left; about 90 s left in all"
        )
        one.begin_at(20)
        one.done = 40
        assert stages.line() == (
            "detector (lean): 40 of 100 after 10 s, about 30 s left; about 80 s left in all"
        )
    with whole.phase("classifier"), stages.enter("collecting"):
        clock.now_s = 25.0
        # The detector took a quarter of what was expected at most: 25 s of 40 s and of 10 s.
        assert stages.line() == "collecting: 15 s so far; about 2 s left in all"


@pytest.mark.parametrize("kind", METHODS)
def test_every_method_has_a_cost_that_grows_with_the_pictures(kind: str) -> None:
    recipe = Recipe.model_validate({"name": "x", "method": kind})
    small = phases_of(recipe, SIDES, CPU, 1.0)
    twice = PictureSides(2 * SIDES.good, 2 * SIDES.train, 2 * SIDES.held_back, SIDES.each)
    large = phases_of(recipe, twice, CPU, 1.0)
    assert list(small) == ["detector", "T", "classifier", "figures"]
    assert all(0 < small[name] <= large[name] for name in small)
    assert large["T"] == 2 * small["T"]
    slow = phases_of(recipe, SIDES, CPU, 3.0)
    assert slow["detector"] == pytest.approx(3 * small["detector"])
    fast = phases_of(recipe, SIDES, TrainingDevice("cuda"), 1.0)
    assert fast["detector"] < small["detector"]
    assert fast["figures"] == small["figures"], "figures are measured on the processor"


def test_steps_and_a_classifier_cost_time() -> None:
    recipe = load_recipe("lean")
    values = recipe.model_dump(exclude_none=True)
    values["detector"]["steps"] *= 2
    values["classifier"]["enabled"] = False
    other = Recipe.model_validate(values)
    expected, found = (phases_of(each, SIDES, CPU, 1.0) for each in (recipe, other))
    assert found["detector"] > 1.9 * expected["detector"]
    assert "classifier" not in found
    assert expected["classifier"] > 10.0


def test_the_trial_measures_this_machine() -> None:
    assert 0.01 < measure_slowness() < 1000
