"""One booted machine with the shipped units and a provisioned station, for all its tests."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from edge.config.station import StationConfig, load_config
from edge.provision import StationKit, make_authority, make_broker, make_central, make_station_kit
from tests.firmware.machine import Machine, why_not
from tests.hangs.line import write_line
from tests.provision.shipped import shipped_broker
from tests.support.brokers import MOSQUITTO, Mosquitto
from tests.support.bundles import small_bundle
from tests.support.keys import TRUST


@dataclass(frozen=True)
class Plant:
    """Around the machine: a broker on the loopback, which it reaches, and what central needs."""

    broker: Mosquitto
    central: StationConfig


@pytest.fixture(scope="session")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Plant:
    """The broker is not started. ``etc`` beside it is the provisioned folder of press-3."""
    folder = tmp_path_factory.mktemp("plant")
    authority = make_authority(folder / "authority")
    revoked = (folder / "authority/revoked.pem").read_bytes()
    make_broker(folder / "certs", authority, revoked, ["127.0.0.1"])
    make_central(folder / "central", authority)
    broker = shipped_broker(folder / "broker", folder / "certs")
    kit = StationKit("press-3", "127.0.0.1", trust=(TRUST,), port=broker.port)
    make_station_kit(folder / "etc", authority, kit)
    station = load_config(folder / "etc/station.toml")
    own = {"tls_cert": folder / "central/central.pem", "tls_key": folder / "central/central.key"}
    uplink = station.uplink.model_copy(update={**own, "retry_max_s": 0.2})
    return Plant(broker, station.model_copy(update={"uplink": uplink}))


@pytest.fixture(scope="session")
def booted(tmp_path_factory: pytest.TempPathFactory, plant: Plant) -> Iterator[Machine]:
    reason = why_not() or (None if MOSQUITTO else "mosquitto is not installed")
    if reason is not None:
        pytest.skip(f"no machine with systemd: {reason}")
    folder = tmp_path_factory.mktemp("line")
    bundle = small_bundle(folder / "small.outfeed").read_bytes()
    tls = 'tls_ca = "ca.pem"\ntls_cert = "station.pem"\ntls_key = "station.key"\n'
    own = 'state_dir = "/var/lib/outfeed-uplink"\n'
    lines = f'host = "127.0.0.1"\nport = {plant.broker.port}\n{own}{tls}'
    write_line(folder / "etc", bundle, state="/var/lib/outfeed", uplink=lines)
    for name in ("ca.pem", "station.pem", "station.key"):
        shutil.copy(plant.central.bundle.parent / name, folder / "etc")
    # Not below pytest's own folder: it keeps the last three, and this one holds a mount point.
    machine = Machine(Path(tempfile.mkdtemp(prefix="outfeed-machine-")))
    machine.install()
    target = machine._folder / "upper/etc/outfeed"
    shutil.copytree(folder / "etc", target)
    target.chmod(0o755)
    try:
        machine.boot()
        yield machine
    finally:
        machine.halt()


@pytest.fixture
def machine(booted: Machine) -> Iterator[Machine]:
    """With nothing of an earlier test in it."""
    booted.run("sh", "-c", "rm -rf /var/lib/outfeed/* /var/lib/outfeed-uplink/*")
    yield booted
    booted.run("systemctl", "stop", "outfeed-station", "outfeed-uplink")
    booted.run("systemctl", "reset-failed")
