"""The view of the first page: state, alerts, figures and the last rejected parts."""

from __future__ import annotations

from edge.station_page import part_view
from edge.station_page.condition import Delivery
from edge.station_page.html import clock, moment, percent, words
from edge.station_page.snapshot import PageSnapshot, PeriodView
from edge.station_page.updates import updates_block

SHOWN_REJECTS = 12
_BEHIND_ROWS = 1000
_STATES = {"ready": "READY", "starting": "STARTING", "stopped": "NOT READY"}


def live_part(page: PageSnapshot, now_s: float) -> str:
    """Return the part of the page that is updated while it is open: blocks, each with an id."""
    newest, earlier = page.rejects[:1], page.rejects[1:SHOWN_REJECTS]
    last = (
        part_view.large(newest[0], now_s)
        if newest
        else '<p class="card">No part was rejected, as far as the journal was read.</p>'
    )
    cards = "".join(part_view.small(each, now_s) for each in earlier)
    return (
        f'<section id="state" role="status">{_state(page, now_s)}</section>\n'
        f'<section id="alerts">{_alerts(page, now_s)}</section>\n'
        f'<section id="figures">{_figures(page)}</section>\n'
        f'<section id="newest"><h2 class="hidden">Last rejected part</h2>{last}</section>\n'
        f'<section id="earlier"><h2>Rejected before</h2><div class="cards">'
        f"{cards or '<p class=soft>none</p>'}</div></section>\n"
        f'<section id="updates">{updates_block(page.condition.updates, now_s)}</section>\n'
        f'<section id="about">{_about(page, now_s)}</section>'
    )


def _state(page: PageSnapshot, now_s: float) -> str:
    process = page.condition.process
    state, tone, line = _STATES[process.state], process.state, words(process.reason)
    if process.state == "ready":
        line = "the last part was inspected at " + moment(page.newest_utc, now_s)
        if not page.newest_utc:
            line = "no part was inspected yet"
    elif page.newest_utc:
        line += ". The last part was inspected at " + moment(page.newest_utc, now_s)
    if process.state == "ready" and _has_failed_self_test(page):
        state, tone = "SELF-TEST FAILED", "stopped"
    return f'<p class="state {tone}">{state}</p><p>{line}</p>'


def _has_failed_self_test(page: PageSnapshot) -> bool:
    """Return whether the present run has failed its last self-test."""
    test = page.condition.self_test
    if test is None or not test.reason:
        return False
    return page.started is None or test.utc >= page.started.utc


def _alerts(page: PageSnapshot, now_s: float) -> str:
    alerts: list[tuple[str, str]] = []
    condition = page.condition
    if page.fault:
        alerts.append(("bad", f"The journal cannot be read: {words(page.fault)}"))
    if page.behind > _BEHIND_ROWS:
        alerts.append(("open", f"The journal is being read: {page.behind} events are left"))
    test = condition.self_test
    if test is not None and test.reason and _has_failed_self_test(page):
        text = f"Self-test failed: {words(test.subject)}: {words(test.reason)}"
        alerts.append(("bad", f"{text} ({moment(test.utc, now_s)})"))
    if page.hour.counts.missed:
        count = page.hour.counts.missed
        what = "part that had" if count == 1 else "parts that had"
        alerts.append(("bad", f"{count} {what} to be ejected passed in the last 60 minutes"))
    for alarm in condition.drift:
        tone = "bad" if alarm.grade == "severe" else "open"
        alerts.append((tone, f"Drift: {words(alarm.said)} ({moment(alarm.utc, now_s)})"))
    if page.shift.counts.lost and page.loss is not None:
        text = f"{page.shift.counts.lost} events were lost in this shift"
        alerts.append(("open", f"{text}: {words(page.loss.reason)}"))
    if (trouble := _trouble(condition.delivery, now_s)) is not None:
        alerts.append(("open", trouble))
    if page.waiting_marks:
        text = "mark waits" if page.waiting_marks == 1 else "marks wait"
        alerts.append(("open", f"{page.waiting_marks} {text} for the station to take"))
    lines = "".join(f'<li class="{tone}">{text}</li>' for tone, text in alerts)
    return f'<h2 class="hidden">Faults</h2><ul class="alerts">{lines}</ul>' if lines else ""


def _trouble(delivery: Delivery, now_s: float) -> str | None:
    if delivery.runs is False:
        return "Central system: the uplink does not run. Events stay in the journal of this station"
    if delivery.runs and delivery.trouble:
        since = moment(delivery.since_utc, now_s) if delivery.since_utc else "its start"
        return f"Central system: no connection since {since}: {words(delivery.trouble)}"
    return None


def _figures(page: PageSnapshot) -> str:
    since = f"since {clock(page.shift.begin_s)}"
    if not page.shift.is_whole:
        since += ", as far as the journal has it"
    return (
        '<h2 class="hidden">Figures</h2><div class="periods">'
        f"{_period('This shift', since, page.shift)}"
        f"{_period('Last 60 minutes', '', page.hour)}</div>"
    )


def _period(name: str, note: str, period: PeriodView) -> str:
    counts = period.counts
    pairs = (
        ("parts", counts.parts, ""),
        ("rejected", counts.rejected, ""),
        ("UNKNOWN", counts.unknown, "open" if counts.unknown else ""),
        ("yield", percent(counts.yield_share), ""),
        ("ejected", counts.ejected, ""),
        ("not ejected", counts.missed, "bad" if counts.missed else ""),
    )
    cells = "".join(
        f'<div><dt>{label}</dt><dd class="{tone}">{value}</dd></div>'
        for label, value, tone in pairs
    )
    extra = f' <span class="soft">{note}</span>' if note else ""
    return f'<div class="card"><h3>{name}{extra}</h3><dl class="strip">{cells}</dl></div>'


def _about(page: PageSnapshot, now_s: float) -> str:
    lines = [f"bundle {words(page.bundle or '–')}"]
    if page.started is not None:
        lines.append(f"Outfeed {words(page.started.version)}")
        lines.append(f"started {moment(page.started.utc, now_s)}")
    if not page.condition.is_commissioned:
        lines.append("not commissioned")
    delivery = page.condition.delivery
    if delivery.runs is None:
        lines.append("no uplink has run on this station")
    elif page.waiting is not None:
        where = "the central system" if delivery.is_committed else "the broker"
        lines.append(
            f"{page.waiting} events wait for {where}"
            if page.waiting
            else f"{where} has every event"
        )
    return f'<p class="soft">{" · ".join(lines)}</p>'
