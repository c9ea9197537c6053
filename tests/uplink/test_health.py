"""Certificates and disks in the status, and the time at which a status is repeated."""

from __future__ import annotations

import shutil
from datetime import datetime
from pathlib import Path

import pytest

from edge.config.paths import StatePaths
from edge.config.uplink import UplinkConfig
from edge.provision.authority import make_authority
from edge.sim.broker import EmbeddedBroker
from edge.uplink.health import MachineHealth, read_health
from edge.uplink.publisher import run_uplink
from edge.uplink.state import UplinkState
from edge.uplink.statuses import CHANGED_S, StatusSchedule
from tests.support.brokers import station_config, wait_for
from tests.uplink.central import Central, running


def _paths(folder: Path) -> StatePaths:
    return StatePaths(folder, folder / "uplink", folder / "page", folder / "updater")


def test_certificates_and_disks_are_stated(tmp_path: Path) -> None:
    authority = make_authority(tmp_path / "ca", days=40)
    folder = tmp_path / "state"
    (folder / "uplink").mkdir(parents=True)
    uplink = UplinkConfig(tls_ca=tmp_path / "ca" / "ca.pem")
    health = read_health(uplink, _paths(folder))
    (one,) = health.certificates
    assert one.key == "tls_ca"
    assert datetime.fromisoformat(one.until.replace("Z", "+00:00")) == (
        authority.certificate.not_valid_after_utc
    )
    (disk,) = health.disks
    disk_usage = shutil.disk_usage(folder)
    assert (disk.folder, disk.total_bytes) == ("state", disk_usage.total)
    assert abs(disk.free_bytes - disk_usage.free) < 1 << 30


def test_what_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    damaged = tmp_path / "ca.pem"
    damaged.write_text("no certificate")
    uplink = UplinkConfig(tls_ca=damaged)
    assert read_health(uplink, _paths(tmp_path / "missing")) == MachineHealth()
    damaged.unlink()
    assert read_health(uplink, _paths(tmp_path / "missing")) == MachineHealth()


def test_the_status_is_repeated_by_interval_and_after_changes() -> None:
    state, other = UplinkState(), UplinkState(unheard=3)
    schedule = StatusSchedule(900.0)
    schedule.made(state, "j", 1000.0)
    assert schedule.journal == "j"
    assert not schedule.take_due(state, "j", 1899.0)
    assert schedule.take_due(state, "j", 1900.0)
    schedule.made(state, "j", 1900.0)
    assert not schedule.take_due(other, "j", 1900.0 + CHANGED_S - 1)
    assert schedule.take_due(other, "j", 1900.0 + CHANGED_S)


def test_the_first_change_after_a_connect_is_stated_at_once() -> None:
    schedule = StatusSchedule(900.0)
    schedule.made(UplinkState(), "j", 1000.0)
    assert schedule.take_due(UplinkState(unheard=1), "j", 1001.0)


def test_a_broker_receives_the_disks(tmp_path: Path) -> None:
    pytest.importorskip("iotcore", reason="the extra 'demo' is not installed")
    with EmbeddedBroker() as broker:
        config = station_config(tmp_path / "state", host=broker.host, port=broker.port)
        central = Central(config)
        with central.listening(), running(run_uplink, config):
            wait_for(lambda: central.statuses, "the first status")
        disks = central.statuses[0].disks
        assert [each.folder for each in disks] == ["state"]
        assert disks[0].total_bytes == shutil.disk_usage(config.state_dir).total
