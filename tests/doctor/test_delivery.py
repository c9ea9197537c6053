"""The findings on an uplink that cannot publish, and on events that were not delivered."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.doctor import delivery, network
from edge.doctor.finding import Level
from edge.provision.authority import Authority, make_authority
from edge.provision.identity import make_broker, make_station_identity
from edge.provision.revocation import revoke
from edge.uplink.state import MAX_TABLE_BYTES, UplinkPaths, UplinkStateFile, read_undelivered
from tests.doctor.contexts import context, uplink_to
from tests.support.brokers import Mosquitto, needs_mosquitto


def test_no_finding_without_a_fault(tmp_path: Path) -> None:
    one = context(tmp_path)
    for check in (delivery.trouble, delivery.undelivered, delivery.without_subscriber):
        assert check(one) is None


def test_refused_events_are_grouped_by_reason(tmp_path: Path) -> None:
    one = context(tmp_path)
    record = UplinkStateFile(one.config.paths.uplink)
    for number in range(3, 10):
        record.set_aside(f"press-3:j:r:{number}", b"{}", "Payload format invalid")
    record.set_aside("press-3:j:r:12", b"{}", "Packet too large")
    record.change(unheard=7)
    record.save(at_once=True)
    finding = delivery.undelivered(one)
    assert finding is not None
    assert finding.level is Level.FAIL
    assert finding.message == (
        "8 events were refused by the broker (Payload format invalid: 3, 4, 5, 6, 7 …; "
        "Packet too large: 12)"
    )
    finding = delivery.without_subscriber(one)
    assert finding is not None
    assert (finding.level, "7 events" in finding.message) == (Level.WARN, True)
    assert (
        UplinkStateFile(one.config.paths.uplink).state.undelivered == 8
    )  # another process continues the count


def test_a_second_client_with_the_same_name(tmp_path: Path) -> None:
    one = context(tmp_path)
    record = UplinkStateFile(one.config.paths.uplink)
    record.change(trouble="another client connected", since_utc="2026-11-29T00:00:00.1Z")
    record.change(takeovers=4)
    record.save()
    finding = delivery.trouble(one)
    assert finding is not None
    assert finding.level is Level.FAIL
    assert finding.message == (
        "since 2026-11-29T00:00:00Z: another client connected; 4 times in a row"
    )
    assert "its own name and certificate" in finding.advice


def test_the_table_is_limited_and_damage_loses_one_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = UplinkStateFile(tmp_path)
    table = UplinkPaths(tmp_path).table
    record.set_aside("s:j:r:1", b"{}", "why")
    with table.open("ab") as file:
        file.write(b'{"event_id": "cut sho')
    record.set_aside("s:j:r:2", b"{}", "why")
    assert [row.event_id for row in read_undelivered(tmp_path)] == ["s:j:r:1", "s:j:r:2"]
    monkeypatch.setattr("edge.uplink.state.MAX_TABLE_BYTES", 10_000)
    for number in range(3, 103):
        record.set_aside(f"s:j:r:{number}", b"x" * 300, "why")
        assert table.stat().st_size <= 10_000 < MAX_TABLE_BYTES
    assert read_undelivered(tmp_path)[-1].event_id == "s:j:r:102"
    assert record.state.undelivered == 102


def test_a_disk_error_does_not_stop_the_uplink(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    record = UplinkStateFile(tmp_path / "absent")
    for _ in range(3):
        record.set_aside("s:j:r:1", b"{}", "why")
        record.save()
    assert record.state.undelivered == 3
    warnings = [r for r in caplog.records if "uplink_cannot_record" in r.message]
    assert [r.levelname for r in warnings if r.levelname == "WARNING"] == ["WARNING"]


def test_a_symbolic_link_is_not_followed(tmp_path: Path) -> None:
    one = context(tmp_path)
    UplinkPaths(one.config.paths.uplink).table.symlink_to("/etc/passwd")
    finding = delivery.undelivered(one)
    assert finding is not None
    assert finding.level is Level.WARN


@needs_mosquitto
def test_a_revoked_certificate_is_a_failure(tmp_path: Path) -> None:
    folder = tmp_path / "plant"
    make_authority(folder / "authority")
    authority = Authority.read(folder / "authority")
    for name in ("good", "lost"):
        identity = make_station_identity(authority, "press-3")
        (folder / f"{name}.pem").write_bytes(identity.certificate)
        (folder / f"{name}.key").write_bytes(identity.key)
    revoke(folder / "authority", authority.certificate, authority.key, [folder / "lost.pem"])
    listed = (folder / "authority/revoked.pem").read_bytes()
    make_broker(folder / "broker", authority, listed, ["127.0.0.1"])
    files = folder / "broker"
    lines = (
        f"cafile {files}/ca.pem",
        f"certfile {files}/broker.pem",
        f"keyfile {files}/broker.key",
        f"crlfile {files}/revoked.pem",
        "require_certificate true",
    )
    with Mosquitto(tmp_path / "mosquitto", *lines) as broker:
        for name, level in (("good", Level.OK), ("lost", Level.FAIL)):
            one = uplink_to(
                tmp_path / name,
                broker.port,
                f'tls_ca = "{files}/ca.pem"',
                f'tls_cert = "{folder}/{name}.pem"',
                f'tls_key = "{folder}/{name}.key"',
            )
            finding = network.broker(one)
            assert finding.level is level, finding
    assert "the broker refuses the TLS connection: certificate revoked" in finding.message
