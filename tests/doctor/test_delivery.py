"""Findings of doctor on an uplink that sends nothing, and on events that no broker takes."""

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


def test_nothing_to_show(tmp_path: Path) -> None:
    one = context(tmp_path)
    for check in (delivery.trouble, delivery.undelivered, delivery.unheard):
        assert check(one) is None


def test_the_table_is_shown_by_reason(tmp_path: Path) -> None:
    one = context(tmp_path)
    record = UplinkStateFile(one.config.paths.uplink)
    for number in range(3, 10):
        record.set_aside(f"press-3:j:r:{number}", b"{}", "Payload format invalid")
    record.set_aside("press-3:j:r:12", b"{}", "Packet too large")
    record.change(unheard=7)
    record.save(at_once=True)
    found = delivery.undelivered(one)
    assert found is not None
    assert found.level is Level.FAIL
    assert found.said == (
        "8 events were not taken by the broker (Payload format invalid: 3, 4, 5, 6, 7 …; "
        "Packet too large: 12)"
    )
    unheard = delivery.unheard(one)
    assert unheard is not None
    assert (unheard.level, "7 events" in unheard.said) == (Level.WARN, True)
    assert (
        UplinkStateFile(one.config.paths.uplink).state.undelivered == 8
    )  # another process goes on


def test_trouble_and_a_second_client_of_the_name(tmp_path: Path) -> None:
    one = context(tmp_path)
    record = UplinkStateFile(one.config.paths.uplink)
    record.change(trouble="another client connected", since_utc="2026-11-29T00:00:00.1Z")
    record.change(takeovers=4)
    record.save()
    found = delivery.trouble(one)
    assert found is not None
    assert found.level is Level.FAIL
    assert found.said == ("since 2026-11-29T00:00:00Z: another client connected; 4 times in a row")
    assert "a name and a certificate of its own" in found.advice


def test_the_table_is_bounded_and_damage_costs_a_row(
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


def test_a_disk_that_refuses_ends_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    record = UplinkStateFile(tmp_path / "absent")
    for _ in range(3):
        record.set_aside("s:j:r:1", b"{}", "why")
        record.save()
    assert record.state.undelivered == 3
    warnings = [r for r in caplog.records if "uplink_cannot_record" in r.message]
    assert [r.levelname for r in warnings if r.levelname == "WARNING"] == ["WARNING"]


def test_a_table_that_is_no_plain_file_is_not_followed(tmp_path: Path) -> None:
    one = context(tmp_path)
    UplinkPaths(one.config.paths.uplink).table.symlink_to("/etc/passwd")
    found = delivery.undelivered(one)
    assert found is not None
    assert found.level is Level.WARN


@needs_mosquitto
def test_a_revoked_unit_is_no_unit_whose_broker_is_fine(tmp_path: Path) -> None:
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
            found = network.broker(one)
            assert found.level is level, found
    assert "the broker refuses the TLS connection: certificate revoked" in found.said
