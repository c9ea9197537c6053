"""The rows that an event adds to the tables, apart from its own row in ``events``.

Values that a database cannot store are changed here. Texts are cut and lose NUL characters, and
numbers that are not finite become null. An event whose whole numbers exceed 64 bits has no rows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite

from sqlalchemy import Table

from central.store import tables
from central.store.command_tables import command_answers
from central.store.message import EventMessage, parse_utc
from central.store.rollout_tables import system_reports, update_reports
from central.store.tables import MINUTE_US
from edge.events.command import CommandEvent
from edge.events.condition import DriftEvent, SelfTestEvent
from edge.events.event import (
    ActuationAction,
    ActuationEvent,
    DefectPayload,
    GapEvent,
    MarkEvent,
    PartEvent,
)
from edge.events.payload import MAX_TEXT_CHARS
from edge.events.start import StartEvent
from edge.events.system_update import SystemUpdateEvent
from edge.events.update import UpdateEvent
from edge.records import Decision

MAX_NAME_CHARS = 100
"""Longer names of kinds and bundles are cut, because they are in an index."""

# A station's clock that differs more from the central one is not used for figures per minute.
_MAX_AHEAD_US = 600_000_000
_MAX_BEHIND_US = 400 * tables.DAY_US
_MAX_INTEGER = 1 << 63

Row = tuple[object, ...]


class UnstorableError(ValueError):
    """A value of an event exceeds what a database stores."""


@dataclass(frozen=True, slots=True)
class EventPlace:
    """The keys of an event's rows. station_id, journal_id: rows of the tables of these names."""

    station_id: int
    journal_id: int


@dataclass(slots=True)
class DerivedRows:
    """The rows of a batch, by table, and what it adds to the figures per minute.

    minutes: station, minute and bundle, with the names of columns of ``rollups``. kinds: station,
    minute and kind, with the names of columns of ``rollup_kinds``.
    """

    rows: dict[Table, list[Row]] = field(default_factory=lambda: defaultdict(list))
    minutes: dict[tuple[int, int, str], dict[str, int]] = field(default_factory=dict)
    kinds: dict[tuple[int, int, str], dict[str, int]] = field(default_factory=dict)

    def add(self, read: EventMessage, place: EventPlace) -> None:
        """Add the rows of one event. Raises UnstorableError, and then adds nothing."""
        event = read.event
        head = (
            read.message.received_us,
            place.station_id,
            place.journal_id,
            read.run,
            read.sequence,
        )
        if isinstance(event, PartEvent):
            self._add_part(head, event)
        elif isinstance(event, ActuationEvent):
            self._add_actuation(head, event)
        elif isinstance(event, MarkEvent):
            picture = None if event.picture is None else _text(event.picture)
            texts = (_text(event.mark), _text(event.note), _name(event.mark_id))
            row = (_whole(event.part_id), *texts, _name(event.marked_utc), picture)
            self.rows[tables.marks].append((*head, *row))
        elif isinstance(event, CommandEvent):
            self.rows[command_answers].append((*head, *_answer(event)))
        elif isinstance(event, UpdateEvent):
            self.rows[update_reports].append((*head, *_update(event, head[0])))
        elif isinstance(event, SystemUpdateEvent):
            self.rows[system_reports].append((*head, *_system_update(event, head[0])))
        elif isinstance(event, GapEvent):
            numbers = map(_whole_or_none, (event.count, event.first, event.last))
            tail = (_at(event.utc, head[0]), *numbers, _text(event.reason))
            self.rows[tables.gaps].append((*head, *tail))
        elif isinstance(event, StartEvent):
            self.rows[tables.starts].append((*head, *_start(event, head[0])))
        elif isinstance(event, DriftEvent):
            self.rows[tables.drifts].append((*head, *_drift(event, head[0])))
        elif isinstance(event, SelfTestEvent):
            self.rows[tables.self_tests].append((*head, *_self_test(event, head[0])))

    def _add_part(self, head: tuple[int, int, int, str, int], event: PartEvent) -> None:
        received_us, station_id = head[:2]
        at_us = _at(event.utc, received_us)
        part_id = _whole(event.part_id)
        rows = [_defect(head, part_id, *each) for each in enumerate(event.defects)]
        # Not a number would compare with nothing.
        worst = max(event.defects, key=lambda each: _real(each.peak_severity) or 0.0, default=None)
        kind = "" if worst is None else _name(worst.kind)
        bundle, decision = _name(event.bundle), event.decision
        row = (
            at_us,
            parse_utc(event.utc),
            part_id,
            decision.value,
            _text(event.reason),
            kind,
            None if worst is None else _real(worst.peak_severity),
            _real(event.peak_severity),
            _real(event.part_score),
            len(event.defects) + _whole(event.defects_left_out),
            _chain_us(event),
            bundle,
        )
        self.rows[tables.parts].append((*head, *row))
        self.rows[tables.defects].extend(rows)
        minute = at_us // MINUTE_US
        self._count(station_id, minute, bundle, "inspected", _COUNTED[decision])
        for each in event.defects:
            self._count_kind(station_id, minute, _name(each.kind), "defects")
        if decision is Decision.REJECT and kind:
            self._count_kind(station_id, minute, kind, "rejected")

    def _add_actuation(self, head: tuple[int, int, int, str, int], event: ActuationEvent) -> None:
        at_us = _at(event.utc, head[0])
        row = (
            at_us,
            _whole_or_none(event.part_id),
            event.action.value,
            event.cause.value,
            _real(event.error_us),
            _whole(event.width_us),
        )
        self.rows[tables.actuations].append((*head, *row))
        if event.action in (ActuationAction.EJECTED, ActuationAction.MISSED):
            self._count(head[1], at_us // MINUTE_US, "", event.action.value)

    def _count(self, station_id: int, minute: int, bundle: str, *columns: str) -> None:
        sums = self.minutes.setdefault((station_id, minute, bundle), defaultdict(int))
        for column in columns:
            sums[column] += 1

    def _count_kind(self, station_id: int, minute: int, kind: str, column: str) -> None:
        self.kinds.setdefault((station_id, minute, kind), defaultdict(int))[column] += 1


_COUNTED: Mapping[Decision, str] = {
    Decision.PASS: "passed",
    Decision.REJECT: "rejected",
    Decision.UNKNOWN: "unknown",
}


def storable_text(text: str, most: int = MAX_TEXT_CHARS) -> str:
    """Return a text that both databases store: cut, without NUL and without lone surrogates."""
    if "\0" in text:  # PostgreSQL refuses it
        text = text.replace("\0", "\ufffd")
    return text[:most].encode("utf-8", "replace").decode("utf-8")


def _start(event: StartEvent, received_us: int) -> Row:
    return (
        _at(event.utc, received_us),
        _name(event.bundle),
        _name(event.version),
        _whole(event.first_part),
        event.last_end,
        _whole(event.recovered),
        _whole(event.unaccounted_parts),
        _real(event.unwatched_s),
    )


def _drift(event: DriftEvent, received_us: int) -> Row:
    return (
        _at(event.utc, received_us),
        event.state,
        event.severity,
        _name(event.measure),
        _name(event.stream),
        _name(event.unit),
        _real(event.value),
        _real(event.expected),
        _whole(event.part_id),
    )


def _self_test(event: SelfTestEvent, received_us: int) -> Row:
    return (
        _at(event.utc, received_us),
        _name(event.bundle),
        _text(event.subject),
        int(event.reproduced),
        _text(event.reason),
        _whole(event.since_part),
        _whole(event.part_id),
    )


def _answer(event: CommandEvent) -> Row:
    return (
        _name(event.command_id),
        _name(event.kind),
        event.state,
        _text(event.reason),
        _name(event.key),
        _whole_or_none(event.counter),
        _whole(event.more),
        _name(event.decided_utc),
    )


def _update(event: UpdateEvent, received_us: int) -> Row:
    return (
        _at(event.changed_utc, received_us),
        _name(event.update_id),
        _name(event.desired_id),
        _whole_or_none(event.revision),
        *map(_name, (event.name, event.version, event.sha256)),
        event.state,
        _text(event.reason),
        _text(event.running),
        "" if event.figures is None else storable_text(event.figures.model_dump_json(), 2_000),
        _whole(event.more),
    )


def _system_update(event: SystemUpdateEvent, received_us: int) -> Row:
    return (
        _at(event.changed_utc, received_us),
        *map(_name, (event.change_id, event.update_id)),
        event.state,
        _name(event.version),
        event.slot,
        _text(event.reason),
        _name(event.running),
        event.running_slot,
    )


def _defect(head: Row, part_id: int, position: int, each: DefectPayload) -> Row:
    return (
        *head,
        part_id,
        position,
        _name(each.kind),
        _real(each.peak_severity),
        _real(each.mean_severity),
        _real(each.confidence),
        _whole(each.area_px),
        *map(_whole, each.box),
    )


def _chain_us(event: PartEvent) -> int | None:
    timings = event.timings_us
    if timings is None:
        return None
    steps = (timings.detect, timings.filter, timings.components, timings.classify, timings.decide)
    total = _real(sum(steps))
    return None if total is None or abs(total) >= _MAX_INTEGER else round(total)


def _at(utc: str, received_us: int) -> int:
    """Return the time of the station where it is plausible, otherwise that of reception."""
    utc_us = parse_utc(utc)
    if utc_us is None or not -_MAX_AHEAD_US <= received_us - utc_us <= _MAX_BEHIND_US:
        return received_us
    return utc_us


def _text(text: str) -> str:
    return storable_text(text)


def _name(text: str) -> str:
    return storable_text(text, MAX_NAME_CHARS)


def _real(value: float | None) -> float | None:
    return value if value is not None and isfinite(value) else None


def _whole(value: int) -> int:
    if not -_MAX_INTEGER <= value < _MAX_INTEGER:
        raise UnstorableError("a whole number exceeds 64 bits")
    return value


def _whole_or_none(value: int | None) -> int | None:
    return None if value is None else _whole(value)
