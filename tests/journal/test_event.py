"""Tests of payloads: content, limits of size, the JSON form, and a description of each field."""

import json
from dataclasses import replace

import pytest
from pydantic import BaseModel

from edge.chain.outline import MAX_OUTLINED, MAX_POINTS, MAX_POLYGONS
from edge.errors import OutfeedError
from edge.events.event import (
    MAX_DEFECTS,
    ActuationAction,
    ActuationCause,
    OtherEvent,
    PartEvent,
    actuation_event,
    gap_event,
    mark_event,
    part_event,
)
from edge.events.identity import EventIdentity, StoredEvent, parse_payload, wire_schema
from edge.events.payload import MAX_TEXT_CHARS, Topics
from edge.inbox import new_mark
from edge.line.outcome import Action, Cause
from edge.records import Box, Decision, Defect, Region, Timings, Verdict
from tools.reference.mqtt import all_events

SCRATCH = Defect(
    Region(Box(1, 2, 30, 40), 17, 6.5, 3.25),
    "scratch",
    0.75,
    "clean the roller",
    outline=(((1, 2), (29, 39)),),
)


def verdict(*defects: Defect, reason: str = "scratch: severity 6.5 above 5") -> Verdict:
    return Verdict(7, Decision.REJECT, reason, defects, 6.5, Timings(100, 20, 30, 40, 5))


def test_a_verdict_is_the_same_after_publication() -> None:
    event = part_event("press-3", "steel-1.2", verdict(SCRATCH), triggered_ns=123)
    stored = StoredEvent("press-3", "0f-uuid", "0a", 5, event.model_dump_json())

    flat = json.loads(stored.payload)
    assert flat == {
        "event_id": "press-3:0f-uuid:0a:5",
        "journal": "0f-uuid",
        "run": "0a",
        "sequence": 5,
        "station": "press-3",
        "boot_id": event.boot_id,
        "utc": event.utc,
        "type": "outfeed.part/1",
        "bundle": "steel-1.2",
        "part_id": 7,
        "decision": "REJECT",
        "reason": "scratch: severity 6.5 above 5",
        "peak_severity": 6.5,
        "defects": [
            {
                "kind": "scratch",
                "confidence": 0.75,
                "guidance": "clean the roller",
                "box": [1, 2, 30, 40],
                "area_px": 17,
                "peak_severity": 6.5,
                "mean_severity": 3.25,
                "outline": [[[1, 2], [29, 39]]],
            }
        ],
        "defects_left_out": 0,
        "timings_us": {
            "detect": 100.0,
            "filter": 20.0,
            "components": 30.0,
            "classify": 40.0,
            "decide": 5.0,
        },
        "triggered_ns": 123,
        "part_score": None,
    }
    identity, back = parse_payload(stored.payload)
    assert back == event
    assert (identity.event_id, identity.sequence) == (stored.event_id, 5)
    assert (
        set(wire_schema(PartEvent)["required"])
        <= set(flat)
        == set(wire_schema(PartEvent)["properties"])
    )


def test_a_part_without_verdict_has_no_timings() -> None:
    event = part_event("press-3", "steel", Verdict.unknown(8, reason="no frame"), triggered_ns=1)
    assert (event.decision, event.timings_us, event.defects) == (Decision.UNKNOWN, None, ())


def test_a_payload_is_bounded() -> None:
    long = Defect(SCRATCH.region, "k" * 9999, 1.0, "ü" * 9999)
    outline = (((12345, 12345),) * MAX_POINTS,) * MAX_POLYGONS
    defects = [replace(long, outline=outline)] * MAX_OUTLINED + [long] * 1000
    event = part_event("s", "b", verdict(*defects[:1000], reason="r" * 9999), triggered_ns=1)
    assert (len(event.defects), event.defects_left_out) == (MAX_DEFECTS, 1000 - MAX_DEFECTS)
    assert len(event.reason) == MAX_TEXT_CHARS
    assert len(event.model_dump_json().encode()) < 100_000


def test_actuation_error_is_signed() -> None:
    pulse = actuation_event(
        "s",
        part_id=7,
        due_ns=1_000_000,
        at_ns=1_012_500,
        width_us=20_000,
        action=ActuationAction.EJECTED,
        cause=ActuationCause.VERDICT,
    )
    assert pulse.error_us == 12.5
    lone = actuation_event(
        "s",
        part_id=None,
        due_ns=None,
        at_ns=5,
        width_us=1,
        action=ActuationAction.EJECTED,
        cause=ActuationCause.QUEUE_FULL,
    )
    assert lone.error_us is None


def test_weight_is_the_number_of_events_that_a_loss_costs() -> None:
    assert part_event("s", "b", verdict(), 1).weight == 1
    assert gap_event("s", count=5, reason="queue full").weight == 5
    assert gap_event("s", count=None, reason="damaged").weight == 0


def test_receivers_accept_unknown_keys_and_types() -> None:
    event = part_event("s", "b", verdict(SCRATCH), 1)
    flat = json.loads(StoredEvent("s", "j", "r", 1, event.model_dump_json()).payload)
    flat["defects"][0]["new_key"] = flat["new_key"] = 1
    assert parse_payload(json.dumps(flat).encode())[1] == event
    flat["type"] = "outfeed.part/2"
    other = parse_payload(json.dumps(flat).encode())[1]
    assert isinstance(other, OtherEvent)
    assert other.type == "outfeed.part/2"


@pytest.mark.parametrize(
    ("payload", "line"),
    [
        (b"", "payload"),
        (b"\xff\xfe", "payload"),
        (b"[]", "payload"),
        (b"{}", "event_id"),
        (b'{"event_id":"a","journal":"j","sequence":1}', "run"),
        (b'{"event_id":"a","journal":"j","run":"r","sequence":0}', "sequence"),
        (
            b'{"event_id":"a","journal":"j","run":"r","sequence":1,"type":"outfeed.gap/1"}',
            "station",
        ),
    ],
)
def test_a_payload_that_is_not_an_event_is_refused_with_one_line(payload: bytes, line: str) -> None:
    with pytest.raises(OutfeedError, match=line) as caught:
        parse_payload(payload)
    assert "\n" not in str(caught.value)


def test_topics() -> None:
    assert Topics("press-3").events == "outfeed/v1/press-3/events"
    assert Topics("press-3", "plant/a").status == "plant/a/press-3/status"


def test_a_mark_is_the_same_after_publication() -> None:
    mark = new_mark(12, "false-reject", "clean, ä")
    event = mark_event("s", mark, "0000000001-1f3a9c2e-12-reject.png")
    stored = StoredEvent("s", "j", "r", 7, event.model_dump_json())
    identity, again = parse_payload(stored.payload)
    assert (identity.sequence, again) == (7, event)
    assert (event.mark, event.mark_id, event.marked_utc) == ("false-reject", mark.id, mark.utc)
    assert event.weight == 1


def test_every_action_and_cause_of_the_rejector_has_its_name_in_the_payload() -> None:
    assert [each.name for each in Action] == [each.name for each in ActuationAction]
    assert [each.name for each in Cause] == [each.name for each in ActuationCause]
    for name in (*ActuationAction, *ActuationCause):
        assert name.value == name.name.lower()


@pytest.mark.parametrize("model", [EventIdentity, *all_events()], ids=lambda one: one.__name__)
def test_every_field_has_a_description(model: type[BaseModel]) -> None:
    """The reference pages of MQTT are generated from these descriptions."""
    schema = model.model_json_schema(mode="serialization")
    objects = [schema, *(one for one in schema.get("$defs", {}).values() if "properties" in one)]
    fields = [(one["title"], *field) for one in objects for field in one["properties"].items()]
    assert [(title, key) for title, key, field in fields if not field.get("description")] == []
