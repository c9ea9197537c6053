"""The view of one part: picture with outlines, defects, guidance, ejector and marks."""

from __future__ import annotations

from edge.events.event import (
    ActuationAction,
    ActuationCause,
    ActuationEvent,
    DefectPayload,
    PartEvent,
)
from edge.records import Decision
from edge.station_page.html import moment, words
from edge.station_page.snapshot import PartView

_MOST_PX = 1 << 20
_MARGIN = 0.1
_LEAST_PX = 64

_ACTIONS = {
    ActuationAction.EJECTED: "ejected",
    ActuationAction.PASSED: "not ejected",
    ActuationAction.MISSED: "NOT EJECTED, although it had to be",
    ActuationAction.NO_PART: "no part",
}
_CAUSES = {
    ActuationCause.VERDICT: "",
    ActuationCause.UNKNOWN: "there was no verdict in time",
    ActuationCause.QUEUE_FULL: "the reject queue was full",
    ActuationCause.REJECTOR_DOWN: "no rejector was running",
    ActuationCause.TOO_CLOSE: "too close to another part",
    ActuationCause.POSITION_LOST: "its position was lost",
    ActuationCause.ABSENT: "the ejector eye did not see it",
    ActuationCause.OVERRUN: "the output was still active for another part",
}


def ejector_words(action: ActuationEvent | None) -> str:
    """Return the action of the ejector in words."""
    if action is None:
        return "no report of the ejector yet"
    cause = _CAUSES.get(action.cause, action.cause.value.replace("_", " "))
    return _ACTIONS[action.action] + (f": {cause}" if cause else "")


def drawing(view: PartView) -> str:
    """Return the picture of a part with the outlines of its defects, as SVG.

    Without a stored picture the outlines are drawn on a plain ground. Empty where there is nothing
    to draw.
    """
    event, picture = view.part.event, view.picture
    polygons = [polygon for defect in event.defects for polygon in _polygons(defect)]
    if picture is None and not polygons:
        return ""
    if picture is not None:
        width, height = picture.width, picture.height
        ground = (
            f'<image href="/pictures/{words(picture.name)}" width="{width}" height="{height}"/>'
        )
        label = f"Picture of part {event.part_id}"
    else:
        points = [point for polygon in polygons for point in polygon]
        width = max(_LEAST_PX, round(max(x for x, _ in points) * (1 + _MARGIN)))
        height = max(_LEAST_PX, round(max(y for _, y in points) * (1 + _MARGIN)))
        ground = f'<rect class="ground" width="{width}" height="{height}"/>'
        label = f"Place of the defects of part {event.part_id}; its picture is not stored"
    count = len(event.defects)
    label += f", with the outlines of {count} defect{'' if count == 1 else 's'}"
    lines = "".join(
        '<polygon class="outline" points="' + " ".join(f"{x},{y}" for x, y in polygon) + '"/>'
        for polygon in polygons
    )
    return (
        f'<svg class="frame" viewBox="0 0 {width} {height}" role="img" aria-label="{words(label)}">'
        f"{ground}{lines}</svg>"
    )


def _polygons(defect: DefectPayload) -> list[tuple[tuple[int, int], ...]]:
    """Return the outline of a defect, or its box; without points that no frame can have."""
    left, top, right, bottom = defect.box
    box = ((left, top), (right, top), (right, bottom), (left, bottom))
    found = [polygon for polygon in (defect.outline or (box,)) if polygon]
    return [
        polygon
        for polygon in found
        if all(0 <= x <= _MOST_PX and 0 <= y <= _MOST_PX for x, y in polygon)
    ]


def title(event: PartEvent, now_s: float, *, is_link: bool) -> str:
    """Return the heading of a part: its number, decision and time."""
    name = f"Part {event.part_id}"
    if is_link:
        name = f'<a href="/parts/{event.part_id}">{name}</a>'
    return (
        f'<span>{name}</span> <span class="decision {event.decision.value}">'
        f"{event.decision.value}</span> {moment(event.utc, now_s)}"
    )


def defect_lines(event: PartEvent) -> str:
    """Return the defects as a list; the reason where there is none."""
    if not event.defects:
        return f'<p class="reason">{words(event.reason)}</p>'
    lines = "".join(
        f'<li><strong>{words(each.kind)}</strong> <span class="severity">severity '
        f"{each.peak_severity:.1f} of 12</span></li>"
        for each in event.defects[:6]
    )
    more = len(event.defects) + event.defects_left_out - 6
    if more > 0:
        lines += f"<li>and {more} more</li>"
    return f'<ul class="defects">{lines}</ul>'


def guidance(view: PartView, heading: str = "h3") -> str:
    """Return the guidance for the kinds of the part. heading: the element below its heading."""
    return "".join(
        f'<div class="guidance"><{heading}>What to do: {words(kind)}</{heading}>'
        f"<p>{words(text)}</p></div>"
        for kind, text in view.guidance
    )


def ejector(view: PartView) -> str:
    """Return the action of the ejector as a line."""
    action = view.part.action
    is_bad = action is not None and action.action is ActuationAction.MISSED
    tone = ' class="bad"' if is_bad else ""
    return f"<p{tone}>Ejector: {words(ejector_words(action))}</p>"


def marks(view: PartView, now_s: float, heading: str = "h3") -> str:
    """Return the marks of the part as a list; empty where there are none."""
    lines = "".join(
        f"<li><strong>{words(each.mark)}</strong> {words(each.note)} "
        f"{moment(each.marked_utc, now_s)}</li>"
        for each in view.part.marks
    )
    return f'<{heading}>Marks</{heading}><ul class="marks">{lines}</ul>' if lines else ""


def large(view: PartView, now_s: float) -> str:
    """Return the newest rejected part, with everything that the person at the line needs."""
    event = view.part.event
    picture = drawing(view) or '<p class="none">no picture, and no place of a defect</p>'
    reason = f'<p class="soft">{words(event.reason)}</p>' if event.defects else ""
    return (
        f'<article class="card newest"><h2>{title(event, now_s, is_link=True)}</h2>'
        f'<div class="columns"><div>{picture}</div><div>{defect_lines(event)}{guidance(view)}'
        f"{ejector(view)}{reason}{marks(view, now_s)}</div></div></article>"
    )


def small(view: PartView, now_s: float) -> str:
    """Return an earlier rejected part as a card."""
    event = view.part.event
    is_marked = "".join(f" · marked {words(each.mark)}" for each in view.part.marks[-1:])
    return (
        f'<article class="card"><h3>{title(event, now_s, is_link=True)}</h3>{drawing(view)}'
        f"{defect_lines(event)}{ejector(view)}"
        + (f'<p class="soft">{is_marked.lstrip(" ·")}</p>' if is_marked else "")
        + "</article>"
    )


def full(view: PartView, now_s: float) -> str:
    """Return the page part of one part: every defect, and all that is known."""
    event = view.part.event
    rows = "".join(
        f"<tr><th scope=row>{words(each.kind)}</th><td>{each.peak_severity:.1f}</td>"
        f"<td>{each.confidence:.2f}</td><td>{each.area_px}</td></tr>"
        for each in event.defects
    )
    table = (
        '<div class="scroll" tabindex="0"><table><thead><tr><th scope="col">kind</th>'
        '<th scope="col">severity</th><th scope="col">confidence</th>'
        f'<th scope="col">area, px</th></tr></thead><tbody>{rows}</tbody></table></div>'
    )
    score = "" if event.part_score is None else f" · score of the part {event.part_score:.2f}"
    what = "why there is no verdict" if event.decision is Decision.UNKNOWN else "rule"
    return (
        f'<article class="card newest"><h1>{title(event, now_s, is_link=False)}</h1>'
        f'<div class="columns"><div>{drawing(view) or "<p class=none>no picture</p>"}</div>'
        f"<div>{guidance(view, 'h2')}{table if rows else ''}<p>{what}: {words(event.reason)}</p>"
        f"{ejector(view)}<p class=soft>bundle {words(event.bundle)}{score}</p>"
        f"{marks(view, now_s, 'h2')}</div></div></article>"
    )
