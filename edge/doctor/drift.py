"""Findings on drift and on the last self-test."""

from __future__ import annotations

from edge.doctor.context import DiagnosticContext
from edge.doctor.finding import Finding, fail, fine, warn
from edge.drift.state import MAX_BYTES, StateError, parse_state
from edge.station.monitor.self_test_state import read_self_test

_LEARN = "remove drift.json from state_dir to learn anew"


def drift(context: DiagnosticContext) -> Finding | None:
    """What has moved since the station learned what is usual, as it said last."""
    if not context.config.drift.enabled:
        return None
    path = context.config.paths.drift
    try:
        with path.open("rb") as file:
            state = parse_state(file.read(MAX_BYTES + 1))
    except FileNotFoundError:
        parts = context.config.drift.learn_parts * context.config.drift.every
        return fine("drift", f"nothing learned yet: it takes {parts} parts that pass")
    except (OSError, StateError) as error:
        return warn("drift", f"{path}: {error}", "it is learned anew at the next start")
    source = "held against the bundle's reference" if state.from_bundle else "by this station alone"
    known = f"{state.parts} parts learned on {state.learned_utc[:10]}, {source}"
    if not state.alarms:
        return fine("drift", f"none; {known}")
    said = "; ".join(f"{alarm.said} ({alarm.utc[:16]})" for alarm in state.alarms)
    advice = f"{_ADVICE[state.alarms[0].measure]}; if it is meant to be so, {_LEARN}"
    level = fail if any(alarm.grade == "severe" for alarm in state.alarms) else warn
    return level("drift", said, advice)


def self_test(context: DiagnosticContext) -> Finding | None:
    """Report the last self-test: a golden frame, or a known defective part on the belt."""
    state = read_self_test(context.config.paths.self_test)
    if state is None:
        return None
    if state.reason:
        advice = "outfeed bundle verify; memory, heat, engine; then restart the station"
        return fail("self-test", f"{state.subject}: {state.reason} ({state.utc[:16]})", advice)
    if state.is_starved:
        advice = "a larger line.budget_ms or a faster engine: outfeed bench --select"
        return warn("self-test", f"no time for one since {state.utc[:16]}", advice)
    return fine("self-test", f"{state.subject} reproduced ({state.utc[:16]})")


_ADVICE = {
    "exposure": "look at lamp, exposure and aperture",
    "focus": "look at lens and distance: outfeed commission --step focus",
    "lighting": "look at the lamps: one gives less or was turned",
    "dirt": "clean lens and window",
    "position": "look at nest, guides and trigger",
    "score": "look at good parts: material, tool or surface has changed",
}
