"""The decision about each command of a message, as a pure step without clock and disk."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass

from edge.bundle.keys import key_id
from edge.commands.message import (
    MAX_LIFE_S,
    CommandBody,
    MarkAction,
    ResendAction,
    SignedCommand,
    read_signed,
    split_message,
)
from edge.commands.spool import MAX_ORDERS, Order
from edge.commands.state import CommandState, OpenOrder
from edge.errors import OutfeedError
from edge.inbox import MAX_REASON_CHARS, AnswerState, Mark, StationAnswer

AHEAD_S = 300.0
"""A command may be signed by a clock that is this much ahead of the station's, in seconds."""

_REPEAT = "a repeat: this station has answered the command before"


@dataclass(frozen=True, slots=True)
class CommandRules:
    """The facts of a station that decide about a command.

    operators: public keys in 64 hex digits. journal: UUID of the present journal. last_part: number
    of its latest part; None if that is not known.
    """

    station: str
    journal: str
    operators: Collection[str]
    accept: Collection[str]
    last_part: int | None = None


@dataclass(frozen=True, slots=True)
class Moment:
    """The time of a decision. now_s: seconds since 1970. utc: the same as RFC 3339.

    silent: ids whose repeats are not reported, because their answer may still be on its way.
    """

    now_s: float
    utc: str
    silent: Collection[str] = ()


@dataclass(frozen=True, slots=True)
class Judgement:
    """The result of a message.

    state: the next state, with the answers that rest on a valid signature of an operator.
    unsigned: refusals of messages that no operator has signed for this station.
    """

    state: CommandState
    unsigned: tuple[StationAnswer, ...] = ()


class _UnsignedError(OutfeedError):
    """No operator has signed the command for this station, so it changes no counter."""


class _RefusedError(OutfeedError):
    """An operator has signed the command, and this station does not execute it."""


def judge(state: CommandState, rules: CommandRules, payload: bytes, moment: Moment) -> Judgement:
    """Decide about each command of a message.

    payload: the message as it was received, of any content. Takes 0.2 ms for each command.
    """
    try:
        texts = split_message(payload)
    except OutfeedError as error:
        return Judgement(state, (_unsigned(payload, str(error), moment),))
    unsigned: list[StationAnswer] = []
    for text in texts:
        try:
            command = read_signed(text)
        except OutfeedError as error:
            unsigned.append(_unsigned(text, str(error), moment))
            continue
        body: CommandBody | None = None
        try:
            _check_signature(command, rules)
            body = _read(command)
            _check_station(body, rules)
        except _UnsignedError as error:
            unsigned.append(_answer(command, body, "refused", str(error), moment))
            continue
        state = _decide(state, rules, command, body, moment)
    return Judgement(state, tuple(unsigned))


def finish(
    state: CommandState, order: OpenOrder, text: str, utc: str, *, is_done: bool
) -> CommandState:
    """Return the state in which an order is answered and removed."""
    answer = StationAnswer(
        order.order.id,
        order.order.kind,
        "done" if is_done else "failed",
        text[:MAX_REASON_CHARS],
        order.key,
        order.counter,
        0,
        utc,
    )
    rest = tuple(each for each in state.orders if each != order)
    return state.model_copy(update={"orders": rest}).with_answers(answer)


def _decide(
    state: CommandState,
    rules: CommandRules,
    command: SignedCommand,
    body: CommandBody,
    moment: Moment,
) -> CommandState:
    number = command.command_id
    known = next((each for each in state.answered if each.id == number), None)
    if known is not None:
        if known.is_repeated or state.is_open(number) or number in moment.silent:
            return state
        refusal = _answer(command, body, "refused", _REPEAT, moment)
        return state.with_decided(number, is_repeated=True).with_answers(refusal)
    try:
        _check_time(body, moment)
        highest = state.counters.get(command.key, 0)
        if body.counter <= highest:
            raise _RefusedError(
                f"counter {body.counter} is not above {highest}, the last one of this key: a "
                "repeat, or out of order"
            )
        state = state.model_copy(update={"counters": {**state.counters, command.key: body.counter}})
        _check_rules(state, rules, body)
    except _RefusedError as error:
        refusal = _answer(command, body, "refused", str(error), moment)
        return state.with_decided(number).with_answers(refusal)
    return _accept(state.with_decided(number), command, body, moment)


def _accept(
    state: CommandState, command: SignedCommand, body: CommandBody, moment: Moment
) -> CommandState:
    number, action = command.command_id, body.action
    accepted = _answer(command, body, "accepted", "", moment)
    if isinstance(action, MarkAction):
        mark = Mark(number, action.part_id, action.mark, action.note, moment.utc)
        done = _answer(command, body, "done", f"part {action.part_id} is marked", moment)
        return state.with_answers(accepted, mark, done)
    first, last = (
        (action.first, action.last)
        if isinstance(action, ResendAction)
        else (action.part_id, action.part_id)
    )
    order = Order(id=number, kind=action.kind, journal=body.journal, first=first, last=last)
    opened = OpenOrder(
        order=order, key=key_id(command.key), counter=body.counter, expires=body.expires
    )
    return state.model_copy(update={"orders": (*state.orders, opened)}).with_answers(accepted)


def _check_signature(command: SignedCommand, rules: CommandRules) -> None:
    if command.key not in rules.operators:
        raise _UnsignedError(f"key {key_id(command.key)} is not in trust.operator_keys")
    if not command.is_signed():
        raise _UnsignedError("the signature does not fit the text: altered, or forged")


def _read(command: SignedCommand) -> CommandBody:
    try:
        return command.read()
    except OutfeedError as error:
        raise _UnsignedError(str(error)) from error


def _check_station(body: CommandBody, rules: CommandRules) -> None:
    if body.station != rules.station:
        raise _UnsignedError(f"is for station '{body.station}', not for '{rules.station}'")


def _check_time(body: CommandBody, moment: Moment) -> None:
    """Check before the counter: a signature of the far future must not use up the counters."""
    signed_s = body.counter / 1e6
    if signed_s > moment.now_s + AHEAD_S:
        raise _RefusedError(
            f"was signed {signed_s - moment.now_s:.0f} s in the future: the clock of this station "
            "or of the signing machine is wrong"
        )
    if moment.now_s > body.expires:
        raise _RefusedError(f"expired {moment.now_s - body.expires:.0f} s ago")
    if body.expires - signed_s > MAX_LIFE_S:
        raise _RefusedError(f"expires later than {MAX_LIFE_S // 86_400} days after its signature")


def _check_rules(state: CommandState, rules: CommandRules, body: CommandBody) -> None:
    if body.action.kind not in rules.accept:
        raise _RefusedError(f"'{body.action.kind}' is not in commands.accept")
    if body.journal != rules.journal:
        raise _RefusedError("is for another journal of this station, which it no longer has")
    if body.run not in state.runs:
        raise _RefusedError(
            "names a run that this station does not know: of a copied storage card, or before "
            "commands were accepted"
        )
    part = None if isinstance(body.action, ResendAction) else body.action.part_id
    if part is not None and rules.last_part is not None and part > rules.last_part:
        raise _RefusedError(
            f"part {part} does not exist; the last one in the journal is {rules.last_part}"
        )
    if not isinstance(body.action, MarkAction) and len(state.orders) >= MAX_ORDERS:
        raise _RefusedError(f"{MAX_ORDERS} accepted commands are waiting already")


def _unsigned(data: bytes, reason: str, moment: Moment) -> StationAnswer:
    number = hashlib.sha256(data).hexdigest()[:32]
    return StationAnswer(number, "", "refused", reason[:MAX_REASON_CHARS], "", None, 0, moment.utc)


def _answer(
    command: SignedCommand,
    body: CommandBody | None,
    state: AnswerState,
    reason: str,
    moment: Moment,
) -> StationAnswer:
    return StationAnswer(
        command.command_id,
        "" if body is None else body.action.kind,
        state,
        reason[:MAX_REASON_CHARS],
        key_id(command.key),
        None if body is None else body.counter,
        0,
        moment.utc,
    )
