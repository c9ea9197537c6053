"""Only the subject alternative name decides whose certificate, and whose key, it is."""

from __future__ import annotations

import datetime as dt
import logging
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from edge.config.uplink import UplinkConfig
from edge.doctor import network
from edge.doctor.finding import Level
from edge.provision import Authority, ProvisionError, make_authority
from edge.provision.authority import private_pem
from edge.uplink.client import make_client
from tests.doctor.contexts import UPLINK, context


def server_files(folder: Path, authority: Authority, *, alternative: bool) -> tuple[Path, Path]:
    """A certificate for localhost by the common name, and by a subject alternative name or not."""
    key, now = ec.generate_private_key(ec.SECP256R1()), dt.datetime.now(dt.timezone.utc)
    own = authority.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    made = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")]))
        .issuer_name(authority.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=60))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own), critical=False
        )
    )
    if alternative:
        names = x509.SubjectAlternativeName([x509.DNSName("localhost")])
        made = made.add_extension(names, critical=False)
    pem = made.sign(authority.key, hashes.SHA256()).public_bytes(Encoding.PEM)
    (folder / "server.pem").write_bytes(pem)
    (folder / "server.key").write_bytes(private_pem(key))
    return folder / "server.pem", folder / "server.key"


@contextmanager
def listening(files: tuple[Path, Path]) -> Iterator[int]:
    """Finishes every TLS handshake that a client finishes."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)

    def serve() -> None:
        while True:
            try:
                link, _ = server.accept()
            except OSError:
                return
            link.settimeout(5)
            with suppress(OSError), context.wrap_socket(link, server_side=True) as secured:
                secured.recv(1)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        thread.join(10)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return make_authority(tmp_path / "authority")


@pytest.mark.parametrize("alternative", [True, False])
def test_a_broker_without_a_subject_alternative_name_is_refused(
    tmp_path: Path, authority: Authority, alternative: bool
) -> None:
    ca = tmp_path / "authority/ca.pem"
    (tmp_path / "station").mkdir()
    with listening(server_files(tmp_path, authority, alternative=alternative)) as port:
        config = UplinkConfig(host="localhost", port=port, tls_ca=ca)
        client = make_client(config, "press-3", clean_session=False)
        if alternative:
            assert client.connect(config.host, config.port) == 0
            client.disconnect()
        else:
            with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
                client.connect(config.host, config.port)
        text = f'{UPLINK}host = "localhost"\nport = {port}\ntls_ca = "{ca}"\n'
        found = network.broker(context(tmp_path / "station", text=(UPLINK, text)))
        assert (found.level is Level.OK) is alternative, found


def test_a_key_that_the_world_may_read(
    tmp_path: Path, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    """The authority's is refused; a station's is complained of, in the log and by the doctor."""
    key = tmp_path / "authority/ca.key"
    assert Authority.read(tmp_path / "authority")
    for mode in (0o604, 0o602, 0o644):
        key.chmod(mode)
        with pytest.raises(ProvisionError, match="others may read it; expected a secret: chmod"):
            Authority.read(tmp_path / "authority")
    cert, own = server_files(tmp_path, authority, alternative=True)
    ca = tmp_path / "authority/ca.pem"
    config = UplinkConfig(tls_ca=ca, tls_cert=cert, tls_key=own)
    lines = f'tls_ca = "{ca}"\ntls_cert = "{cert}"\ntls_key = "{own}"\n'
    (tmp_path / "station").mkdir()
    one = context(tmp_path / "station", text=(UPLINK, UPLINK + lines))
    for mode, is_exposed in ((0o600, False), (0o640, False), (0o644, True)):
        own.chmod(mode)
        caplog.clear()
        with caplog.at_level(logging.ERROR):
            make_client(config, "press-3", clean_session=False)
        assert ("secret_exposed key=uplink.tls_key" in caplog.text) is is_exposed
        found = network.secrets(one)
        assert found is not None
        assert (found.level is Level.FAIL) is is_exposed
