"""The label page by HTTPS: real connections, and every certificate and key that is refused."""

from __future__ import annotations

import http.client
import socket
import ssl
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from edge.errors import OutfeedError, UsageError
from edge.provision import make_authority, make_broker, read_file
from edge.web.certificate import PageCertificate, read_page_certificate
from edge.web.server import Address, open_socket, page_address
from tests.support.label_browser import at_the_page
from tests.support.label_pages import label_page, unlabelled


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder page/ as `outfeed provision broker 127.0.0.1 labels.example` makes it."""
    folder = tmp_path_factory.mktemp("plant")
    authority = make_authority(folder / "authority")
    hosts = ["labels.example", "127.0.0.1"]
    make_broker(folder / "page", authority, read_file(folder / "authority/revoked.pem"), hosts)
    return folder / "page"


def certificate(plant: Path) -> PageCertificate:
    found = read_page_certificate(plant / "broker.pem", plant / "broker.key")
    assert found is not None
    return found


def test_labels_are_saved_over_https(plant: Path, tmp_path: Path) -> None:
    root = unlabelled(tmp_path / "d", 2)
    own = certificate(plant)
    with label_page(root, certificate=own, authority=plant / "ca.pem") as page:
        assert page.url.startswith(f"https://127.0.0.1:{page.port}/?code=")
        answer = page.send("GET", f"/?code={page.access.code}")
        assert "secure" in answer.headers["set-cookie"].lower()
        assert page.admit().save("1.png", "good").json["label"] == "good"
    assert "images/1.png,good" in (root / "labelled.csv").read_text()


def test_a_client_verifies_the_certificate_and_plain_http_gets_nothing(
    plant: Path, tmp_path: Path
) -> None:
    root = unlabelled(tmp_path / "d", 1)
    with label_page(root, certificate=certificate(plant), authority=plant / "ca.pem") as page:
        page.tls = ssl.create_default_context()  # without the plant's authority
        with pytest.raises(ssl.SSLCertVerificationError):
            page.admit()
        page.tls = None
        with pytest.raises((http.client.HTTPException, OSError)):
            page.admit()


def test_a_slow_handshake_stops_nobody_else(plant: Path, tmp_path: Path) -> None:
    root = unlabelled(tmp_path / "d", 1)
    with (
        label_page(root, certificate=certificate(plant), authority=plant / "ca.pem") as page,
        socket.create_connection(("127.0.0.1", page.port)),
    ):
        assert page.admit().post("/api/next").json["name"] == "1.png"


def test_names_of_the_certificate_are_hosts_of_the_page(plant: Path, tmp_path: Path) -> None:
    root = unlabelled(tmp_path / "d", 1)
    own = certificate(plant)
    assert own.names == ("labels.example", "127.0.0.1")
    assert own.context.minimum_version == ssl.TLSVersion.TLSv1_2
    with label_page(root, certificate=own, authority=plant / "ca.pem") as page:
        for host, status in (("labels.example", 403), ("LABELS.example:1", 403), ("evil.net", 421)):
            assert page.send("GET", "/api/about", headers={"host": host}).status == status
    with label_page(root) as page:
        assert page.send("GET", "/api/about", headers={"host": "labels.example"}).status == 421
        assert "secure" not in page.send("GET", f"/?code={page.access.code}").headers["set-cookie"]


def test_the_printed_address_has_a_name_of_the_certificate(
    plant: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = certificate(plant)
    with open_socket(Address("127.0.0.1", 0)) as one, open_socket(Address("0.0.0.0", 0)) as every:
        monkeypatch.setattr("edge.web.server._reachable_host", lambda: "192.168.7.7")
        assert page_address(one, "x", own).startswith("https://127.0.0.1:")
        assert page_address(every, "x", own).startswith("https://labels.example:")
        assert page_address(every, "x").startswith("http://192.168.7.7:")


def test_a_browser_labels_over_https(chromium: Any, plant: Path, tmp_path: Path) -> None:
    root = unlabelled(tmp_path / "d", 2, (240, 320))
    with (
        label_page(root, certificate=certificate(plant), authority=plant / "ca.pem") as page,
        at_the_page(chromium, ignore_https_errors=True) as ada,
    ):
        ada.enter(page.url)
        ada.press("g")
        ada.sees_picture("2.png")
        ada.says("saved: 1.png, good")


def other(folder: Path, **given: Any) -> tuple[Path, Path]:
    """A certificate signed by its own key, and the key. given: hosts, days from now, mode, text."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "page")])
    now = datetime.now(timezone.utc)
    first, last = given.get("days", (-1, 9))
    builder = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now + timedelta(days=first))
        .not_valid_after(now + timedelta(days=last))
    )
    if hosts := given.get("hosts", ("a.example",)):
        names = x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts])
        builder = builder.add_extension(names, critical=False)
    form = serialization.BestAvailableEncryption(b"x") if given.get("locked") else None
    pem, secret = folder / "page.pem", folder / "page.key"
    encoding = serialization.Encoding.PEM
    pem.write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(encoding))
    secret.write_bytes(
        key.private_bytes(
            encoding, serialization.PrivateFormat.PKCS8, form or serialization.NoEncryption()
        )
    )
    secret.chmod(given.get("mode", 0o600))
    return pem, secret


def test_a_certificate_signed_by_itself_serves(tmp_path: Path) -> None:
    pem, key = other(tmp_path, hosts=("*.example", "A.example"))
    own = read_page_certificate(pem, key)
    assert own is not None
    assert own.names == ("a.example",)
    with label_page(unlabelled(tmp_path / "d", 1), certificate=own) as page:
        assert page.url.startswith("https://a.example:")
        page.tls = ssl.create_default_context(cafile=str(pem))
        page.tls.check_hostname = False
        assert page.admit().post("/api/next").json["name"] == "1.png"


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"days": (-9, -1)}, "expected one that is valid now"),
        ({"days": (1, 9)}, "expected one that is valid now"),
        ({"hosts": ()}, "names no host (subject alternative name)"),
        ({"mode": 0o644}, "others may read it; expected a secret: chmod 600"),
        ({"locked": True}, "is not a private key; expected PEM without a passphrase"),
    ],
)
def test_what_does_not_serve_is_one_line(tmp_path: Path, given: Any, reason: str) -> None:
    pem, key = other(tmp_path, **given)
    with pytest.raises(OutfeedError) as caught:
        read_page_certificate(pem, key)
    assert reason in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    assert str(caught.value).startswith(("--certificate ", "--key "))


def test_files_that_are_none_are_named(plant: Path, tmp_path: Path) -> None:
    pem, key = other(tmp_path)
    text = tmp_path / "text"
    text.write_text("text")
    for given, reason in (
        ((tmp_path / "none", key), f"--certificate {tmp_path / 'none'}: cannot be read: No such"),
        ((pem, tmp_path / "none"), f"--key {tmp_path / 'none'}: cannot be read: No such"),
        ((text, key), f"--certificate {text}: is not a certificate; expected PEM"),
        ((pem, text), f"--key {text}: is not a private key"),
        ((pem, plant / "broker.key"), f"does not belong to --certificate {pem}"),
    ):
        with pytest.raises(OutfeedError) as caught:
            read_page_certificate(*given)
        assert reason in str(caught.value)
    for pair in ((pem, None), (None, key)):
        with pytest.raises(UsageError, match="expected both, or neither"):
            read_page_certificate(*pair)
    assert read_page_certificate(None, None) is None
