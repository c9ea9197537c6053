"""The section [commands], and the keys that it needs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.configurations import SMALLEST, config_error, load
from tests.support.keys import TRUST

KEYS = f'[trust]\noperator_keys = ["{TRUST}"]\n'
UPLOAD = '[upload]\nurl = "https://central:8484"\n'


@pytest.mark.parametrize("kinds", [("mark",), ("resend", "mark"), ("mark", "resend", "picture")])
def test_accepted_kinds_are_read(tmp_path: Path, kinds: tuple[str, ...]) -> None:
    listed = ", ".join(f'"{kind}"' for kind in kinds)
    text = f"{SMALLEST}{KEYS}{UPLOAD}[commands]\naccept = [{listed}]\n"
    config = load(tmp_path / "station.toml", text)
    assert config.commands.accept == kinds
    assert config.trust.operator_keys == (TRUST,)
    assert config.trust.keys == ()


def test_nothing_is_accepted_by_default(tmp_path: Path) -> None:
    config = load(tmp_path / "station.toml", SMALLEST)
    assert config.commands.accept == ()
    assert config.trust.operator_keys == ()


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ('[commands]\naccept = ["mark"]\n', "commands.accept needs trust.operator_keys"),
        (
            KEYS + '[pictures]\nenabled = false\n[commands]\naccept = ["resend"]\n',
            "commands.accept needs pictures.enabled, as marks do",
        ),
        (
            KEYS + '[commands]\naccept = ["picture"]\n',
            '"picture" in commands.accept needs upload.url',
        ),
        (KEYS + '[commands]\naccept = ["output"]\n', "key 'commands.accept.0'"),
        (KEYS + '[commands]\naccept = ["mark", "mark"]\n', "a kind is listed twice"),
        (KEYS + '[commands]\naccept = "mark"\n', "key 'commands.accept'"),
        ('[trust]\noperator_keys = ["ed25519:12"]\n', "a key is ed25519: and 64 hex digits"),
        ("[trust]\noperator_keys = [5]\n", "a key is a text, ed25519: and 64 hex digits"),
    ],
)
def test_a_wrong_section_is_one_line(tmp_path: Path, lines: str, reason: str) -> None:
    assert reason in config_error(tmp_path / "station.toml", SMALLEST + lines)
