"""Passwords and TLS against a real broker."""

import logging
import shutil
import subprocess
from pathlib import Path

import pytest
from pydantic import ValidationError

from edge.config.uplink import UplinkConfig
from edge.uplink.publisher import run_uplink
from tests.support.brokers import Mosquitto, needs_mosquitto, station_config, wait_for
from tests.uplink.central import Central, fill, open_journal, running

OPENSSL = shutil.which("openssl")
needs_tools = pytest.mark.skipif(
    OPENSSL is None or shutil.which("mosquitto_passwd") is None,
    reason="openssl or mosquitto_passwd is not installed",
)


def openssl(folder: Path, *arguments: str) -> None:
    assert OPENSSL is not None
    subprocess.run([OPENSSL, *arguments], cwd=folder, check=True, capture_output=True)


def make_ca(folder: Path, name: str) -> None:
    """{name}.pem and {name}.key: an authority of its own."""
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    openssl(
        folder,
        *("req", "-x509", *key, "-days", "2", "-subj", f"/CN={name}"),
        *("-keyout", f"{name}.key", "-out", f"{name}.pem"),
        # Python 3.13 checks as RFC 5280 has it and misses these where they are absent.
        *("-addext", "keyUsage=critical,keyCertSign,cRLSign"),
    )


def make_certificate(folder: Path, name: str, subject: str, alternative: str) -> None:
    """{name}.pem and {name}.key, signed by ca.pem."""
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    openssl(
        folder,
        *("req", *key, "-subj", f"/CN={subject}", "-keyout", f"{name}.key", "-out", f"{name}.csr"),
    )
    (folder / f"{name}.ext").write_text(
        f"subjectAltName={alternative}\nauthorityKeyIdentifier=keyid\nsubjectKeyIdentifier=hash\n"
    )
    openssl(
        folder,
        *("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key"),
        *("-CAcreateserial", "-days", "2", "-out", f"{name}.pem", "-extfile", f"{name}.ext"),
    )


@needs_mosquitto
@needs_tools
def test_tls_with_client_certificate_and_password(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    make_ca(tmp_path, "ca")
    make_ca(tmp_path, "stranger")
    make_certificate(tmp_path, "server", "broker", "IP:127.0.0.1")
    make_certificate(tmp_path, "station", "press-3", "DNS:press-3")
    passwords = tmp_path / "passwords"
    passwords.touch()
    subprocess.run(
        ["mosquitto_passwd", "-b", str(passwords), "press-3", "open sesame"],
        check=True,
        capture_output=True,
    )
    (tmp_path / "right").write_text("open sesame\n")
    (tmp_path / "wrong").write_text("open barley\n")
    lines = (
        f"cafile {tmp_path}/ca.pem",
        f"certfile {tmp_path}/server.pem",
        f"keyfile {tmp_path}/server.key",
        "require_certificate true",
        f"password_file {passwords}",
        "allow_anonymous false",
    )
    with Mosquitto(tmp_path / "broker", *lines) as broker:
        keys = {
            "port": broker.port,
            "tls_ca": tmp_path / "ca.pem",
            "tls_cert": tmp_path / "station.pem",
            "tls_key": tmp_path / "station.key",
            "username": "press-3",
            "password_file": tmp_path / "right",
        }
        config = station_config(tmp_path / "state", **keys)
        central = Central(config)
        with central.listening(), open_journal(config) as journal:
            fill(journal, 1)
            for change, line in (
                ({"tls_ca": tmp_path / "stranger.pem"}, "the broker's certificate: "),
                ({"host": "localhost"}, "Hostname mismatch"),
                ({"password_file": tmp_path / "wrong"}, "Not authorized"),
            ):
                wrong = station_config(tmp_path / "state", **{**keys, **change})
                with caplog.at_level(logging.WARNING), running(run_uplink, wrong):
                    wait_for(lambda line=line: line in caplog.text, f"{line} in the log")
            assert central.received == []
            with running(run_uplink, config):
                wait_for(lambda: len(central.received) == 10, "10 events")


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        ({"password_file": Path("p")}, "password_file needs a username"),
        ({"tls_ca": Path("c"), "tls_key": Path("k")}, "tls_cert and tls_key need each other"),
        ({"tls_cert": Path("c"), "tls_key": Path("k")}, "tls_cert needs tls_ca"),
    ],
)
def test_half_a_setting_is_refused(keys: dict[str, Path], line: str) -> None:
    with pytest.raises(ValidationError, match=line):
        UplinkConfig.model_validate(keys)
