"""The sections web and openid of central.toml: every key, and what is refused."""

from __future__ import annotations

import datetime
import ipaddress
import json
import ssl
from pathlib import Path
from typing import Any

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from central.config.central import CentralConfig, parse_central
from central.config.openid import OpenIdConfig, OpenIdGroup
from central.config.web import WebConfig
from central.store.database import Database
from central.web.server import WebServer
from edge.errors import ConfigError
from tests.support.central_access import app_of, fast_database

_FILE = Path("/etc/outfeed/central.toml")
_TLS = {"tls_cert": "c.pem", "tls_key": "k.pem"}
_ISSUER = {
    "issuer": "https://login.plant",
    "client_id": "outfeed",
    "redirect": "https://central.plant/login/openid/return",
}

WEB: list[tuple[str, Any, dict[str, Any]]] = [
    ("listen", "::1", {}),
    ("listen", "192.0.2.4", _TLS),
    ("port", 0, {}),
    ("accounts", "off", {}),
    ("hosts", ["central.plant", "192.0.2.4"], {}),
    ("tls_cert", "c.pem", {"tls_key": "k.pem"}),
    ("tls_key", "k.pem", {"tls_cert": "c.pem"}),
    ("behind_proxy", True, {}),
    ("proxies", ["192.0.2.9"], {"behind_proxy": True}),
    ("session_idle_min", 5, {}),
    ("session_hours", 1, {}),
]
OPENID: list[tuple[str, Any]] = [
    ("issuer", "http://127.0.0.1:9000"),
    ("client_id", "other"),
    ("client_secret_file", "secret"),
    ("tls_ca", "ca.pem"),
    ("redirect", "http://localhost:8480/login/openid/return"),
    ("scopes", ["openid"]),
    ("name_claim", "email"),
    ("groups_claim", "roles"),
]


def toml(section: str, values: dict[str, Any]) -> str:
    lines = [f"{key} = {json.dumps(value)}" for key, value in values.items()]
    return f"[{section}]\n" + "\n".join(lines)


def expected_of(value: Any, found: Any) -> Any:
    if isinstance(found, Path):
        return _FILE.parent / value
    return tuple(value) if isinstance(value, list) else value


@pytest.mark.parametrize(("key", "value", "needs"), WEB)
def test_every_key_of_web_is_read(key: str, value: Any, needs: dict[str, Any]) -> None:
    config = parse_central(toml("web", {**needs, key: value}), _FILE)
    found = getattr(config.web, key)
    assert found == expected_of(value, found)
    assert getattr(WebConfig(), key) != found


@pytest.mark.parametrize(("key", "value"), OPENID)
def test_every_key_of_openid_is_read(key: str, value: Any) -> None:
    config = parse_central(toml("openid", {**_ISSUER, key: value}), _FILE).openid
    assert config is not None
    found = getattr(config, key)
    assert found == expected_of(value, found)


def test_groups_are_read() -> None:
    text = toml("openid", _ISSUER) + (
        '\n[[openid.groups]]\ngroup = "g"\nrole = "quality"\nplant = "Ulm"\nline = "press"\n'
    )
    config = parse_central(text, _FILE).openid
    assert config is not None
    assert config.groups == (OpenIdGroup(group="g", role="quality", plant="Ulm", line="press"),)


def test_lists_above_have_every_key() -> None:
    assert {key for key, _, _ in WEB} == set(WebConfig.model_fields)
    assert {key for key, _ in OPENID} | {"groups"} == set(OpenIdConfig.model_fields)
    for model in (WebConfig, OpenIdConfig, OpenIdGroup):
        assert all(field.title and field.description for field in model.model_fields.values())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (toml("web", {"listen": "0.0.0.0"}), "needs tls_cert and tls_key, or behind_proxy = true"),
        (toml("web", {"listen": "0.0.0.0", **_TLS}), "needs hosts, the names of this server"),
        (
            toml("web", {"listen": "192.0.2.4", "accounts": "off", **_TLS}),
            'accounts = "off" is for',
        ),
        (toml("web", {"accounts": "off", "behind_proxy": True}), '"off" is for'),
        (toml("web", {"tls_cert": "c"}), "tls_cert and tls_key need each other"),
        (toml("web", {"behind_proxy": True, **_TLS}), "behind_proxy and tls_cert exclude"),
        (toml("web", {"hosts": ["https://x"]}), "web.hosts': expected names without port"),
        (toml("web", {"proxies": ["proxy"]}), "web.proxies': expected IP addresses"),
        (toml("web", {"listen": "localhost"}), "web.listen': expected an IP address"),
        (toml("openid", {**_ISSUER, "issuer": "http://login.plant"}), "begins with https://"),
        (toml("openid", {**_ISSUER, "redirect": "https://x/"}), "ends with /login/openid/return"),
        (toml("openid", {**_ISSUER, "scopes": ["email"]}), 'expected a list with "openid"'),
        (toml("openid", {"issuer": "https://x"}), "openid.client_id"),
        (toml("web", {"accounts": "off"}) + "\n" + toml("openid", _ISSUER), "openid needs"),
        (
            toml("openid", _ISSUER) + '\n[[openid.groups]]\ngroup = "g"\nrole = "boss"',
            "openid.groups",
        ),
        (
            toml("openid", _ISSUER)
            + '\n[[openid.groups]]\ngroup = "g"\nrole = "admin"\nline = "press"',
            "line needs plant",
        ),
    ],
)
def test_wrong_keys_are_one_line(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_central(text, _FILE)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_shipped_template_has_every_key() -> None:
    text = (Path(__file__).parents[2] / "firmware-config" / "central.toml").read_text("utf-8")
    for key, _, _ in WEB:
        part = text.partition("\n[web]")[2].partition("\n[")[0]
        assert f"\n{key} = " in part or f"\n#: {key} = " in part, key
    shown = "\n".join(
        line.removeprefix("#: ")
        for line in text.partition("#: [openid]")[2].splitlines()
        if line.startswith("#: ")
    ).partition("\n[collector]")[0]
    own = parse_central("[openid]\n" + shown.partition("\nshare")[0], _FILE).openid
    assert own is not None
    assert own.groups[0].line == "press"
    assert {f"{key} = " in shown for key, _ in OPENID} == {True}


def test_shipped_template_is_valid_and_has_every_key_of_every_section() -> None:
    path = Path(__file__).parents[2] / "firmware-config" / "central.toml"
    text = path.read_text("utf-8")
    assert parse_central(text, path) == parse_central("", path)
    for section, field in CentralConfig.model_fields.items():
        if section in ("openid", "bucket"):
            continue
        part = text.partition(f"[{section}]\n")[2].partition("\n[")[0]
        assert field.annotation is not None
        for key in field.annotation.model_fields:
            assert f"\n{key} = " in f"\n{part}" or f"\n#: {key} = " in f"\n{part}", key


def test_accounts_are_on_by_default() -> None:
    assert CentralConfig().web.accounts == "on"


@pytest.fixture
def database(tmp_path: Path) -> Any:
    opened: Database = fast_database(tmp_path)
    yield opened
    opened.close()


def test_pages_over_tls(database: Database, tmp_path: Path) -> None:
    certificate, key = _certificate(tmp_path)
    web = WebConfig(tls_cert=certificate, tls_key=key)
    server = WebServer(
        app_of(database, web), host="127.0.0.1", port=0, certificate=certificate, key=key
    )
    server.start()
    try:
        assert server.address.startswith("https://127.0.0.1:")
        trusted = ssl.create_default_context(cafile=str(certificate))
        with httpx2.Client(verify=trusted, trust_env=False) as client:
            answer = client.get(server.address + "login")
        assert answer.status_code == 200
        assert answer.headers["strict-transport-security"] == "max-age=31536000"
    finally:
        server.close()


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_wrong_certificate_is_one_line(
    database: Database, tmp_path: Path, content: str | None
) -> None:
    certificate, key = _certificate(tmp_path)
    if content is None:
        certificate.unlink()
    else:
        certificate.write_text(content, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"web\.tls_cert, web\.tls_key: .* cannot be used"):
        WebServer(app_of(database), host="127.0.0.1", port=0, certificate=certificate, key=key)


def _certificate(folder: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.timezone.utc)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    certificate, private = folder / "c.pem", folder / "k.pem"
    certificate.write_bytes(built.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return certificate, private
