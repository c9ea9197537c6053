"""What a station says, as versioned payloads. Receivers ignore keys that they do not know.

A field is only ever added to a version; one that changes its meaning or goes makes a new version.
Times: ``*_ns`` are CLOCK_MONOTONIC of the boot named by ``boot_id`` and compare within that boot
only; ``utc`` is the wall clock, for people.
"""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Literal

from pydantic import Field

from edge.clock import boot_id, utc_now
from edge.events.condition import DriftEvent, SelfTestEvent
from edge.events.payload import MAX_TEXT_CHARS, Payload, StationEvent
from edge.events.start import StartEvent
from edge.inbox import Mark, MarkKind
from edge.records import Decision, Defect, Timings, Verdict

# So that a frame full of specks is bounded too: 64 defects with full guidance are under 50 kB.
MAX_DEFECTS = 64


class DefectPayload(Payload):
    """One defect of a part, in frame pixels; severities on the scale 0 to 12."""

    kind: str
    confidence: float = Field(description="share of trust in the kind, 0 to 1")
    guidance: str = Field(description="what a person should do about this kind")
    box: tuple[int, int, int, int] = Field(description="left, top, right, bottom; exclusive ends")
    area_px: int
    peak_severity: float
    mean_severity: float


class TimingsPayload(Payload):
    """Microseconds spent in each step of the chain."""

    detect: float
    filter: float
    components: float
    classify: float
    decide: float


class PartEvent(StationEvent):
    """The verdict on one part."""

    type: Literal["outfeed.part/1"] = "outfeed.part/1"
    bundle: str = Field(description="id of the model bundle that judged")
    part_id: int
    decision: Decision
    reason: str = Field(description="the rule that decided, or why there is no verdict")
    peak_severity: float = Field(description="largest severity anywhere in the frame, 0 to 12")
    defects: tuple[DefectPayload, ...]
    defects_left_out: int = Field(
        default=0, description=f"defects beyond the first {MAX_DEFECTS}, not in this payload"
    )
    timings_us: TimingsPayload | None = Field(description="null where no chain ran")
    triggered_ns: int = Field(description="when the photo-eye saw the part")


class ActuationAction(str, Enum):
    """The action of the ejector on a part.

    - ejected: the output was active for this part.
    - passed: the output was inactive for this part.
    - missed: the part had to be ejected and was not.
    - no_part: the edge of the photo-eye began no part.
    """

    EJECTED = "ejected"
    PASSED = "passed"
    MISSED = "missed"
    NO_PART = "no_part"


class ActuationCause(str, Enum):
    """The reason for the action on a part.

    - verdict: the verdict decided.
    - unknown: there was no verdict in time; `on_unknown` decided.
    - queue_full: the reject queue was full, so `on_unknown` decided.
    - rejector_down: no rejector process was running when the part reached the ejector.
    - too_close: the part was too close to a part that had to be ejected.
    - position_lost: the position of the part on the belt was lost.
    - absent: the ejector eye did not see the part.
    - unannounced: the ejector eye saw a part that was never announced; `part_id` is null.
    - seen_again: the edge belongs to a known part, which bounced or returned on the belt (action
      no_part).
    - backward: the belt ran backward (action no_part).
    - overrun: the part had to pass, but the output was still active for another part. It is
      reported as ejected.
    """

    VERDICT = "verdict"
    UNKNOWN = "unknown"
    QUEUE_FULL = "queue_full"
    REJECTOR_DOWN = "rejector_down"
    TOO_CLOSE = "too_close"
    POSITION_LOST = "position_lost"
    ABSENT = "absent"
    UNANNOUNCED = "unannounced"
    SEEN_AGAIN = "seen_again"
    BACKWARD = "backward"
    OVERRUN = "overrun"


class ActuationEvent(StationEvent):
    """The action of the rejector on one part, or an edge of the photo-eye that began no part."""

    type: Literal["outfeed.actuation/1"] = "outfeed.actuation/1"
    part_id: int | None = Field(description="null for a part that nobody announced")
    due_ns: int | None = Field(description="when the output should have become active")
    at_ns: int = Field(description="when it was active for this part, by the output's real edge")
    width_us: int = Field(description="how long it stayed active from then on, on the line")
    error_us: float | None = Field(description="at minus due; positive is late")
    action: ActuationAction
    cause: ActuationCause


class MarkEvent(StationEvent):
    """What a person says of a part: afterwards, and of any part that has a number."""

    type: Literal["outfeed.mark/1"] = "outfeed.mark/1"
    part_id: int
    mark: MarkKind = Field(
        description="escape: it passed and is bad; false-reject: it was ejected and is good; "
        "true-reject: it was ejected and is bad; look: to be reviewed; self-test: a known bad "
        "part that was put on the belt"
    )
    note: str
    mark_id: str = Field(description="unique; a crash may journal a mark twice")
    marked_utc: str = Field(description="when the person said so")
    picture: str | None = Field(
        description="the part's picture in the station's album; null where there is none any more"
    )


class GapEvent(StationEvent):
    """Events that were lost on the station, before they could be published.

    Where ``first`` and ``last`` are given, this event has the sequence ``last`` itself and stands
    for ``first`` to ``last`` of its journal; some of those may have arrived all the same.
    """

    type: Literal["outfeed.gap/1"] = "outfeed.gap/1"
    count: int | None = Field(description="events lost; null where nobody can say")
    first: int | None = Field(description="first sequence lost; null where none was given out")
    last: int | None = Field(description="last sequence lost; null where none was given out")
    reason: str

    @property
    def weight(self) -> int:
        return self.count or 0


class OtherEvent(StationEvent):
    """For receivers: an event of a type that this version does not know."""

    type: str


class StatusEvent(StationEvent):
    """The retained state of a station's uplink; it is not journalled and has no sequence."""

    type: Literal["outfeed.status/1"] = "outfeed.status/1"
    state: Literal["online", "offline"]
    cause: Literal["connected", "stopped", "lost"] = Field(
        description="'lost' is the last will: utc is then the start of the lost connection"
    )
    version: str = Field(description="of Outfeed")
    bundle: str | None
    undelivered: int = Field(
        default=0,
        description="events that a broker did not take for a lasting reason; a gap event with the "
        "same sequence was published in the place of each",
    )
    last_undelivered: str = Field(default="", description="the last of them, and the reason")
    unheard: int = Field(
        default=0, description="events that the broker took and for which it had no subscriber"
    )
    note: str = Field(
        default="",
        description="for a person; for instance, that two clients have this name",
    )


Event = StartEvent | PartEvent | ActuationEvent | MarkEvent | DriftEvent | SelfTestEvent | GapEvent
"""What can be journalled."""

AnyEvent = Annotated[Event, Field(discriminator="type")]
"""The same for pydantic, which tells the kinds apart by ``type``."""


def part_event(station: str, bundle: str, verdict: Verdict, triggered_ns: int) -> PartEvent:
    """The event of a verdict. Long texts are cut, defects beyond MAX_DEFECTS only counted."""
    return PartEvent(
        station=station,
        boot_id=boot_id(),
        utc=utc_now(),
        bundle=bundle,
        part_id=verdict.part_id,
        decision=verdict.decision,
        reason=verdict.reason[:MAX_TEXT_CHARS],
        peak_severity=verdict.peak_severity,
        defects=tuple(_defect(defect) for defect in verdict.defects[:MAX_DEFECTS]),
        defects_left_out=max(0, len(verdict.defects) - MAX_DEFECTS),
        timings_us=None if verdict.timings is None else _timings(verdict.timings),
        triggered_ns=triggered_ns,
    )


def actuation_event(
    station: str,
    *,
    part_id: int | None,
    due_ns: int | None,
    at_ns: int,
    width_us: int,
    action: ActuationAction,
    cause: ActuationCause,
) -> ActuationEvent:
    """Return the event of the ejector's action on one part."""
    return ActuationEvent(
        station=station,
        boot_id=boot_id(),
        utc=utc_now(),
        part_id=part_id,
        due_ns=due_ns,
        at_ns=at_ns,
        width_us=width_us,
        error_us=None if due_ns is None else (at_ns - due_ns) / 1e3,
        action=action,
        cause=cause,
    )


def mark_event(station: str, mark: Mark, picture: str | None) -> MarkEvent:
    """The event of a person's mark. picture: its file's name."""
    return MarkEvent(
        station=station,
        boot_id=boot_id(),
        utc=utc_now(),
        part_id=mark.part_id,
        mark=mark.kind,
        note=mark.note[:MAX_TEXT_CHARS],
        mark_id=mark.id,
        marked_utc=mark.utc,
        picture=picture,
    )


def gap_event(
    station: str,
    *,
    count: int | None,
    reason: str,
    first: int | None = None,
    last: int | None = None,
) -> GapEvent:
    """The event that says what was lost, for instance by a full queue before the journal."""
    return GapEvent(
        station=station,
        boot_id=boot_id(),
        utc=utc_now(),
        count=count,
        first=first,
        last=last,
        reason=reason[:MAX_TEXT_CHARS],
    )


def _timings(timings: Timings) -> TimingsPayload:
    return TimingsPayload(
        detect=timings.detect_us,
        filter=timings.filter_us,
        components=timings.components_us,
        classify=timings.classify_us,
        decide=timings.decide_us,
    )


def _defect(defect: Defect) -> DefectPayload:
    region, box = defect.region, defect.region.box
    return DefectPayload(
        kind=defect.kind[:MAX_TEXT_CHARS],
        confidence=defect.confidence,
        guidance=defect.guidance[:MAX_TEXT_CHARS],
        box=(box.left, box.top, box.right, box.bottom),
        area_px=region.area_px,
        peak_severity=region.peak_severity,
        mean_severity=region.mean_severity,
    )
