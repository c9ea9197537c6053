"""Key files: what is written, who may read it, and one line for everything that is no key."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from edge.bundle.keys import (
    key_id,
    public_of,
    read_passphrase,
    read_private_key,
    read_public_key,
    read_trusted,
    write_key_pair,
)
from edge.errors import BundleError
from tests.support.keys import KEY, OTHER_KEY, OTHER_TRUST, TRUST


def refusal(call: Callable[[], object], path: Path) -> str:
    with pytest.raises(BundleError) as caught:
        call()
    line = str(caught.value)
    assert line.startswith(f"{path}: ")
    assert len(line.splitlines()) == 1
    return line.removeprefix(f"{path}: ")


def test_a_pair_comes_back_as_it_was_written(tmp_path: Path) -> None:
    private, public, text = write_key_pair(tmp_path / "plant.a")
    assert (private, public) == (tmp_path / "plant.a.key", tmp_path / "plant.a.pub")
    assert public_of(read_private_key(private)) == text == read_public_key(public)
    assert public.read_text() == f"ed25519:{text}\n"
    assert private.read_bytes().startswith(b"-----BEGIN PRIVATE KEY-----\n")
    assert write_key_pair(tmp_path / "b")[2] != text


def test_only_the_owner_may_read_a_private_key(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        private, public, _ = write_key_pair(tmp_path / "plant")
    finally:
        os.umask(before)
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert stat.S_IMODE(public.stat().st_mode) == 0o644


def test_the_id_of_a_key_stays_what_it_is() -> None:
    """People have written it down."""
    assert key_id(public_of(KEY)) == "56475aa75463474c"


@pytest.mark.parametrize("there", ["plant.key", "plant.pub"])
def test_an_existing_key_is_never_overwritten(tmp_path: Path, there: str) -> None:
    (tmp_path / there).write_bytes(b"precious")
    said = refusal(lambda: write_key_pair(tmp_path / "plant"), tmp_path / there)
    assert said == "is there already; a key is never overwritten"
    assert [path.name for path in tmp_path.iterdir()] == [there]
    assert (tmp_path / there).read_bytes() == b"precious"


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "plant.key").symlink_to(tmp_path / "elsewhere")
    refusal(lambda: write_key_pair(tmp_path / "plant"), tmp_path / "plant.key")
    assert not (tmp_path / "elsewhere").exists()


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "none" / "plant"
    said = refusal(lambda: write_key_pair(path), path.with_suffix(".key"))
    assert said == "cannot be written: No such file or directory"


def test_a_full_disk_leaves_no_half_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    said = refusal(lambda: write_key_pair(tmp_path / "plant"), tmp_path / "plant.key")
    assert said == "cannot be written: No space left on device"
    assert list(tmp_path.iterdir()) == []


def test_an_encrypted_key_needs_its_passphrase(tmp_path: Path) -> None:
    private, public, _ = write_key_pair(tmp_path / "plant", b"open sesame")
    assert b"ENCRYPTED" in private.read_bytes()
    assert public_of(read_private_key(private, b"open sesame")) == read_public_key(public)
    assert refusal(lambda: read_private_key(private), private) == (
        "is encrypted; --passphrase-file is missing"
    )
    assert refusal(lambda: read_private_key(private, b"sesame"), private) == (
        "the passphrase does not open it, or it is damaged"
    )


def test_a_passphrase_for_a_key_without_one_does_no_harm(tmp_path: Path) -> None:
    private, _, text = write_key_pair(tmp_path / "plant")
    assert public_of(read_private_key(private, b"not needed")) == text


def test_a_passphrase_is_a_file_without_its_line_break(tmp_path: Path) -> None:
    path = tmp_path / "passphrase"
    for content, said in ((b"a b\n", b"a b"), (b"a\r\n", b"a"), (b" a", b" a")):
        path.write_bytes(content)
        assert read_passphrase(path) == said
    path.write_bytes(b"\n")
    assert refusal(lambda: read_passphrase(path), path) == "is empty; expected a passphrase"


def pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is no private key; expected PEM (PKCS8)"),
        (b"garbage", "is no private key; expected PEM (PKCS8)"),
        (b"\xff\0" * 50, "is no private key; expected PEM (PKCS8)"),
        (
            b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
            "is no private key; expected PEM (PKCS8)",
        ),
        (
            b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
            "the passphrase does not open it, or it is damaged",
        ),
        (f"{TRUST}\n".encode(), "is a public key; expected the .key file beside it"),
        (
            pem(ec.generate_private_key(ec.SECP256R1())),
            "is a key of another kind; expected Ed25519",
        ),
        (pem(rsa.generate_private_key(65537, 2048)), "is a key of another kind; expected Ed25519"),
        (b"a" * 70_000, "is larger than 65536 bytes; expected a small file"),
    ],
)
def test_what_is_no_private_key(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "plant.key"
    path.write_bytes(content)
    assert refusal(lambda: read_private_key(path, b"passphrase"), path) == said


def test_a_key_cut_short(tmp_path: Path) -> None:
    private, _, text = write_key_pair(tmp_path / "plant")
    whole = private.read_bytes()
    for size in range(len(whole) - 1):  # without the last line break it is still whole
        private.write_bytes(whole[:size])
        refusal(lambda: read_private_key(private), private)
    private.write_bytes(whole)
    assert public_of(read_private_key(private)) == text


def test_an_old_encryption_that_pem_does_not_name(tmp_path: Path) -> None:
    """PKCS1 in PEM: "Proc-Type: 4,ENCRYPTED"."""
    path = tmp_path / "old.key"
    key = rsa.generate_private_key(65537, 2048)
    path.write_bytes(
        key.private_bytes(
            Encoding.PEM, PrivateFormat.TraditionalOpenSSL, BestAvailableEncryption(b"a")
        )
    )
    assert "is encrypted" in refusal(lambda: read_private_key(path), path)
    assert "another kind" in refusal(lambda: read_private_key(path, b"a"), path)


PRIVATE_PEM = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is no public key; expected ed25519: and 64 hex digits"),
        (b"\xff\xfe", "is no public key; expected ed25519: and 64 hex digits"),
        (TRUST[:-1].encode(), "is no public key; expected ed25519: and 64 hex digits"),
        (TRUST.upper().encode(), "is no public key; expected ed25519: and 64 hex digits"),
        (f"{TRUST}\n{OTHER_TRUST}\n".encode(), "is no public key; expected ed25519: and 64 hex"),
        (PRIVATE_PEM, "is a private key; expected the .pub file beside it"),
    ],
)
def test_what_is_no_public_key(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "plant.pub"
    path.write_bytes(content)
    line = refusal(lambda: read_public_key(path), path)
    assert line.startswith(said)
    assert PRIVATE_PEM.splitlines()[1].decode() not in line


@pytest.mark.parametrize("read", [read_private_key, read_public_key, read_passphrase])
def test_files_that_cannot_be_read(tmp_path: Path, read: Callable[[Path], object]) -> None:
    none = tmp_path / "none"
    assert refusal(lambda: read(none), none) == "cannot be read: No such file or directory"
    assert refusal(lambda: read(tmp_path), tmp_path) == "cannot be read: Is a directory"


def test_trusted_keys_are_texts_and_files(tmp_path: Path) -> None:
    path = tmp_path / "plant.pub"
    path.write_text(f"{TRUST}\n")
    both = {public_of(KEY), public_of(OTHER_KEY)}
    assert read_trusted([path, OTHER_TRUST]) == both
    assert read_trusted([str(path), OTHER_TRUST, TRUST]) == both
    assert read_trusted([]) == frozenset()
    with pytest.raises(BundleError, match="ed25519:12: is no public key"):
        read_trusted(["ed25519:12"])
