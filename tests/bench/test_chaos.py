"""The harness of `make chaos`: its records are correct, and every kind of fault is found."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from bench.chaos.faults import flip_bit
from bench.chaos.plant import PartSchedule, RecordingEye, read_eye
from bench.chaos.referee import Evidence, LineAccount, judge
from bench.chaos.witness import Ejector, OpenSpan
from edge.clock import MonotonicClock
from edge.devices.output_simulated import SimulatedOutput, read_claims
from edge.errors import DeviceError
from edge.events.event import ActuationAction, ActuationCause, actuation_event, part_event
from edge.events.identity import StoredEvent
from edge.receiver.receiver import ReceivedEvent, Receiver
from edge.records import Decision, Verdict

MS = 1_000_000
TRAVEL_NS = 300 * MS


def verdict(part_id: int, decision: Decision) -> Verdict:
    if decision is Decision.UNKNOWN:
        return Verdict.unknown(part_id, reason="late")
    return Verdict(part_id, decision, "rule", (), 1.0, None)


def rows(*bodies: str) -> list[StoredEvent]:
    return [StoredEvent("chaos", "j", "run", number, body) for number, body in enumerate(bodies, 1)]


def received(stored: list[StoredEvent]) -> list[ReceivedEvent]:
    receiver = Receiver()
    taken = [receiver.accept("chaos", row.payload) for row in stored]
    return [each for each in taken if each is not None]


def line(*decisions: Decision) -> tuple[dict[int, int], list[StoredEvent]]:
    """Return parts 100 ms apart with these verdicts, and their journal."""
    edges = {number: number * 100 * MS for number in range(len(decisions))}
    events = [
        part_event("chaos", "b", verdict(number + 1, decision), edges[number])
        for number, decision in enumerate(decisions)
    ]
    return edges, rows(*(event.model_dump_json() for event in events))


def account(
    edges: dict[int, int],
    stored: list[StoredEvent],
    struck: list[int],
    delivered: list[ReceivedEvent] | None = None,
) -> LineAccount:
    """Return the result. struck: numbers of the parts that meet an open ejector."""
    spans = [OpenSpan(edges[n] + TRAVEL_NS, edges[n] + TRAVEL_NS + 12 * MS) for n in struck]
    delivered = received(stored) if delivered is None else delivered
    return judge(Evidence(edges, Ejector(spans), delivered, stored, TRAVEL_NS, 12 * MS))


def test_a_line_without_a_fault_is_clean() -> None:
    edges, stored = line(Decision.PASS, Decision.REJECT, Decision.UNKNOWN)
    assert account(edges, stored, [1, 2]).is_clean


@pytest.mark.parametrize(
    ("struck", "wrong"), [([0, 1, 2], 1), ([1], 1), ([], 2)], ids=["pass", "unknown", "both"]
)
def test_a_part_in_the_wrong_state_of_the_ejector_is_found(struck: list[int], wrong: int) -> None:
    edges, stored = line(Decision.PASS, Decision.REJECT, Decision.UNKNOWN)
    assert account(edges, stored, struck).wrong == wrong


def test_a_reported_wrong_ejection_is_clean() -> None:
    edges, stored = line(Decision.PASS)
    event = actuation_event(
        "chaos",
        part_id=1,
        due_ns=TRAVEL_NS,
        at_ns=TRAVEL_NS,
        width_us=12_000,
        action=ActuationAction.EJECTED,
        cause=ActuationCause.QUEUE_FULL,
    )
    stored.append(StoredEvent("chaos", "j", "run", 2, event.model_dump_json()))
    assert account(edges, stored, [0]).is_clean


def test_lost_and_doubled_events_are_found() -> None:
    edges, stored = line(Decision.PASS, Decision.PASS)
    delivered = received(stored)
    assert account(edges, stored, [], delivered[:1]).lost == 1
    assert account(edges, stored, [], [*delivered, delivered[0]]).doubled == 2  # event and verdict


def test_the_eye_records_every_edge_that_it_returns(tmp_path: Path) -> None:
    schedule = PartSchedule(MonotonicClock().now_ns(), 2 * MS, 5)
    moments = [schedule.at_ns(number) for number in range(200)]
    assert moments == sorted(moments)
    eye = RecordingEye(schedule, tmp_path / "eye", clock=MonotonicClock())
    edges = [eye.wait(60.0) for _ in range(5)]
    eye.close()
    assert [edge.sequence for edge in edges if edge] == [1, 2, 3, 4, 5]
    assert sorted(read_eye(tmp_path / "eye").values()) == [edge.at_ns for edge in edges if edge]
    with pytest.raises(DeviceError):
        eye.wait(0.0)


def test_open_times_of_the_ejector_are_read_from_the_record(tmp_path: Path) -> None:
    output = SimulatedOutput(clock=MonotonicClock(), record=tmp_path / "edges")
    output.set(True)
    output.set(False)
    output.set(True)
    output.close()
    opened, closed, again = output.history
    ejector = Ejector.read(tmp_path / "edges")
    assert len(ejector) == 2
    assert read_claims(tmp_path / "edges")[0] <= opened.at_ns
    assert ejector.opens(opened.at_ns, opened.at_ns + 1)
    assert not ejector.opens(opened.at_ns - 5, opened.at_ns)
    assert not ejector.opens(closed.at_ns, again.at_ns)
    assert ejector.opens(again.at_ns + 1, again.at_ns + 2)  # to the end of the record
    SimulatedOutput(clock=MonotonicClock(), record=tmp_path / "edges").close()
    claimed_ns = read_claims(tmp_path / "edges")[-1]
    ejector = Ejector.read(tmp_path / "edges")
    assert ejector.opens(again.at_ns, claimed_ns)
    assert not ejector.opens(claimed_ns, claimed_ns + 1)


def test_a_flip_changes_one_bit(tmp_path: Path) -> None:
    path, dice = tmp_path / "file", random.Random(1)
    assert not flip_bit(path, dice)
    path.write_bytes(bytes(64))
    assert flip_bit(path, dice)
    assert sum(byte.bit_count() for byte in path.read_bytes()) == 1
