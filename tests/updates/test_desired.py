"""The format of the desired state: signatures, limits, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from edge.bundle.keys import public_of
from edge.errors import OutfeedError
from edge.updates.desired import (
    MAX_LIFE_S,
    MAX_MESSAGE_BYTES,
    SignedDesired,
    co_sign,
    read_desired,
    sign_desired,
)
from tests.support.commands import OPERATOR, SECOND_OPERATOR, UNKNOWN_KEY
from tests.support.desired_states import BUNDLE, REVISION, body

OPERATORS = {public_of(OPERATOR), public_of(SECOND_OPERATOR)}


def altered(**changes: Any) -> SignedDesired:
    """A text that was changed after the signature."""
    signed = sign_desired(body(), OPERATOR)
    text = json.dumps({**json.loads(signed.body), **changes})
    return signed.model_copy(update={"body": text})


def test_a_desired_state_comes_back_from_its_message_with_its_signer() -> None:
    signed = sign_desired(body(note="cohort 1"), OPERATOR)
    again = read_desired(signed.payload())
    assert again == signed
    assert again.read() == body(note="cohort 1")
    assert again.signers(OPERATORS) == (public_of(OPERATOR),)
    assert len(signed.payload()) < MAX_MESSAGE_BYTES


def test_two_people_sign_one_text() -> None:
    signed = co_sign(sign_desired(body(), OPERATOR), SECOND_OPERATOR)
    assert set(signed.signers(OPERATORS)) == OPERATORS
    assert signed.desired_id == sign_desired(body(), OPERATOR).desired_id
    twice = co_sign(co_sign(signed, OPERATOR), OPERATOR)
    assert len(twice.signatures) == 2


def test_one_key_that_signs_twice_is_one_signer() -> None:
    signed = sign_desired(body(), OPERATOR, OPERATOR)
    assert signed.signers(OPERATORS) == (public_of(OPERATOR),)


@pytest.mark.parametrize(
    "signed",
    [
        sign_desired(body(), UNKNOWN_KEY),
        altered(station="press-4"),
        altered(allow_downgrade=True),
        sign_desired(body(), UNKNOWN_KEY).model_copy(
            update={
                "signatures": tuple(
                    each.model_copy(update={"key": public_of(OPERATOR)})
                    for each in sign_desired(body(), UNKNOWN_KEY).signatures
                )
            }
        ),
    ],
    ids=["unknown key", "altered station", "altered permission", "named but not signed"],
)
def test_what_no_operator_signed_has_no_signer(signed: SignedDesired) -> None:
    assert signed.signers(OPERATORS) == ()


def test_a_signature_of_a_command_is_none_of_a_desired_state() -> None:
    signed = sign_desired(body(), OPERATOR)
    other = OPERATOR.sign(b"outfeed command 1\n" + signed.body.encode()).hex()
    entry = signed.signatures[0].model_copy(update={"signature": other})
    assert signed.model_copy(update={"signatures": (entry,)}).signers(OPERATORS) == ()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"station": "+"}, "station"),
        ({"station": "#"}, "station"),
        ({"station": "*"}, "station"),
        ({"plant": "+"}, "plant"),
        ({"surprise": 1}, "surprise"),
        ({"revision": 0}, "revision"),
        ({"expires": REVISION // 1_000_000 - 1}, "expires"),
        ({"expires": REVISION // 1_000_000 + MAX_LIFE_S + 2}, "expires"),
        ({"bundle": {**BUNDLE.model_dump(), "file": "../mine.outfeed"}}, "bundle.file"),
        ({"bundle": {**BUNDLE.model_dump(), "file": "a/b.outfeed"}}, "bundle.file"),
        ({"bundle": {**BUNDLE.model_dump(), "size_bytes": 1 << 40}}, "bundle.size_bytes"),
        ({"bundle": {**BUNDLE.model_dump(), "sha256": "ab"}}, "bundle.sha256"),
        ({"shadow": {"new_rejects": 1.5}}, "shadow.new_rejects"),
        ({"shadow": {"parts": 0}}, "shadow.parts"),
        ({"probation": {"unknown": 0}}, "probation.unknown"),
        ({"allow_downgrade": "yes"}, "allow_downgrade"),
        ({"note": "n" * 201}, "note"),
    ],
)
def test_a_wrong_text_is_refused_with_the_key_named(changes: Any, expected: str) -> None:
    text = json.dumps({**body().model_dump(), **changes})
    signed = sign_desired(body(), OPERATOR).model_copy(update={"body": text})
    with pytest.raises(OutfeedError, match=expected) as raised:
        signed.read()
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "payload",
    [b"", b"{}", b"\xff\xfe", b"[" * 5000, b'{"type": "outfeed.desired/2"}', b"x" * 9000],
)
def test_a_message_that_is_no_desired_state_gives_one_line(payload: bytes) -> None:
    with pytest.raises(OutfeedError, match="not a desired state") as raised:
        read_desired(payload)
    assert "\n" not in str(raised.value)


def test_the_key_bundle_must_be_given_and_null_means_stay() -> None:
    assert body(bundle=None).bundle is None
    text = json.dumps({k: v for k, v in body().model_dump().items() if k != "bundle"})
    signed = sign_desired(body(), OPERATOR).model_copy(update={"body": text})
    with pytest.raises(OutfeedError, match="bundle"):
        signed.read()
