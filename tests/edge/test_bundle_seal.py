"""The seal: every bit of a bundle is covered, and only the signer can have made it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from edge.bundle import pack, parse_bundle, read_bundle
from edge.bundle.keys import key_id, public_of
from edge.bundle.seal import SIGNED_AS
from edge.errors import BundleError
from tests.edge.archives import CONTENT, FILES, TRUSTED, body_of, refusal
from tests.support.keys import KEY, KEY_ID, OTHER_KEY, OTHER_KEY_ID

SIGNED = pack(CONTENT, FILES, KEY)
UNSIGNED = pack(CONTENT, FILES)
BODY = body_of(SIGNED)
OTHERS = frozenset({public_of(OTHER_KEY)})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tiles.outfeed"


def seal_of(body: bytes, *, signer: bytes, signature: bytes) -> bytes:
    return hashlib.sha256(body).hexdigest().encode() + signer.hex().encode() + signature


@pytest.mark.parametrize("whole", [SIGNED, UNSIGNED], ids=["signed", "unsigned"])
def test_every_flipped_bit_is_refused(whole: bytes) -> None:
    data = bytearray(whole)
    for place in range(len(data)):
        for bit in range(8):
            data[place] ^= 1 << bit
            with pytest.raises(BundleError, match="is damaged"):
                parse_bundle(bytes(data))
            data[place] ^= 1 << bit
    assert bytes(data) == whole
    parse_bundle(whole)


@pytest.mark.parametrize("whole", [SIGNED, UNSIGNED], ids=["signed", "unsigned"])
def test_every_truncation_and_any_appended_byte_is_refused(path: Path, whole: bytes) -> None:
    for size in range(len(whole)):
        with pytest.raises(BundleError):
            parse_bundle(whole[:size])
    for more in (b"\0", b"\n", b"0" * 64, b"-" * 192, whole):
        assert "does not match" in refusal(path, whole + more)
        assert "does not match" in refusal(path, more + whole)


def test_a_trusted_signature_is_accepted(path: Path) -> None:
    path.write_bytes(SIGNED)
    for trusted in (TRUSTED, TRUSTED | OTHERS, None):
        assert read_bundle(path, trusted).signer == public_of(KEY)


def test_an_unsigned_bundle_is_refused_where_a_signature_is_asked_for(path: Path) -> None:
    said = "is unsigned; `outfeed bundle sign` signs it"
    assert refusal(path, UNSIGNED, TRUSTED) == said
    assert refusal(path, UNSIGNED, frozenset()) == said


def test_a_signature_that_is_taken_off_leaves_an_unsigned_bundle(path: Path) -> None:
    stripped = SIGNED[:-192] + b"-" * 192
    assert stripped == UNSIGNED
    assert "is unsigned" in refusal(path, stripped, TRUSTED)


def test_a_bundle_signed_again_by_another_key_is_refused(path: Path) -> None:
    said = refusal(path, pack(CONTENT, FILES, OTHER_KEY), TRUSTED)
    assert said == f"is signed by key {OTHER_KEY_ID}; trusted here: {KEY_ID}"
    assert refusal(path, SIGNED, frozenset()).endswith("trusted here: none")


def test_a_key_put_in_anothers_place_is_refused(path: Path) -> None:
    """The trusted key's name over the attacker's signature, and the other way round."""
    theirs = pack(CONTENT, FILES, OTHER_KEY)
    for data, named in (
        (BODY + SIGNED[-256:-128] + theirs[-128:], KEY),
        (BODY + theirs[-256:-128] + SIGNED[-128:], OTHER_KEY),
    ):
        name = key_id(public_of(named))
        said = refusal(path, data, TRUSTED)
        assert said == f"is damaged or altered: its signature is not that of key {name}"


def test_the_signature_of_another_bundle_is_refused(path: Path) -> None:
    """Also where the digest is made to fit."""
    other = pack(CONTENT.model_copy(update={"version": "2.0"}), FILES, KEY)
    body = body_of(other)
    data = body + hashlib.sha256(body).hexdigest().encode() + SIGNED[-192:]
    assert "its signature is not that of" in refusal(path, data, TRUSTED)
    assert "does not match" in refusal(path, body + SIGNED[-256:], TRUSTED)


def test_a_signature_for_another_purpose_is_refused(path: Path) -> None:
    """The same key over the bare bytes, their digest, or another prefix."""
    signer = KEY.public_key().public_bytes_raw()
    for message in (BODY, hashlib.sha256(BODY).digest(), b"outfeed image, signature 1\n" + BODY):
        signature = KEY.sign(message).hex().encode()
        data = BODY + seal_of(BODY, signer=signer, signature=signature)
        assert "its signature is not that of" in refusal(path, data, TRUSTED)
    signature = KEY.sign(SIGNED_AS + BODY).hex().encode()
    assert BODY + seal_of(BODY, signer=signer, signature=signature) == SIGNED


def test_a_seal_has_one_way_to_be_written(path: Path) -> None:
    """Capital digits, spaces and half a signature say the same to a lenient reader."""
    upper = SIGNED[:-192] + SIGNED[-192:].upper()
    assert upper != SIGNED
    for data in (
        upper,
        SIGNED[:-64] + b"-" * 64,
        UNSIGNED[:-192] + b" " * 192,
        UNSIGNED[:-1] + b"\n",
        SIGNED[:-192] + b"0" * 64 + b"-" * 128,
    ):
        assert refusal(path, data) == "is damaged or altered: its seal holds no signature"
    assert "SHA-256 does not match" in refusal(
        path, BODY + SIGNED[-256:-192].upper() + SIGNED[-192:]
    )


def test_a_key_that_is_no_point_of_the_curve_and_a_forged_scalar_are_refused(path: Path) -> None:
    """S + L also satisfies the equation; RFC 8032, section 5.1.7, has it refused."""
    order = 2**252 + 27742317777372353535851937790883648493
    signature = bytes.fromhex(SIGNED[-128:].decode())
    scalar = int.from_bytes(signature[32:], "little") + order
    forged = signature[:32] + scalar.to_bytes(32, "little")
    data = SIGNED[:-128] + forged.hex().encode()
    assert "its signature is not that of" in refusal(path, data, TRUSTED)
    for point in (b"\0" * 32, b"\xff" * 32, b"\x02" + b"\0" * 31):
        data = BODY + seal_of(BODY, signer=point, signature=SIGNED[-128:])
        assert "its signature is not that of" in refusal(path, data)


def test_nothing_is_parsed_before_the_signature_is_right(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def parsed(*_: object) -> None:
        raise AssertionError("the archive was looked at")

    monkeypatch.setattr("edge.bundle.archive.split", parsed)
    altered = SIGNED[:100] + bytes([SIGNED[100] ^ 1]) + SIGNED[101:]
    for data in (altered, UNSIGNED, pack(CONTENT, FILES, OTHER_KEY), b"", b"PK\3\4" * 100):
        refusal(path, data, TRUSTED)
    path.write_bytes(SIGNED)
    with pytest.raises(AssertionError, match="looked at"):
        read_bundle(path, TRUSTED)
