"""The monitor of drift and self-tests, made from the configuration and the bundle."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from bench.drift_line import DriftLine
from edge.assembly.monitor import make_monitor, reference_of
from edge.bundle import Bundle, parse_bundle
from edge.chain.load import build_inspector
from edge.clock import MonotonicClock
from edge.commission.record import conclude, write_record
from edge.config.station import StationConfig
from edge.drift import DriftReference, Measurer
from edge.drift.measurer import small_picture
from edge.drift.state import parse_state
from edge.drift.template import Template
from edge.engines.registry import EngineChoice
from edge.errors import BundleError
from edge.records import Decision, Frame, Verdict
from edge.station.monitor.thread import Monitor
from tests.support.bundles import bundle_bytes
from tests.support.configurations import BY_TIME, load


def config(folder: Path, lines: str = "") -> StationConfig:
    found = load(folder / "station.toml", f"{BY_TIME}[drift]\n{lines}\n")
    found.state_dir.mkdir(exist_ok=True)
    return found


def bundle_with(reference: bytes | None = None) -> Bundle:
    plain = parse_bundle(bundle_bytes())
    if reference is None:
        return plain
    manifest = plain.manifest.model_copy(update={"reference": "reference.json"})
    return Bundle(manifest, plain.digest, {**plain.files, "reference.json": reference}, 0)


def monitor(settings: StationConfig, bundle: Bundle) -> Monitor:
    inspector = build_inspector(bundle, now_ns=time.monotonic_ns)
    return make_monitor(settings, bundle, inspector, EngineChoice(), clock=MonotonicClock())


def run(one: Monitor, parts: int, *, change=None, first: int = 1) -> list:
    """So many good parts; every event."""
    events: list = []
    one.start(events.append, first)
    line = DriftLine(4)
    measured = one.counts.get("measured", 0)
    for number in range(first, first + parts):
        frame = Frame(number, number, number * 10**9, number * 10**9, line.part(change, number))
        one.record_inspection(frame, Verdict(number, Decision.PASS, "clean", (), line.peak(), None))
        measured += 1
        deadline = time.monotonic() + 30
        while one.counts.get("measured", 0) < measured:
            assert time.monotonic() < deadline
            time.sleep(0.0005)  # the monitor has a thread of its own
    one.close(10)
    return events


def test_a_station_learns_and_the_next_one_goes_on(tmp_path: Path) -> None:
    settings = config(tmp_path, "every = 1\nlearn_parts = 200")
    events = run(monitor(settings, bundle_with()), 64 + 200)
    assert [(event.type, event.subject, event.reproduced) for event in events] == [
        ("outfeed.self-test/1", "golden/hole.png", True),
        ("outfeed.self-test/1", "golden/clean.png", True),
    ]
    state = parse_state(settings.paths.drift.read_bytes())
    assert (state.parts, state.from_bundle, state.rate_hz) == (200, False, pytest.approx(1.0))
    assert state.subject.endswith(", commissioned never")
    darker = run(
        monitor(settings, bundle_with()), 30, change=lambda scene, _: scene * 0.7, first=500
    )
    assert [e.measure for e in darker if e.type == "outfeed.drift/1"] == ["exposure"]
    assert [one.measure for one in parse_state(settings.paths.drift.read_bytes()).alarms] == [
        "exposure"
    ]


def test_a_new_commissioning_is_learned_anew(tmp_path: Path) -> None:
    settings = config(tmp_path, "every = 1\nlearn_parts = 200")
    run(monitor(settings, bundle_with()), 64 + 200)
    before = parse_state(settings.paths.drift.read_bytes())
    write_record(settings.paths.commissioning, conclude("s", "b", (), {}))
    run(monitor(settings, bundle_with()), 64 + 200)
    after = parse_state(settings.paths.drift.read_bytes())
    assert after.subject != before.subject
    assert after.learned_utc > before.learned_utc


def test_a_bundle_that_says_what_it_was_trained_on(tmp_path: Path) -> None:
    brighter = [np.clip(p * 1.5, 0, 255).astype(np.uint8) for p in DriftLine(4).parts(40)]
    template = Template.mean_of(small_picture(pixels) for pixels in brighter)
    measured = [Measurer(template).measure(pixels).copy() for pixels in brighter]
    bundle = bundle_with(DriftReference.of(np.stack(measured), template).data())
    settings = config(tmp_path, "every = 1\nlearn_parts = 200")
    events = run(monitor(settings, bundle), 240)  # and no part for the template
    state = parse_state(settings.paths.drift.read_bytes())
    assert state.from_bundle
    raised = [event for event in events if event.type == "outfeed.drift/1"]
    assert raised[0].measure == "exposure"
    assert raised[0].value < raised[0].expected


def test_a_reference_that_is_none_is_refused() -> None:
    with pytest.raises(BundleError, match=r"^reference.json: "):
        reference_of(bundle_with(b"{}"))
    assert reference_of(bundle_with()) is None


def test_what_is_configured(tmp_path: Path) -> None:
    lines = """enabled = false
every = 7
measures = ["dirt"]
self_test_interval_s = 2
on_drift = "unknown"
on_self_test_failure = "report"
"""
    one = monitor(config(tmp_path, lines), bundle_with())
    assert one._drifting is None
    rules = one._rules
    assert (rules.every, rules.self_test_interval_ns) == (7, 2_000_000_000)
    assert (rules.on_drift, rules.on_self_test_failure) == ("unknown", "report")
    lines = 'every = 10\nmeasures = ["dirt"]\nparts_per_month = 5000\nfalse_alarms_per_month = 0.5'
    drifting = monitor(config(tmp_path, lines), bundle_with())._drifting
    assert drifting is not None
    limits = drifting._rules
    assert (limits.measures, limits.false_alarm_rate.false_alarms_per_month) == (("dirt",), 0.5)
    assert limits.false_alarm_rate.parts_per_month == 500
