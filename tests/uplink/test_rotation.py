"""Certificates, keys and passwords that are replaced under an uplink that runs."""

from __future__ import annotations

import logging
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.config.uplink import UplinkConfig
from edge.provision.authority import Authority, make_authority
from edge.provision.identity import make_broker, make_station_identity
from edge.provision.revocation import empty_list, revoke
from edge.uplink.publisher import run_uplink
from edge.uplink.state import read_state
from edge.uplink.tls import CredentialsError, tls_context
from tests.support.brokers import Mosquitto, needs_mosquitto, station_config, wait_for
from tests.uplink.central import Central, fill, open_journal, running

ENCRYPTED = """\
-----BEGIN ENCRYPTED PRIVATE KEY-----
MIGbMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAgAAAAAAAAAAAICCAAw
DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEAAAAAAAAAAAAAAAAAAAAAAEQAAA
-----END ENCRYPTED PRIVATE KEY-----
"""


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """authority/, broker/, and two generations of press-3: old.pem, old.key, new.pem, new.key."""
    folder = tmp_path_factory.mktemp("plant")
    make_authority(folder / "authority")
    authority = Authority.read(folder / "authority")
    revoked = empty_list(authority.certificate, authority.key)
    make_broker(folder / "broker", authority, revoked, ["127.0.0.1"])
    for name in ("old", "new"):
        identity = make_station_identity(authority, "press-3")
        (folder / f"{name}.pem").write_bytes(identity.certificate)
        (folder / f"{name}.key").write_bytes(identity.key)
    return folder


def tls_broker(folder: Path, plant: Path, *lines: str) -> Mosquitto:
    files = plant / "broker"
    return Mosquitto(
        folder,
        f"cafile {files}/ca.pem",
        f"certfile {files}/broker.pem",
        f"keyfile {files}/broker.key",
        "require_certificate true",
        *lines,
        persistence=True,
    )


def install(plant: Path, unit: Path, generation: str, *kinds: str) -> None:
    for kind in kinds:
        shutil.copy(plant / f"{generation}.{kind}", unit / f"station.{kind}")


def with_identity(plant: Path, folder: Path) -> Path:
    """Return the folder, now with station.pem, station.key and ca.pem of the old generation."""
    folder.mkdir()
    install(plant, folder, "old", "pem", "key")
    shutil.copy(plant / "broker/ca.pem", folder / "ca.pem")
    return folder


@pytest.fixture
def unit(plant: Path, tmp_path: Path) -> Path:
    return with_identity(plant, tmp_path / "unit")


def central_of(plant: Path, folder: Path, broker: Mosquitto) -> Central:
    """A central system whose key stays: with another one it would have another session."""
    own = with_identity(plant, folder)
    return Central(station_config(folder / "state", port=broker.port, **keys(own)))


def keys(unit: Path) -> dict[str, object]:
    names = {"tls_ca": "ca.pem", "tls_cert": "station.pem", "tls_key": "station.key"}
    return {key: unit / name for key, name in names.items()}


@needs_mosquitto
def test_the_certificate_then_the_key_are_replaced_and_the_broker_restarts_between(
    plant: Path, unit: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with tls_broker(tmp_path / "broker", plant) as broker:
        config = station_config(tmp_path / "state", port=broker.port, **keys(unit))
        central = central_of(plant, tmp_path / "central", broker)
        with central.listening(), open_journal(config) as journal, running(run_uplink, config):
            fill(journal, 1)
            wait_for(lambda: central.has(10), "events by the old certificate")
            install(plant, unit, "new", "pem")
            broker.stop()
            broker.start()
            fill(journal, 1)
            wait_for(lambda: "does not belong to uplink.tls_key" in caplog.text, "a complaint")
            wait_for(
                lambda: "does not belong" in read_state(config.paths.uplink).trouble, "the trouble"
            )
            assert not central.has(11)
            install(plant, unit, "new", "key")
            wait_for(lambda: central.has(20), "events by the new certificate")
            wait_for(lambda: read_state(config.paths.uplink).trouble == "", "no trouble any more")
        complaints = [r for r in caplog.records if "does not belong" in r.message]
        levels = [one.levelno for one in complaints if one.name.endswith("publisher")]
        assert levels[0] == logging.WARNING
    assert central.sequences == list(range(1, 21))
    assert "session_lost" not in caplog.text


def remove(path: Path) -> None:
    path.unlink()


def empty(path: Path) -> None:
    path.write_text("")


def spoil(path: Path) -> None:
    path.write_text("-----BEGIN")


def encrypt(path: Path) -> None:
    path.write_text(ENCRYPTED)


@needs_mosquitto
@pytest.mark.parametrize("name", ["ca.pem", "station.pem", "station.key"])
def test_an_uplink_starts_while_a_file_is_half_replaced(
    plant: Path, unit: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    kept = (unit / name).read_bytes()
    with tls_broker(tmp_path / "broker", plant) as broker:
        config = station_config(tmp_path / "state", port=broker.port, **keys(unit))
        central = Central(config)
        with central.listening(), open_journal(config) as journal:
            fill(journal, 1)
            for harm in (remove, empty, spoil):
                harm(unit / name)
                caplog.clear()
                with running(run_uplink, config):
                    wait_for(
                        lambda: str(unit / name) in caplog.text.partition("uplink_down")[2],
                        f"a complaint of {name}",
                    )
            with running(run_uplink, config):
                (unit / name).write_bytes(kept)
                wait_for(lambda: central.has(10), "10 events")


@pytest.mark.parametrize(
    ("name", "harm", "said"),
    [
        ("station.key", encrypt, "expected a certificate and a key without passphrase"),
        ("station.pem", spoil, "expected a certificate and a key without passphrase"),
        ("ca.pem", spoil, "is no certificate"),
        ("station.key", empty, "station.key: is empty"),
        ("station.pem", remove, "station.pem: No such file or directory"),
    ],
)
def test_each_file_is_named(unit: Path, name: str, harm: Callable[[Path], None], said: str) -> None:
    harm(unit / name)
    with pytest.raises(CredentialsError, match=said) as caught:
        tls_context(UplinkConfig(**keys(unit)))
    assert str(unit / name) in str(caught.value)


@pytest.mark.parametrize(("text", "said"), [(None, "No such file"), ("\n", "is empty")])
def test_a_password_that_is_not_there_yet(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, text: str | None, said: str
) -> None:
    secret = tmp_path / "secret"
    if text is not None:
        secret.write_text(text)
    config = station_config(tmp_path / "state", username="u", password_file=secret)
    with running(run_uplink, config):
        wait_for(lambda: said in caplog.text, "a complaint")
        assert threading.active_count() > 1  # it has not ended


@needs_mosquitto
def test_a_revoked_certificate_is_named_as_such(
    plant: Path, unit: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    authority_folder = tmp_path / "authority"
    shutil.copytree(plant / "authority", authority_folder)
    authority = Authority.read(authority_folder)
    revoke(authority_folder, authority.certificate, authority.key, [plant / "old.pem"])
    listed = f"crlfile {authority_folder}/revoked.pem"
    with tls_broker(tmp_path / "broker", plant, listed) as broker:
        config = station_config(tmp_path / "state", port=broker.port, **keys(unit))
        with running(run_uplink, config):
            wait_for(lambda: "certificate revoked" in caplog.text, "the reason")
            assert "Unspecified error" not in caplog.text
            expected = "the broker refuses the TLS connection: certificate revoked"
            wait_for(lambda: read_state(config.paths.uplink).trouble == expected, "the trouble")
