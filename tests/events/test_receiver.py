"""The receiver: repeats go, order and holes are seen."""

import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from edge.events.event import gap_event
from edge.events.identity import Stored
from edge.events.receiver import Received, Receiver
from edge.events.reference import reference

BODY = gap_event("s", count=1, reason="x").model_dump_json()


def payload(sequence: int, journal: str = "j") -> bytes:
    return Stored("s", journal, sequence, BODY).payload


def take(receiver: Receiver, *sequences: int) -> list[tuple[int, range, bool]]:
    taken: list[Received | None] = [receiver.accept(payload(number)) for number in sequences]
    return [(r.identity.sequence, r.hole, r.late) for r in taken if r is not None]


def test_repeats_are_dropped() -> None:
    assert [n for n, _, _ in take(Receiver(), 5, 6, 7, 5, 6, 7, 8)] == [5, 6, 7, 8]


def test_a_hole_is_noted_and_may_be_filled_late() -> None:
    receiver = Receiver()
    assert take(receiver, 1, 5) == [(1, range(1, 1), False), (5, range(2, 5), False)]
    assert take(receiver, 3, 3, 5) == [(3, range(3, 3), True)]
    assert receiver.holes() == {"j": (range(2, 3), range(4, 5))}
    assert take(receiver, 2, 4, 2, 4) == [(2, range(2, 2), True), (4, range(4, 4), True)]
    assert receiver.holes() == {"j": ()}


def test_a_new_journal_counts_by_itself() -> None:
    receiver = Receiver()
    assert receiver.accept(payload(9))
    assert receiver.accept(payload(1, "k"))
    assert receiver.accept(payload(1, "k")) is None
    assert receiver.last_sequences() == {"j": 9, "k": 1}


def test_a_receiver_goes_on_where_another_stopped() -> None:
    receiver = Receiver({"j": 9})
    assert [n for n, _, _ in take(receiver, 8, 9, 10)] == [10]


@given(st.lists(st.integers(1, 30), max_size=80))
def test_nothing_twice_and_nothing_lost_in_any_order(sequences: list[int]) -> None:
    receiver = Receiver({"j": 0})
    taken = [number for number, _, _ in take(receiver, *sequences)]
    assert sorted(taken) == sorted(set(sequences))
    missing = {n for hole in receiver.holes()["j"] for n in hole}
    assert missing == set(range(1, max(sequences, default=0))) - set(sequences)


def test_the_reference_is_up_to_date() -> None:
    file = Path(__file__).parents[2] / "docs" / "topics.md"
    assert file.read_text(encoding="utf-8") == reference(), (
        "run: python -m edge.events.reference > docs/topics.md"
    )


def test_every_type_can_be_read_in_the_reference() -> None:
    blocks = reference().split("```json\n")[1:]
    titles = [json.loads(block.split("\n```")[0])["title"] for block in blocks]
    assert titles == [
        *("PartEvent", "ActuationEvent", "MarkEvent", "DriftEvent", "SentinelEvent"),
        *("GapEvent", "StatusEvent"),
    ]
