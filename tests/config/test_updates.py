"""The section [updates] of station.toml."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.config.station import parse_config
from edge.errors import ConfigError

HEAD = """\
id = "press-3"
bundle = "b.outfeed"
state_dir = "state"
[camera]
kind = "files"
path = "frames"
[line]
travel_ms = 500
budget_ms = 100
"""
KEY = "ed25519:" + "ab" * 32
TLS = '[uplink]\ntls_ca = "ca.pem"\ntls_cert = "s.pem"\ntls_key = "s.key"\n'
FULL = f'[trust]\noperator_keys = ["{KEY}"]\n{TLS}[updates]\nserver = "https://central:8485"\n'
PATH = Path("/etc/outfeed/station.toml")


def test_without_a_server_there_are_no_updates() -> None:
    config = parse_config(HEAD, PATH)
    assert config.updates.server is None
    assert config.paths.updater == Path("/etc/outfeed/state/updater")


def test_the_keys_arrive_in_their_units() -> None:
    more = 'state_dir = "/var/lib/outfeed-updater"\nmax_mb = 2\nmin_free_mb = 3\n'
    more += 'plant = "north"\nline = "l1"\nshadow_parts = 7\nshadow_rejects = 2\n'
    updates = parse_config(HEAD + FULL + more, PATH).updates
    assert updates.address == ("central", 8485)
    assert (updates.max_bytes, updates.min_free_bytes) == (2 << 20, 3 << 20)
    assert (updates.plant, updates.line) == ("north", "l1")
    assert (updates.shadow_parts, updates.shadow_rejects) == (7, 2)
    paths = parse_config(HEAD + FULL + more, PATH).paths
    assert paths.updater == Path("/var/lib/outfeed-updater")
    assert paths.updater_report == Path("/var/lib/outfeed-updater/updater.json")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (FULL.replace("https", "http"), "expected https://HOST"),
        (FULL.replace(":8485", ":8485/x"), "expected https://HOST"),
        (FULL.replace(TLS, ""), "updates.server needs uplink.tls_ca"),
        (FULL.replace(f'operator_keys = ["{KEY}"]\n', ""), "needs trust.operator_keys"),
        (FULL + "signers = 2\n", "at least updates.signers of them"),
        (FULL + "[pictures]\nenabled = false\n", "updates.server needs pictures.enabled"),
        (FULL + 'plant = "+"\n', "updates.plant"),
        (FULL + "surprise = 1\n", "surprise"),
    ],
)
def test_a_wrong_section_is_one_line(text: str, expected: str) -> None:
    with pytest.raises(ConfigError, match=expected) as raised:
        parse_config(HEAD + text, PATH)
    assert "\n" not in str(raised.value)
