"""The broker and the certificates, on the loopback."""

from pathlib import Path

import pytest

from edge.doctor import network
from edge.doctor.finding import Level
from edge.provision.authority import Authority, make_authority
from edge.provision.identity import make_broker, make_station_identity
from edge.provision.revocation import empty_list
from tests.doctor.contexts import uplink_to
from tests.support.brokers import free_port
from tests.support.listener import listening

DAY_S = 86_400


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """authority/, broker/ for 127.0.0.1, other/ of another authority, station.pem and .key."""
    folder = tmp_path_factory.mktemp("plant")
    for name in ("authority", "other"):
        make_authority(folder / name)
    authority = Authority.read(folder / "authority")
    revoked = empty_list(authority.certificate, authority.key)
    make_broker(folder / "broker", authority, revoked, ["127.0.0.1"], days=100)
    identity = make_station_identity(authority, "press-3", days=60)
    (folder / "station.pem").write_bytes(identity.certificate)
    (folder / "station.key").write_bytes(identity.key)
    return folder


def tls(plant: Path, authority: str = "authority") -> tuple[str, str, str]:
    return (
        f'tls_ca = "{plant}/{authority}/ca.pem"',
        f'tls_cert = "{plant}/station.pem"',
        f'tls_key = "{plant}/station.key"',
    )


def test_a_broker_that_answers_and_none(tmp_path: Path) -> None:
    with listening() as port:
        one = uplink_to(tmp_path, port)
        assert str(network.broker(one)) == f"OK broker: 127.0.0.1:{port} answers"
    found = network.broker(one)
    assert (found.level, "refused" in found.said.lower()) == (Level.FAIL, True)
    assert network.certificates(one) is None


def test_tls(tmp_path: Path, plant: Path) -> None:
    with listening(plant) as port:
        one = uplink_to(tmp_path, port, *tls(plant))
        found = network.broker(one)
        assert (found.level, "answers by TLS" in found.said) == (Level.OK, True), found


def test_an_authority_that_is_not_ours(tmp_path: Path, plant: Path) -> None:
    with listening(plant) as port:
        found = network.broker(uplink_to(tmp_path, port, *tls(plant, "other")))
    assert found.level is Level.FAIL
    assert "verify" in found.said or "certificate" in found.said or "unable" in found.said


def test_a_broker_without_tls(tmp_path: Path, plant: Path) -> None:
    with listening() as port:
        found = network.broker(uplink_to(tmp_path, port, *tls(plant)))
    assert found.level is Level.FAIL


@pytest.mark.parametrize(("days", "level"), [(0, Level.OK), (35, Level.WARN), (61, Level.FAIL)])
def test_how_long_certificates_last(tmp_path: Path, plant: Path, days: int, level: Level) -> None:
    found = network.certificates(uplink_to(tmp_path, 1, *tls(plant), later_s=days * DAY_S))
    assert found is not None
    assert (found.level, "station.pem" in found.said) == (level, True)


def test_certificates_that_are_none(tmp_path: Path, plant: Path) -> None:
    ca, cert, key = tls(plant)
    (tmp_path / "text.pem").write_text("no certificate")
    for line, said in (
        (f'tls_cert = "{tmp_path}/absent.pem"', "No such file"),
        (f'tls_cert = "{tmp_path}/text.pem"', "is no certificate"),
    ):
        found = network.certificates(uplink_to(tmp_path / said[:2], 1, ca, line, key))
        assert (found.level, said in found.said) == (Level.FAIL, True)  # type: ignore[union-attr]
    line = f'tls_key = "{tmp_path}/absent.key"'
    found = network.certificates(uplink_to(tmp_path / "key", 1, ca, cert, line))
    assert "cannot be read" in str(found)


def test_nobody_waits_for_a_broker_that_does_not_answer(tmp_path: Path) -> None:
    assert network.broker(uplink_to(tmp_path, free_port())).level is Level.FAIL
