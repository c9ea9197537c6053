"""Private keys with a passphrase: the plant's authority and the keys that sign bundles."""

from __future__ import annotations

import getpass
import os
import pty
import select
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from edge.__main__ import main
from edge.bundle.keys import is_encrypted, read_private_key
from edge.provision import Authority, ProvisionError
from tests.support.keys import TRUST


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_text("correct horse\n")
    return path


@pytest.fixture
def sealed(tmp_path: Path, secret: Path) -> Path:
    """An authority whose ca.key has a passphrase."""
    folder = tmp_path / "authority"
    assert run("provision", "authority", "--out", folder, "--passphrase-file", secret) == 0
    return folder


def run(*words: object) -> int:
    return main([str(word) for word in words])


def at_terminal(monkeypatch: pytest.MonkeyPatch, *answers: str) -> list[str]:
    """Type the answers at a simulated terminal and return the prompts."""
    asked: list[str] = []
    typed = list(answers)

    def answer(prompt: str) -> str:
        asked.append(prompt)
        return typed.pop(0)

    monkeypatch.setattr(getpass, "getpass", answer)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    return asked


def test_the_key_of_an_authority_is_encrypted(sealed: Path) -> None:
    assert is_encrypted(sealed / "ca.key")
    assert "PRIVATE" not in (sealed / "ca.pem").read_text()
    with pytest.raises(ProvisionError, match=r"ca\.key: is encrypted; --passphrase-file is miss"):
        Authority.read(sealed)
    with pytest.raises(ProvisionError, match=r"ca\.key: the passphrase does not open it"):
        Authority.read(sealed, b"wrong")
    Authority.read(sealed, b"correct horse")


def test_every_command_that_signs_opens_it(
    sealed: Path, secret: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = ("--authority", sealed, "--passphrase-file", secret)
    assert run("provision", "broker", "b.example", "--out", tmp_path / "broker", *own) == 0
    assert run("provision", "central", "--out", tmp_path / "central", *own) == 0
    new = ("--broker", "b.example", "--trust", TRUST, "--out", tmp_path / "press-3")
    assert run("provision", "station", "press-3", *new, *own) == 0
    assert run("provision", "revoke", tmp_path / "press-3/station.pem", *own) == 0
    # A unit has no operator to ask at its start.
    assert not is_encrypted(tmp_path / "press-3/station.key")
    capsys.readouterr()
    assert run("provision", "central", "--out", tmp_path / "other", "--authority", sealed) == 1
    assert "is encrypted; --passphrase-file is missing" in capsys.readouterr().err
    assert not (tmp_path / "other").exists()


def test_a_terminal_is_asked_where_the_key_has_one(
    sealed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = at_terminal(monkeypatch, "correct horse")
    assert run("provision", "central", "--out", tmp_path / "central", "--authority", sealed) == 0
    assert asked == [f"passphrase of {sealed / 'ca.key'}: "]
    asked = at_terminal(monkeypatch)
    assert run("provision", "authority", "--out", tmp_path / "plain") == 0
    plain = ("--authority", tmp_path / "plain")
    assert run("provision", "central", "--out", tmp_path / "another", *plain) == 0
    assert asked == []


def test_a_new_passphrase_is_asked_for_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = at_terminal(monkeypatch, "s3cret", "s3cret")
    assert run("bundle", "keygen", "--out", tmp_path / "plant", "--passphrase") == 0
    assert len(asked) == 2
    read_private_key(tmp_path / "plant.key", b"s3cret")
    for answers, said in (
        (("a", "b"), "the two passphrases differ"),
        (("",), "the passphrase is empty"),
    ):
        at_terminal(monkeypatch, *answers)
        assert run("bundle", "keygen", "--out", tmp_path / "other", "--passphrase") == 2
        assert said in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["plant.key", "plant.pub"]


def test_without_a_terminal_nobody_is_asked(
    tmp_path: Path, secret: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in (("bundle", "keygen"), ("provision", "authority")):
        assert run(*command, "--out", tmp_path / "new", "--passphrase") == 2
        assert "without one expected --passphrase-file" in capsys.readouterr().err
        both = ("--passphrase", "--passphrase-file", secret)
        assert run(*command, "--out", tmp_path / "new", *both) == 2
        assert "either --passphrase or --passphrase-file" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]


def _typed(command: Sequence[str], answers: Sequence[str]) -> tuple[int, str]:
    """Run the command at a real terminal, type each answer after a prompt; status and screen."""
    child, terminal = pty.fork()
    if child == 0:
        os.execv(sys.executable, [sys.executable, "-m", "edge", *command])
    screen, waiting = "", list(answers)
    until_s = time.monotonic() + 60
    while time.monotonic() < until_s:
        if not select.select([terminal], [], [], 1.0)[0]:
            continue
        try:
            screen += os.read(terminal, 1000).decode()
        except OSError:  # the terminal's other end is closed
            break
        if waiting and screen.count(": ") > len(answers) - len(waiting):
            os.write(terminal, f"{waiting.pop(0)}\n".encode())
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), screen


def test_at_a_real_terminal_it_is_not_shown(tmp_path: Path) -> None:
    out = str(tmp_path / "plant")
    status, screen = _typed(["bundle", "keygen", "--out", out, "--passphrase"], ["s3cret"] * 2)
    assert status == 0, screen
    assert "s3cret" not in screen
    read_private_key(tmp_path / "plant.key", b"s3cret")
