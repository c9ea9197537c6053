"""Checks of drift and of the last self-test, from the files of the station."""

from __future__ import annotations

from edge.doctor.context import DiagnosticContext
from edge.doctor.finding import DiagnosticFinding, fail, fine, warn
from edge.drift.state import MAX_BYTES, StateError, parse_state
from edge.station.monitor.self_test_state import read_self_test

_LEARN = "remove drift.json from state_dir to learn a new baseline"


def drift(context: DiagnosticContext) -> DiagnosticFinding | None:
    """Report the active drift alarms and the baseline."""
    if not context.config.drift.enabled:
        return None
    path = context.config.paths.drift
    try:
        with path.open("rb") as file:
            state = parse_state(file.read(MAX_BYTES + 1))
    except FileNotFoundError:
        parts = context.config.drift.learn_parts * context.config.drift.every
        return fine("drift", f"no baseline yet: it needs {parts} parts that pass")
    except (OSError, StateError) as error:
        return warn("drift", f"{path}: {error}", "the baseline is learned again at the next start")
    source = (
        "compared with the bundle's reference" if state.from_bundle else "from this station only"
    )
    baseline = f"{state.parts} parts learned on {state.learned_utc[:10]}, {source}"
    if not state.alarms:
        return fine("drift", f"none; {baseline}")
    message = "; ".join(f"{alarm.said} ({alarm.utc[:16]})" for alarm in state.alarms)
    advice = f"{_ADVICE[state.alarms[0].measure]}; if the change is intended, {_LEARN}"
    level = fail if any(alarm.grade == "severe" for alarm in state.alarms) else warn
    return level("drift", message, advice)


def self_test(context: DiagnosticContext) -> DiagnosticFinding | None:
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
    "exposure": "check lamp, exposure and aperture",
    "focus": "check lens and distance: outfeed commission --step focus",
    "lighting": "check the lamps: one is weaker or was moved",
    "dirt": "clean lens and window",
    "position": "check part holder, guides and trigger",
    "score": "check good parts: material, tool or surface has changed",
}
