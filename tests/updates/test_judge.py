"""The decision about a desired state, and the attacks that TUF lists.

The list is that of The Update Framework (section 1.5.2 of its specification). Downloads that are
endless or slow are in tests/updater, and altered bundles in tests/trial.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from edge.bundle.keys import public_of
from edge.updates.desired import SignedDesired, co_sign, sign_desired
from edge.updates.judge import AHEAD_S, UpdateJudgement, UpdateMoment, UpdateRules, judge
from edge.updates.state import UpdateState
from tests.support.commands import OPERATOR, SECOND_OPERATOR, UNKNOWN_KEY
from tests.support.desired_states import BUNDLE, REVISION, body

NOW_S = REVISION / 1e6 + 10
RULES = UpdateRules(
    "press-3",
    {public_of(OPERATOR), public_of(SECOND_OPERATOR)},
    plant="north",
    line="l1",
    active="cd" * 32,
    running="mine-1.0-0123456789ab",
)
START = UpdateState(revision=0)
HOME = {"plant": "north", "line": "l1"}


def signed(*keys: Any, **changes: Any) -> SignedDesired:
    return sign_desired(body(**{**HOME, **changes}), *(keys or (OPERATOR,)))


def judged(
    message: SignedDesired | bytes,
    state: UpdateState = START,
    rules: UpdateRules = RULES,
    now_s: float = NOW_S,
) -> UpdateJudgement:
    payload = message if isinstance(message, bytes) else message.payload()
    return judge(state, rules, payload, UpdateMoment(now_s, "2026-11-30T12:00:00.000000Z"))


def refusal(message: SignedDesired | bytes, **rest: Any) -> str:
    """The reason of the refusal. It must not change what the station follows."""
    before = rest.get("state", START)
    done = judged(message, **rest)
    assert done.refused is not None
    assert done.refused.state == "refused"
    assert done.state.model_copy(update={"later": ""}) == before
    assert "\n" not in done.refused.reason
    return done.refused.reason


def followed(message: SignedDesired, **rest: Any) -> UpdateState:
    done = judged(message, **rest)
    assert done.refused is None
    return done.state


def test_a_valid_desired_state_begins_a_trial() -> None:
    state = followed(signed(note="cohort 1"))
    assert state.trial is not None
    assert state.trial.phase == "downloading"
    assert state.revision == REVISION
    (note,) = state.outbox
    assert (note.state, note.name, note.version) == ("wanted", "mine", "1.2")
    assert (note.reason, note.running) == ("cohort 1", RULES.running)


# The attacks of TUF's specification, with the state of the station before and the time.
LATER = signed(revision=REVISION + 5)
ATTACKS = [
    ("arbitrary: unknown key", signed(UNKNOWN_KEY), {}, "0 of trust.operator_keys"),
    (
        "arbitrary: altered text",
        signed().model_copy(update={"body": signed(note="x").body}),
        {},
        "0 of trust.operator_keys",
    ),
    ("arbitrary: no message", b"\x00\xff", {}, "not a desired state"),
    ("rollback: an older revision", signed(), {"state": followed(LATER)}, "is not above"),
    (
        "rollback: an older one by another key",
        signed(SECOND_OPERATOR),
        {"state": followed(LATER)},
        "is not above",
    ),
    (
        "replay: another text of the same revision",
        signed(note="other"),
        {"state": followed(signed())},
        "is not above",
    ),
    (
        "fast-forward: far in the future",
        signed(revision=REVISION + 10**12, expires=REVISION // 10**6 + 1_100_000),
        {},
        "in the future",
    ),
    ("freeze: expired", signed(), {"now_s": NOW_S + 90_000}, "expired"),
    ("mix-and-match: another station", signed(station="press-4"), {}, "for station 'press-4'"),
    ("mix-and-match: another plant", signed(plant="south"), {}, "for plant 'south'"),
    ("wrong target: another line", signed(line="l2"), {}, "for line 'l2'"),
    ("wrong target: no place", sign_desired(body(), OPERATOR), {}, "for plant ''"),
    ("endless data: a long message", b'{"a":"' + b"x" * 20_000 + b'"}', {}, "bytes, at most"),
    (
        "key compromise: one signer of two",
        signed(),
        {"rules": replace(RULES, signers=2)},
        "1 of trust.operator_keys",
    ),
    (
        "key compromise: one key twice",
        signed(OPERATOR, OPERATOR),
        {"rules": replace(RULES, signers=2)},
        "1 of trust.operator_keys",
    ),
    (
        "key compromise: a withdrawn key",
        signed(SECOND_OPERATOR),
        {"rules": replace(RULES, operators={public_of(OPERATOR)})},
        "0 of trust.operator_keys",
    ),
]


@pytest.mark.parametrize(
    ("message", "given", "reason"),
    [each[1:] for each in ATTACKS],
    ids=[each[0] for each in ATTACKS],
)
def test_attacks_change_nothing(
    message: SignedDesired | bytes, given: dict[str, Any], reason: str
) -> None:
    assert reason in refusal(message, **given)


def test_two_signers_are_enough_where_two_are_asked_for() -> None:
    both = co_sign(signed(), SECOND_OPERATOR)
    assert followed(both, rules=replace(RULES, signers=2)).trial is not None


def test_a_repeat_and_an_empty_message_change_nothing() -> None:
    state = followed(signed())
    assert judged(signed(), state=state) == UpdateJudgement(state)
    assert judged(b"", state=state) == UpdateJudgement(state)


def test_a_repeat_after_its_expiry_is_no_refusal() -> None:
    state = followed(signed())
    assert judged(signed(), state=state, now_s=NOW_S + 1e6) == UpdateJudgement(state)


def test_a_little_in_the_future_is_accepted() -> None:
    ahead = signed(revision=REVISION + round((AHEAD_S - 20) * 1e6))
    assert followed(ahead).trial is not None


def test_a_message_of_the_future_is_kept_for_a_corrected_clock() -> None:
    done = judged(signed(), now_s=0.0)
    assert done.refused is not None
    assert done.state.revision == 0
    later = done.state.later.encode()
    state = judged(later, state=done.state).state
    assert state.trial is not None
    assert state.later == ""


def test_a_newer_revision_supersedes_a_trial() -> None:
    other = BUNDLE.model_copy(update={"sha256": "ef" * 32, "version": "1.3"})
    state = followed(LATER.model_copy(), state=followed(signed()))
    assert [note.state for note in state.outbox] == ["wanted", "wanted"]
    state = followed(signed(revision=REVISION + 9, bundle=other), state=state)
    assert [note.state for note in state.outbox[2:]] == ["superseded", "wanted"]
    assert state.outbox[2].version == "1.2"
    assert state.trial is not None
    assert state.trial.body.bundle == other


def test_the_same_bundle_by_a_newer_revision_goes_on_with_the_new_limits() -> None:
    state = followed(signed())
    assert state.trial is not None
    trial = state.trial.model_copy(update={"phase": "shadow"})
    limits = {"parts": 5, "rejects": 1}
    state = followed(signed(revision=REVISION + 5, shadow=limits), state=state.with_trial(trial))
    assert state.trial is not None
    assert state.trial.phase == "shadow"
    assert state.trial.body.shadow.parts == 5


def test_stay_ends_a_trial_and_pins_the_accepted_bundle() -> None:
    state = followed(signed(bundle=None, revision=REVISION + 5), state=followed(signed()))
    assert state.trial is None
    assert [note.state for note in state.outbox] == ["wanted", "superseded", "kept"]


def test_an_accepted_bundle_is_not_tried_again() -> None:
    active = BUNDLE.model_copy(update={"sha256": RULES.active})
    state = followed(signed(bundle=active))
    assert state.trial is None
    assert [note.state for note in state.outbox] == ["accepted"]


def test_the_id_of_an_unsigned_message_is_not_that_of_the_real_one() -> None:
    forged = signed(UNKNOWN_KEY)
    done = judged(forged)
    assert done.refused is not None
    assert done.refused.desired_id != forged.desired_id


def test_a_text_of_another_type_is_refused() -> None:
    text = json.dumps({**json.loads(signed().body), "type": "outfeed.desired-state/2"})
    odd = SignedDesired.model_validate(
        {
            "body": text,
            "signatures": [
                {
                    "key": public_of(OPERATOR),
                    "signature": OPERATOR.sign(b"outfeed desired 1\n" + text.encode()).hex(),
                }
            ],
        }
    )
    assert "type" in refusal(odd)
