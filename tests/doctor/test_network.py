"""The findings on broker and certificates, on the loopback interface."""

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


def test_a_broker_that_answers_and_one_that_is_absent(tmp_path: Path) -> None:
    with listening() as port:
        one = uplink_to(tmp_path, port)
        assert str(network.broker(one)) == f"OK broker: 127.0.0.1:{port} answers"
    finding = network.broker(one)
    assert (finding.level, "refused" in finding.message.lower()) == (Level.FAIL, True)
    assert network.certificates(one) is None


def test_tls(tmp_path: Path, plant: Path) -> None:
    with listening(plant) as port:
        one = uplink_to(tmp_path, port, *tls(plant))
        finding = network.broker(one)
        assert (finding.level, "answers by TLS" in finding.message) == (Level.OK, True), finding


def test_another_authority(tmp_path: Path, plant: Path) -> None:
    with listening(plant) as port:
        finding = network.broker(uplink_to(tmp_path, port, *tls(plant, "other")))
    assert finding.level is Level.FAIL
    assert (
        "verify" in finding.message
        or "certificate" in finding.message
        or "unable" in finding.message
    )


def test_a_broker_without_tls(tmp_path: Path, plant: Path) -> None:
    with listening() as port:
        finding = network.broker(uplink_to(tmp_path, port, *tls(plant)))
    assert finding.level is Level.FAIL


@pytest.mark.parametrize(("days", "level"), [(0, Level.OK), (35, Level.WARN), (61, Level.FAIL)])
def test_certificates_expire(tmp_path: Path, plant: Path, days: int, level: Level) -> None:
    finding = network.certificates(uplink_to(tmp_path, 1, *tls(plant), later_s=days * DAY_S))
    assert finding is not None
    assert (finding.level, "station.pem" in finding.message) == (level, True)


def test_files_that_are_no_certificates(tmp_path: Path, plant: Path) -> None:
    ca, cert, key = tls(plant)
    (tmp_path / "text.pem").write_text("no certificate")
    for line, message in (
        (f'tls_cert = "{tmp_path}/absent.pem"', "No such file"),
        (f'tls_cert = "{tmp_path}/text.pem"', "is no certificate"),
    ):
        finding = network.certificates(uplink_to(tmp_path / message[:2], 1, ca, line, key))
        assert (finding.level, message in finding.message) == (Level.FAIL, True)  # type: ignore[union-attr]
    line = f'tls_key = "{tmp_path}/absent.key"'
    finding = network.certificates(uplink_to(tmp_path / "key", 1, ca, cert, line))
    assert "cannot be read" in str(finding)


def test_a_broker_that_does_not_answer(tmp_path: Path) -> None:
    assert network.broker(uplink_to(tmp_path, free_port())).level is Level.FAIL
