"""Findings from the uplink's own files: the reason it sends nothing, and events no broker took."""

from __future__ import annotations

from collections import defaultdict

from edge.doctor.context import DiagnosticContext
from edge.doctor.finding import Finding, fail, warn
from edge.uplink.state import UplinkPaths, read_state, read_undelivered

_SHOWN = 5  # sequences of each reason


def trouble(context: DiagnosticContext) -> Finding | None:
    """Why the uplink could carry nothing when it last wrote that."""
    state = read_state(context.config.paths.uplink)
    if not state.trouble:
        return None
    said = f"since {state.since_utc[:19]}Z: {state.trouble}"
    if state.takeovers:
        advice = "give each station a name and a certificate of its own: outfeed provision station"
        return fail("delivery", f"{said}; {state.takeovers} times in a row", advice)
    return fail("delivery", said, "journalctl -u outfeed-uplink; the broker's log")


def undelivered(context: DiagnosticContext) -> Finding | None:
    """The table of events that a broker did not take for a lasting reason, by reason."""
    folder = context.config.paths.uplink
    state = read_state(folder)
    table = UplinkPaths(folder).table
    try:
        rows = read_undelivered(folder)
    except OSError as error:
        return warn("undeliverable", f"{table}: {error.strerror}", "whose file is it?")
    count = max(state.undelivered, len(rows))
    if not count:
        return None
    by_reason: defaultdict[str, list[str]] = defaultdict(list)
    for row in rows:
        by_reason[row.reason].append(row.event_id.rpartition(":")[2])
    groups = "; ".join(
        f"{reason}: {', '.join(numbers[:_SHOWN])}{' …' if len(numbers) > _SHOWN else ''}"
        for reason, numbers in by_reason.items()
    )
    said = f"{count} events were not taken by the broker ({groups or state.last_undelivered})"
    return fail("undeliverable", said, f"the events are in {table}; raise the broker's limit")


def unheard(context: DiagnosticContext) -> Finding | None:
    """Events that the broker took and had nobody to give to."""
    count = read_state(context.config.paths.uplink).unheard
    if not count:
        return None
    advice = "does central subscribe, with a session that is kept? Its holes are these events"
    return warn("unheard", f"the broker had no subscriber for {count} events", advice)
