"""The decision about a command: what is accepted, and the reason for each refusal."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from edge.bundle.keys import public_of
from edge.commands.judge import AHEAD_S, CommandRules, Moment, judge
from edge.commands.message import (
    MAX_COMMANDS,
    MAX_LIFE_S,
    MAX_MESSAGE_BYTES,
    MAX_RESEND,
    MarkAction,
    PictureAction,
    ResendAction,
    SignedCommand,
    commands_message,
    read_signed,
)
from edge.commands.spool import MAX_ORDERS
from edge.commands.state import CommandState
from edge.errors import OutfeedError
from edge.inbox import Mark, StationAnswer
from tests.support.commands import OPERATOR, SECOND_OPERATOR, UNKNOWN_KEY, command

PLACE = {"station": "press-3", "journal": "j-1", "run": "a1"}
RULES = CommandRules(
    "press-3",
    "j-1",
    {public_of(OPERATOR), public_of(SECOND_OPERATOR)},
    ("mark", "resend", "picture"),
    last_part=100,
)
STATE = CommandState(counters={}, runs=("a1", "a0"))


def moment(**changes: Any) -> Moment:
    return Moment(**{"now_s": time.time(), "utc": "2026-11-30T12:00:00.000000Z", **changes})


def judged(
    *commands: SignedCommand,
    state: CommandState = STATE,
    rules: CommandRules = RULES,
    at: Moment | None = None,
) -> tuple[CommandState, list[StationAnswer]]:
    """The next state, and the new answers of operators and unsigned."""
    done = judge(state, rules, commands_message(list(commands)), at or moment())
    new = [each.answer for each in done.state.outbox if each not in state.outbox and each.answer]
    return done.state, [*new, *done.unsigned]


def refusal(*commands: SignedCommand, **rest: Any) -> str:
    (answer,) = judged(*commands, **rest)[1]
    assert answer.state == "refused"
    return answer.reason


def test_a_mark_is_accepted_with_its_mark_and_its_answers() -> None:
    signed = command(PLACE, MarkAction(part_id=7, mark="escape", note="hole"))
    state, _ = judged(signed)
    accepted, mark, done = (each.item for each in state.outbox)
    assert isinstance(accepted, StationAnswer)
    assert isinstance(done, StationAnswer)
    assert (accepted.state, done.state) == ("accepted", "done")
    assert isinstance(mark, Mark)
    assert (mark.id, mark.part_id, mark.kind) == (signed.command_id, 7, "escape")
    assert mark.note == "hole"
    assert accepted.counter == signed.read().counter
    assert state.counters == {signed.key: signed.read().counter}


@pytest.mark.parametrize(
    ("action", "first", "last"),
    [(ResendAction(first=5, last=9), 5, 9), (PictureAction(part_id=7), 7, 7)],
)
def test_the_others_become_an_order(action: Any, first: int, last: int) -> None:
    signed = command(PLACE, action)
    state, answers = judged(signed)
    assert [each.state for each in answers] == ["accepted"]
    (opened,) = state.orders
    assert (opened.order.id, opened.order.kind) == (signed.command_id, action.kind)
    assert (opened.order.first, opened.order.last) == (first, last)


def test_an_earlier_run_of_the_station_is_accepted_too() -> None:
    _, answers = judged(command({**PLACE, "run": "a0"}))
    assert [each.state for each in answers] == ["accepted", "done"]


def test_forged_altered_and_foreign_commands_change_no_counter() -> None:
    good = command(PLACE)
    forged = good.model_copy(update={"signature": "0" * 128})
    altered = good.model_copy(update={"body": good.body.replace("false-reject", "escape")})
    other = command({**PLACE, "station": "press-4"})
    unknown = command(PLACE, key=UNKNOWN_KEY)
    swapped = command(PLACE, key=UNKNOWN_KEY).model_copy(update={"key": public_of(OPERATOR)})
    for signed, reason in (
        (forged, "the signature does not fit"),
        (altered, "the signature does not fit"),
        (swapped, "the signature does not fit"),
        (other, "is for station 'press-4', not for 'press-3'"),
        (unknown, "is not in trust.operator_keys"),
    ):
        state, (answer,) = judged(signed)
        assert reason in answer.reason
        assert answer.command_id == signed.command_id != good.command_id
        assert state == STATE


def test_a_key_of_bundles_signs_no_commands_and_the_other_way_round() -> None:
    # A signature over a bundle has another prefix, so the two never fit each other.
    good = command(PLACE)
    key = OPERATOR
    bare = good.model_copy(update={"signature": key.sign(good.body.encode()).hex()})
    assert "the signature does not fit" in refusal(bare)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"journal": "j-2"}, "is for another journal"),
        ({"run": "b9"}, "names a run that this station does not know"),
        ({"expires": 1_700_000_000}, "expired "),
        ({"expires": round(time.time()) + MAX_LIFE_S + 86_400}, "expires later than 30 days"),
        ({"action": MarkAction(part_id=101, mark="look")}, "part 101 does not exist; the last"),
        ({"action": PictureAction(part_id=101)}, "part 101 does not exist; the last"),
    ],
)
def test_reasons_of_refusals(changes: dict[str, Any], reason: str) -> None:
    assert reason in refusal(command(PLACE, **changes))


def test_without_a_known_last_part_a_mark_is_accepted() -> None:
    rules = CommandRules("press-3", "j-1", RULES.operators, RULES.accept)
    _, answers = judged(command(PLACE, MarkAction(part_id=101, mark="look")), rules=rules)
    assert answers[-1].state == "done"


@pytest.mark.parametrize("kind", ["mark", "resend", "picture"])
def test_a_kind_that_is_not_listed_is_refused(kind: str) -> None:
    accept = {"mark", "resend", "picture"} - {kind}
    rules = CommandRules("press-3", "j-1", RULES.operators, accept)
    action = {
        "mark": MarkAction(part_id=1, mark="look"),
        "resend": ResendAction(first=1, last=1),
        "picture": PictureAction(part_id=1),
    }[kind]
    assert refusal(command(PLACE, action), rules=rules) == f"'{kind}' is not in commands.accept"


def test_a_repeat_is_refused_once_and_changes_nothing() -> None:
    signed = command(PLACE)
    state, _ = judged(signed)
    assert judged(signed, state=state)[1] == []  # its answers are still on their way
    sent = state.model_copy(update={"outbox": ()})
    assert judged(signed, state=sent, at=moment(silent={signed.command_id}))[1] == []
    repeated, (answer,) = judged(signed, state=sent)
    assert answer.reason.startswith("a repeat")
    assert judged(signed, state=repeated)[1] == []


def test_an_older_counter_is_refused_for_this_key_only() -> None:
    old = command(PLACE)
    same_time = command(PLACE, key=SECOND_OPERATOR, counter=old.read().counter)
    new = command(PLACE, counter=old.read().counter + 1)
    state, _ = judged(new)
    assert "is not above" in refusal(old, state=state)
    assert judged(same_time, state=state)[1][-1].state == "done"


def test_a_forgotten_command_is_refused_by_its_counter() -> None:
    signed = command(PLACE)
    state, _ = judged(signed)
    forgotten = state.model_copy(update={"answered": (), "outbox": ()})
    assert "is not above" in refusal(signed, state=forgotten)


def test_a_signature_of_the_future_does_not_use_up_the_counters() -> None:
    late = command(PLACE, counter=round((time.time() + AHEAD_S + 60) * 1e6))
    state, (answer,) = judged(late)
    assert "in the future: the clock" in answer.reason
    assert state.counters == {}
    assert judged(command(PLACE), state=state)[1][-1].state == "done"


def test_a_refused_command_stays_refused() -> None:
    signed = command({**PLACE, "run": "b9"})
    state, _ = judged(signed)
    knows = state.model_copy(update={"runs": ("b9",), "outbox": ()})
    assert refusal(signed, state=knows).startswith("a repeat")


def test_too_many_orders_are_refused() -> None:
    state = STATE
    counter = round(time.time() * 1e6)
    for number in range(MAX_ORDERS):
        state, _ = judged(
            command(PLACE, ResendAction(first=1, last=1), counter=counter + number), state=state
        )
    assert len(state.orders) == MAX_ORDERS
    more = command(PLACE, ResendAction(first=1, last=1), counter=counter + 1000)
    assert "are waiting already" in refusal(more, state=state)


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"\xff\xfe", "not a message of commands"),
        (b'{"type": "outfeed.commands/1"', "not a message of commands"),
        (b'{"type": "outfeed.commands/9", "commands": []}', "outfeed.commands/1"),
        (b'{"type": "outfeed.commands/1", "commands": 5}', "not a message of commands"),
        (b"[" * 30_000, "not a message of commands"),
        (b" " * (MAX_MESSAGE_BYTES + 1), f"at most {MAX_MESSAGE_BYTES} are read"),
        (json.dumps({"type": "outfeed.commands/1", "commands": [1] * 17}).encode(), "16 items"),
    ],
)
def test_what_is_no_message_gets_one_refusal(payload: bytes, reason: str) -> None:
    done = judge(STATE, RULES, payload, moment())
    assert done.state == STATE
    (answer,) = done.unsigned
    assert reason in answer.reason
    assert len(answer.command_id) == 32


@pytest.mark.parametrize(
    "item",
    [
        None,
        5,
        {},
        {"body": 5, "key": "0" * 64, "signature": "0" * 128},
        {"body": "x" * 2049, "key": "0" * 64, "signature": "0" * 128},
        {"body": "{}", "key": "g" * 64, "signature": "0" * 128},
    ],
)
def test_a_wrong_item_does_not_hide_the_next_one(item: Any) -> None:
    good = command(PLACE)
    payload = json.dumps({"type": "outfeed.commands/1", "commands": [item, good.model_dump()]})
    done = judge(STATE, RULES, payload.encode(), moment())
    assert [each.reason[:22] for each in done.unsigned] == ["not a signed command: "]
    assert done.state.counters == {good.key: good.read().counter}


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "[]",
        '{"type": "outfeed.command/1"}',
        # Kinds that no station of this version knows: none can set an output or T.
        '"output"',
        '"threshold"',
        '"desired"',
        '"configuration"',
    ],
)
def test_a_signed_text_that_is_no_command_is_refused(text: str) -> None:
    if not text.startswith(("{", "[")):
        body = json.loads(command(PLACE).body)
        body["action"] = {"kind": json.loads(text), "value": 1}
        text = json.dumps(body)
    signed = command(PLACE)
    signature = OPERATOR.sign(b"outfeed command 1\n" + text.encode()).hex()
    wrong = signed.model_copy(update={"body": text, "signature": signature})
    state, (answer,) = judged(wrong)
    assert answer.reason.startswith("the signed text is no command: ")
    assert state == STATE


@pytest.mark.parametrize("extra", [{"station_type": "x"}, {"output": 1}])
def test_an_unknown_key_of_the_signed_text_is_refused(extra: dict[str, Any]) -> None:
    text = json.dumps({**json.loads(command(PLACE).body), **extra})
    signature = OPERATOR.sign(b"outfeed command 1\n" + text.encode()).hex()
    wrong = command(PLACE).model_copy(update={"body": text, "signature": signature})
    assert "unknown key" in refusal(wrong)


def test_the_mark_of_a_self_test_cannot_be_signed() -> None:
    text = command(PLACE).body.replace("false-reject", "self-test")
    signature = OPERATOR.sign(b"outfeed command 1\n" + text.encode()).hex()
    wrong = command(PLACE).model_copy(update={"body": text, "signature": signature})
    assert "action.mark" in refusal(wrong)


@pytest.mark.parametrize(("first", "last"), [(5, 4), (1, MAX_RESEND + 1), (0, 3)])
def test_a_resend_of_too_many_numbers_cannot_be_made(first: int, last: int) -> None:
    with pytest.raises(ValueError, match=r"resend takes|greater than or equal"):
        ResendAction(first=first, last=last)


def test_an_empty_message_says_nothing() -> None:
    done = judge(STATE, RULES, b"", moment())
    assert done.state == STATE
    assert done.unsigned == ()


def test_the_largest_message_of_real_commands_is_read() -> None:
    note = "\u00fc" * 200
    commands = [
        command(PLACE, MarkAction(part_id=1, mark="look", note=note)) for _ in range(MAX_COMMANDS)
    ]
    payload = commands_message(commands)
    assert len(payload) < MAX_MESSAGE_BYTES
    assert judge(STATE, RULES, payload, moment()).unsigned == ()


def test_an_unreadable_item_names_its_fault() -> None:
    text = json.dumps({"body": "{}", "key": "", "signature": ""})
    with pytest.raises(OutfeedError, match="not a signed command: key 'key'"):
        read_signed(text)
