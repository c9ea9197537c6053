"""Versioned payloads of the events of a station. Receivers ignore keys that they do not know.

Fields are only ever added to a version. A field that is removed or changes its meaning makes a new
version. Times named ``*_ns`` are CLOCK_MONOTONIC of the boot ``boot_id`` and compare within that
boot only. ``utc`` is the wall clock, for people.
"""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Literal

from pydantic import Field

from edge.clock import boot_id, utc_now
from edge.events.command import CommandEvent
from edge.events.condition import DriftEvent, SelfTestEvent
from edge.events.health import CertificateValidity, DiskSpace, RunningSystem
from edge.events.payload import MAX_TEXT_CHARS, Payload, StationEvent
from edge.events.start import StartEvent
from edge.events.system_update import SystemUpdateEvent
from edge.events.update import UpdateEvent
from edge.inbox import Mark, MarkKind
from edge.records import Decision, Defect, Timings, Verdict

MAX_DEFECTS = 64
"""Most defects in one payload. 64 defects with texts and outlines of the full length are under
100 kB, so the payload of a frame with very many small defects is limited too."""


class DefectPayload(Payload):
    """One defect of a part, in pixels of the frame."""

    kind: str = Field(description="kind of the defect as the bundle names it, for instance scratch")
    confidence: float = Field(description="mean score of this kind by the classifier, 0 to 1")
    guidance: str = Field(description="advice of the bundle for this kind of defect; may be empty")
    box: tuple[int, int, int, int] = Field(
        description="left, top, right and bottom in pixels; right and bottom are exclusive"
    )
    area_px: int = Field(description="number of pixels at or above the threshold")
    peak_severity: float = Field(description="largest severity of these pixels, 0 to 12")
    mean_severity: float = Field(description="mean severity of these pixels, 0 to 12")
    outline: tuple[tuple[tuple[int, int], ...], ...] = Field(
        default=(),
        description="simplified outline, to draw the defect without its picture: polygons of "
        "points [x, y] in pixels of the frame; empty beyond the 16 most severe defects",
    )


class TimingsPayload(Payload):
    """The time that each step of the chain took, in microseconds."""

    detect: float = Field(description="time of the detector network, in microseconds")
    filter: float = Field(description="time of the filter, in microseconds")
    components: float = Field(description="time to find connected components, in microseconds")
    classify: float = Field(description="time of the classifier network, in microseconds")
    decide: float = Field(description="time of the decision, in microseconds")


class PartEvent(StationEvent):
    """The verdict on one part."""

    type: Literal["outfeed.part/1"] = Field(
        default="outfeed.part/1", description="type and version of the event"
    )
    bundle: str = Field(description="id of the model bundle that gave the verdict")
    part_id: int = Field(description="number of the part, never used twice at a station")
    decision: Decision = Field(description="PASS, REJECT, or UNKNOWN: no verdict in time")
    reason: str = Field(description="the rule that decided, or the reason for UNKNOWN")
    peak_severity: float = Field(description="largest severity in the whole frame, 0 to 12")
    defects: tuple[DefectPayload, ...] = Field(
        description=f"defects of the part, at most {MAX_DEFECTS}"
    )
    defects_left_out: int = Field(
        default=0,
        description=f"number of defects beyond the first {MAX_DEFECTS}, which are not in this "
        "payload",
    )
    timings_us: TimingsPayload | None = Field(
        description="time of each step of the chain; null where no chain ran"
    )
    triggered_ns: int = Field(description="time at which the photo-eye reported the part")
    part_score: float | None = Field(
        default=None,
        description="score of the whole part by the decision head of the bundle, 0 to 12; null "
        "where the bundle has none, or where no chain ran",
    )


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

    type: Literal["outfeed.actuation/1"] = Field(
        default="outfeed.actuation/1", description="type and version of the event"
    )
    part_id: int | None = Field(description="number of the part; null for an unannounced part")
    due_ns: int | None = Field(
        description="time at which the part was due at the ejector; null if not known"
    )
    at_ns: int = Field(
        description="for ejected: time from which the output was active for this part, by the real "
        "edge of the output. For other actions: time at which the rejector processed the part"
    )
    width_us: int = Field(
        description="time in microseconds that the output stayed active from at_ns on; 0 unless "
        "ejected"
    )
    error_us: float | None = Field(
        description="at_ns minus due_ns, in microseconds; positive is late; null if due_ns is null"
    )
    action: ActuationAction = Field(description="the action of the ejector")
    cause: ActuationCause = Field(description="the reason for this action")


class MarkEvent(StationEvent):
    """The statement of a person about one part, made later. Any part with a number can be
    marked."""

    type: Literal["outfeed.mark/1"] = Field(
        default="outfeed.mark/1", description="type and version of the event"
    )
    part_id: int = Field(description="number of the marked part")
    mark: MarkKind = Field(
        description="`escape`: the part passed and is bad. `false-reject`: the part was ejected "
        "and is good. `true-reject`: the part was ejected and is bad. `look`: the part is to be "
        "reviewed. `self-test`: the part is known to be bad and was put on the belt as a test"
    )
    note: str = Field(description="note of the person; may be empty")
    mark_id: str = Field(
        description="unique id of the mark; after a crash the journal may have a mark twice"
    )
    marked_utc: str = Field(description="time at which the person marked the part, RFC 3339")
    picture: str | None = Field(
        description="file name of the part's picture in the picture store of the station; null "
        "where it has no picture of the part, or none any more"
    )


class GapEvent(StationEvent):
    """Events that were lost on the station, before they could be published.

    If `first` and `last` are given, this event itself has the sequence number `last`. It stands for
    the numbers `first` to `last` of its journal. Some of those events may have arrived before.
    """

    type: Literal["outfeed.gap/1"] = Field(
        default="outfeed.gap/1", description="type and version of the event"
    )
    count: int | None = Field(description="number of lost events; null if not known")
    first: int | None = Field(
        description="first lost sequence number; null if the lost events had no number yet"
    )
    last: int | None = Field(
        description="last lost sequence number; null if the lost events had no number yet"
    )
    reason: str = Field(description="the reason for the loss")

    @property
    def weight(self) -> int:
        return self.count or 0


class OtherEvent(StationEvent):
    """An event of a type that the receiver's version of Outfeed does not know."""

    type: str = Field(description="type and version of the event")


class StatusEvent(StationEvent):
    """The retained status of a station's uplink. It is not journalled and has no sequence
    number."""

    type: Literal["outfeed.status/1"] = Field(
        default="outfeed.status/1", description="type and version of the status"
    )
    state: Literal["online", "offline"] = Field(description="state of the uplink")
    cause: Literal["connected", "stopped", "lost"] = Field(
        description="`connected`: the uplink connected. `stopped`: the uplink stopped in order. "
        "`lost`: the last will; utc is then the time at which the lost connection began"
    )
    version: str = Field(description="version of Outfeed")
    bundle: str | None = Field(
        description="file name of the model bundle in station.toml; null if not known"
    )
    undelivered: int = Field(
        default=0,
        description="number of events that a broker refused for a lasting reason; a gap event with "
        "the same sequence number was published in the place of each",
    )
    last_undelivered: str = Field(
        default="", description="event_id of the last undelivered event, and the reason"
    )
    unheard: int = Field(
        default=0,
        description="number of events that the broker accepted, but for which it had no subscriber",
    )
    journal: str = Field(
        default="",
        description="UUID of the present journal; empty if there is none yet",
    )
    published: int = Field(
        default=0,
        description="the sequence number up to which the broker had confirmed every event of this "
        "journal when the status was made",
    )
    note: str = Field(
        default="",
        description="a note for people, for instance that two clients have the same name",
    )
    commissioning: str = Field(
        default="",
        description="`done`: `outfeed commission` gave GO for this station. `waiting`: it did not, "
        "and the station inspects nothing before. `trial`: it did not, and the station inspects. "
        "Empty: not known",
    )
    certificates: tuple[CertificateValidity, ...] = Field(
        default=(), description="the certificates of the station and their ends of validity"
    )
    disks: tuple[DiskSpace, ...] = Field(
        default=(), description="the disks of the station, each file system once"
    )
    system: RunningSystem | None = Field(
        default=None,
        description="the system that runs, on a unit with an image; otherwise null",
    )


Event = (
    StartEvent
    | PartEvent
    | ActuationEvent
    | MarkEvent
    | DriftEvent
    | SelfTestEvent
    | CommandEvent
    | UpdateEvent
    | SystemUpdateEvent
    | GapEvent
)
"""Every event that can be journalled."""

AnyEvent = Annotated[Event, Field(discriminator="type")]
"""The same for pydantic, which selects the model by ``type``."""


def part_event(station: str, bundle: str, verdict: Verdict, triggered_ns: int) -> PartEvent:
    """Return the event of a verdict. Long texts are cut. Defects beyond MAX_DEFECTS are counted."""
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
        part_score=verdict.part_score,
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
    """Return the event of a person's mark. picture: file name of the part's picture."""
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
    """Return the event that reports a loss, for instance by a full queue before the journal."""
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
        outline=defect.outline,
    )
