import pytest
from pydantic import ValidationError

from edge.config.station import LineConfig
from edge.validation_messages import describe


def test_a_budget_that_ends_after_the_ejector_is_refused():
    with pytest.raises(ValidationError) as caught:
        LineConfig(travel_ms=500.0, budget_ms=500.0)
    assert "must be below travel_ms (500)" in describe(caught.value)
    assert "'budget_ms'" in describe(caught.value)


def test_the_units_are_converted_in_one_place():
    line = LineConfig(travel_ms=500.5, budget_ms=30.25, pulse_ms=12.5, debounce_ms=0.5)
    assert (line.travel_ns, line.budget_ns) == (500_500_000, 30_250_000)
    assert (line.pulse_us, line.debounce_ns) == (12_500, 500_000)
