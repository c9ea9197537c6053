"""The drift files of a bundle and of a station: written, read, and refused in one line."""

import json

import numpy as np
import pytest

from edge.drift import Baseline, streams
from edge.drift.reference import MAX_BYTES, DriftReference, parse_reference
from edge.drift.state import AlarmState, DriftState, StateError, parse_state
from edge.drift.template import Template
from edge.errors import BundleError

GREY = np.random.default_rng(0).integers(0, 255, (128, 128)).astype(np.uint8)


def values(parts: int = 30) -> np.ndarray:
    return np.random.default_rng(1).normal(3, 0.5, (parts, streams.COUNT))


def test_level_spread_and_template_survive_the_file() -> None:
    measured = values()
    data = DriftReference.of(measured, Template(GREY)).data()
    found = parse_reference(data)
    assert (found.pictures, found.scored) == (30, 30)
    assert found.levels == pytest.approx(measured.mean(axis=0), rel=1e-5)
    assert found.spreads == pytest.approx(measured.std(axis=0, ddof=1), rel=1e-5)
    template = found.decoded_template()
    assert template is not None
    assert (template.grey == GREY).all()
    assert found.data() == data
    assert len(data) < MAX_BYTES / 2


def test_few_peaks_are_less_sure_and_very_few_are_none() -> None:
    measured = values(100)
    measured[9:, streams.SCORE] = np.nan
    found = DriftReference.of(measured, Template(GREY))
    assert found.scored == 9
    assert found.errors[0] == pytest.approx(found.spreads[0] / 10)
    assert found.errors[streams.SCORE] == pytest.approx(found.spreads[streams.SCORE] / 3)
    measured[7:, streams.SCORE] = np.nan
    assert np.isnan(DriftReference.of(measured, Template(GREY)).levels[streams.SCORE])


def test_streams_without_values_are_null() -> None:
    measured = values()
    measured[:, streams.SCORE] = np.nan
    measured[:, streams.POSITION] *= 10  # nowhere in particular
    found = DriftReference.of(measured, Template(GREY))
    assert np.flatnonzero(np.isnan(found.levels)).tolist() == [6, 7, 8]
    assert found.template is None
    assert found.decoded_template() is None


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda c: c.update(more=1), "more"),
        (lambda c: c.update(pictures=1), "pictures"),
        (lambda c: c["level"].pop(), "level"),
        (lambda c: c["level"].__setitem__(0, 1e9), "level"),
        (lambda c: c["spread"].__setitem__(0, -1.0), "spread"),
        (lambda c: c.update(template="AAAA"), "3 grey levels, expected 16384"),
        (lambda c: c.update(template="%"), "is not base64"),
        (lambda c: c.update(template="A" * 30_000), "template"),
        (lambda c: c.update(format=2), "format"),
    ],
)
def test_a_reference_that_is_none_is_one_line(change, expected: str) -> None:
    content = json.loads(DriftReference.of(values(), Template(GREY)).data())
    change(content)
    with pytest.raises(BundleError) as caught:
        parse_reference(json.dumps(content).encode())
    assert str(caught.value).startswith("reference.json: ")
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("data", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b" " * (MAX_BYTES + 1)])
def test_bytes_that_are_no_reference(data: bytes) -> None:
    with pytest.raises(BundleError, match=r"^reference.json: "):
        parse_reference(data)


def state() -> DriftState:
    level = np.linspace(-1, 1, streams.COUNT)
    level[3] = np.nan
    baseline = Baseline(level, np.abs(level), 2 * np.abs(level), 2000, 1.5)
    return DriftState.of(
        baseline, Template(GREY), subject="b-1 0", learned_utc="2026-01-01", from_bundle=True
    )


def test_a_baseline_survives_its_file() -> None:
    kept = state()
    alarm = AlarmState(measure="focus", grade="mild", said="focus: …", utc="2026-01-02")
    kept = kept.model_copy(update={"alarms": (alarm,)})
    found = parse_state(kept.data())
    assert found == kept
    baseline = found.baseline()
    np.testing.assert_allclose(
        baseline.level[3:5], np.linspace(-1, 1, streams.COUNT)[3:5] * [np.nan, 1], rtol=1e-8
    )
    assert (baseline.count, baseline.rate_hz) == (2000, 1.5)
    template = found.decoded_template()
    assert template is not None
    assert (template.grey == GREY).all()


@pytest.mark.parametrize("data", [b"", b"{}", b"[" * 10_000, b" " * 300_000])
def test_bytes_that_are_no_state(data: bytes) -> None:
    with pytest.raises(StateError):
        parse_state(data)
