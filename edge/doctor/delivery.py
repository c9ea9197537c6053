"""Checks of the uplink's files: a fault of the connection, and events that were not delivered."""

from __future__ import annotations

from collections import defaultdict

from edge.doctor.context import DiagnosticContext
from edge.doctor.finding import DiagnosticFinding, fail, warn
from edge.uplink.state import UplinkPaths, read_state, read_undelivered

_SHOWN = 5  # sequence numbers that are shown for each reason


def trouble(context: DiagnosticContext) -> DiagnosticFinding | None:
    """Report the fault that stops the uplink, from its last state file."""
    state = read_state(context.config.paths.uplink)
    if not state.trouble:
        return None
    message = f"since {state.since_utc[:19]}Z: {state.trouble}"
    if state.takeovers:
        advice = "give each station its own name and certificate: outfeed provision station"
        return fail("delivery", f"{message}; {state.takeovers} times in a row", advice)
    return fail("delivery", message, "read journalctl -u outfeed-uplink and the log of the broker")


def undelivered(context: DiagnosticContext) -> DiagnosticFinding | None:
    """Report events that the broker refused for a permanent reason, grouped by reason."""
    folder = context.config.paths.uplink
    state = read_state(folder)
    table = UplinkPaths(folder).table
    try:
        rows = read_undelivered(folder)
    except OSError as error:
        return warn("undeliverable", f"{table}: {error.strerror}", "check the owner of the file")
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
    message = f"{count} events were refused by the broker ({groups or state.last_undelivered})"
    return fail("undeliverable", message, f"the events are in {table}; raise the broker's limit")


def without_subscriber(context: DiagnosticContext) -> DiagnosticFinding | None:
    """Report events that the broker accepted while no client had subscribed."""
    count = read_state(context.config.paths.uplink).unheard
    if not count:
        return None
    advice = (
        "let the central system subscribe with a persistent session; it has gaps for these events"
    )
    return warn("subscriber", f"the broker had no subscriber for {count} events", advice)
