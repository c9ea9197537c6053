"""central.toml: every key is read, and a wrong value is one line that names file and key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from central.config.central import CentralConfig, load_central, parse_central
from edge.errors import ConfigError

_FILE = Path("/etc/outfeed/central.toml")

# section, key, a value other than the default, and what else the section needs.
KEYS: list[tuple[str, str, Any, dict[str, Any]]] = [
    ("broker", "kind", "external", {}),
    ("broker", "host", "broker.plant", {"kind": "external"}),
    ("broker", "port", 1884, {}),
    ("broker", "topic_prefix", "plant/outfeed", {}),
    ("broker", "keepalive_s", 30, {}),
    ("broker", "username", "central", {"kind": "external"}),
    ("broker", "password_file", "pw", {"kind": "external", "username": "central"}),
    ("broker", "tls_ca", "ca.pem", {"kind": "external"}),
    ("broker", "tls_cert", "c.pem", {"kind": "external", "tls_ca": "ca", "tls_key": "k"}),
    ("broker", "tls_key", "c.key", {"kind": "external", "tls_ca": "ca", "tls_cert": "c"}),
    ("broker", "retry_max_s", 3.0, {}),
    ("database", "kind", "postgresql", {}),
    ("database", "path", "other.db", {}),
    ("database", "host", "db.plant", {"kind": "postgresql"}),
    ("database", "port", 5433, {"kind": "postgresql"}),
    ("database", "hosts", ("db1", "db2:5433"), {"kind": "postgresql"}),
    ("database", "name", "plant", {"kind": "postgresql"}),
    ("database", "username", "collector", {"kind": "postgresql"}),
    ("database", "password_file", "pw", {"kind": "postgresql"}),
    ("database", "tls", "require", {"kind": "postgresql"}),
    ("database", "tls_ca", "ca.pem", {"kind": "postgresql", "tls": "verify-full"}),
    ("collector", "name", "plant 7", {}),
    ("collector", "share", "plant-7", {}),
    ("collector", "batch_events", 1, {}),
    ("collector", "batch_ms", 0.0, {}),
    ("collector", "window", 7, {}),
    ("collector", "statement_s", 5.0, {}),
    ("retention", "events_days", 0, {}),
    ("retention", "parts_days", 3, {}),
    ("retention", "figures_days", 4, {}),
    ("retention", "reports_days", 5, {}),
    ("pictures", "path", "pictures", {}),
    ("pictures", "max_mb", 100.0, {}),
    ("pictures", "listen", "127.0.0.1", {}),
    ("pictures", "port", 9000, {}),
    ("pictures", "tls_ca", "ca.pem", {}),
    ("pictures", "tls_cert", "p.pem", {}),
    ("pictures", "tls_key", "p.key", {}),
    ("pictures", "tls_revoked", "revoked.pem", {}),
    ("bundles", "path", "bundles", {"keys": (f"ed25519:{'0' * 64}",)}),
    ("bundles", "keys", (f"ed25519:{'0' * 64}",), {}),
    ("bundles", "max_mb", 100.0, {}),
    ("bundles", "listen", "127.0.0.1", {}),
    ("bundles", "port", 9000, {}),
    ("bundles", "tls_ca", "ca.pem", {}),
    ("bundles", "tls_cert", "p.pem", {}),
    ("bundles", "tls_key", "p.key", {}),
    ("bundles", "tls_revoked", "revoked.pem", {}),
]


def _toml(section: str, values: dict[str, Any]) -> str:
    values = {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}
    texts = {k: f'"{v}"' if isinstance(v, str) else str(v).lower() for k, v in values.items()}
    return f"[{section}]\n" + "\n".join(f"{key} = {text}" for key, text in texts.items())


@pytest.mark.parametrize(("section", "key", "value", "needs"), KEYS)
def test_every_key_is_read(section: str, key: str, value: Any, needs: dict[str, Any]) -> None:
    config = parse_central(_toml(section, {**needs, key: value}), _FILE)
    found = getattr(getattr(config, section), key)
    expected = _FILE.parent / value if isinstance(found, Path) else value
    assert found == expected
    assert getattr(getattr(CentralConfig(), section), key) != found


def test_the_list_above_has_every_key() -> None:
    named = {(section, key) for section, key, _, _ in KEYS}
    for section, field in CentralConfig.model_fields.items():
        if section in ("web", "openid", "alarms", "backup", "bucket"):
            continue  # test_access_config.py, test_alarm_config.py and test_picture_bucket.py
        model = field.annotation
        assert {(section, key) for key in model.model_fields} == {
            each for each in named if each[0] == section
        }
        for key, info in model.model_fields.items():
            assert info.title, key
            assert info.description, key


WRONG = [
    ("", "[broker\n", "is not TOML"),
    ("", "[brokers]", "unknown key 'brokers'"),
    ("", "[web]\nprot = 1", "unknown key 'web.prot'"),
    ("", "[web]\nport = 70000", "key 'web.port': input should be less than or equal to 65535"),
    ("", "[web]\nport = true", "key 'web.port': input should be a valid integer"),
    ("", '[web]\nlisten = "0.0.0.0"', "'0.0.0.0' needs tls_cert and tls_key, or behind_proxy"),
    ("", '[web]\nlisten = "localhost"', "key 'web.listen': expected an IP address"),
    ("", '[broker]\nhost = "other"', "key 'broker': host is of kind external; kind is embedded"),
    ("", '[broker]\nkind = "external"\ntls_key = "k"', "tls_cert and tls_key need each other"),
    ("", '[broker]\nkind = "external"\npassword_file = "k"', "password_file needs a username"),
    ("", '[broker]\ntopic_prefix = "a/#"', "key 'broker.topic_prefix'"),
    ("", '[database]\nhost = "db"', "key 'database': host is of kind postgresql; kind is sqlite"),
    ("", '[database]\nkind = "postgresql"\npath = "x"', "path is of kind sqlite"),
    ("", '[database]\nkind = "postgresql"\ntls = "verify-full"', "need each other"),
    ("", '[database]\nkind = "postgresql"\nhosts = ["a:0"]', "expected names or addresses as"),
    ("", '[database]\nkind = "postgresql"\nhosts = ["a,b"]', "expected names or addresses as"),
    ("", '[database]\nkind = "postgresql"\nhosts = "db1"', "key 'database.hosts'"),
    ("", '[database]\nkind = "postgresql"\nhost = "a"\nhosts = ["b"]', "exclude each other"),
    ("", '[database]\nkind = "oracle"', "key 'database.kind': input should be 'sqlite' or"),
    ("", '[collector]\nshare = "a/b"', "key 'collector.share'"),
    ("", "[retention]\nevents_days = -1", "key 'retention.events_days'"),
    ("", '[bundles]\npath = "b"', "key 'bundles': path needs keys"),
    ("", '[bundles]\nkeys = ["ed25519:00"]', "a key is ed25519: and 64 hex digits"),
    ("", '[bundles]\nlisten = "here"', "key 'bundles.listen': expected an IP address"),
    ("", "a = " + "[" * 3000, "is not TOML"),
]


@pytest.mark.parametrize(("_", "text", "line"), WRONG)
def test_a_wrong_value_is_one_line(_: str, text: str, line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_central(text, _FILE)
    assert str(caught.value).startswith(f"{_FILE}: ")
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_status == 78


def test_files_of_keys_begin_at_the_folder_of_the_file() -> None:
    config = parse_central('[bundles]\npath = "b"\nkeys = ["plant.pub"]\n', _FILE)
    assert config.bundles.keys == (_FILE.parent / "plant.pub",)


def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"missing\.toml: cannot be read: No such file"):
        load_central(tmp_path / "missing.toml")
    (tmp_path / "latin.toml").write_bytes("# ä".encode("latin-1"))
    with pytest.raises(ConfigError, match=r"latin\.toml: is not UTF-8 text"):
        load_central(tmp_path / "latin.toml")


def test_the_shipped_template_has_every_key_with_its_default(tmp_path: Path) -> None:
    template = Path(__file__).parents[2] / "firmware-config" / "central.toml"
    text = template.read_text(encoding="utf-8")
    assert load_central(template).model_dump(exclude={"database"}) == CentralConfig().model_dump(
        exclude={"database"}
    )
    # The lines behind "#:" are the keys that a default cannot show.
    for section, key, _, _ in KEYS:
        part = text.partition(f"[{section}]")[2].partition("\n[")[0]
        assert f"\n{key} = " in part or f"\n#: {key} = " in part, f"{section}.{key}"


def test_the_servers_of_a_cluster_have_ports() -> None:
    text = '[database]\nkind = "postgresql"\nport = 6000\nhosts = ["db1", "db2:5433"]\n'
    assert parse_central(text, _FILE).database.servers == (("db1", 6000), ("db2", 5433))
    one = parse_central('[database]\nkind = "postgresql"\nhost = "db"\n', _FILE).database
    assert one.servers == (("db", 5432),)
