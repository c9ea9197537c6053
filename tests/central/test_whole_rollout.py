"""A rollout with everything real: certificates, Mosquitto with the shipped access list, the server
of bundles, the signature on the command line, and stations with all of their processes."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import cv2
import pytest
from starlette.testclient import TestClient

from central.bundles.server import BundleServer
from central.bundles.service import make_folder
from central.collector.collector import Collector
from central.config.sections import BrokerConfig, CollectorConfig, RetentionConfig
from central.config.station_server import BundleFolderConfig
from central.store.database import Database
from central.web.app import LOCAL_WEB
from edge.__main__ import main as outfeed
from edge.bundle import RuleManifest
from edge.bundle.keys import read_public_key, write_key_pair
from edge.config.station import load_config
from edge.inbox import Inbox
from edge.trial.inspector import PRIORITY_VARIABLE
from edge.updates.system.boot_loader import SystemImage
from edge.updates.system.record import (
    SystemRecord,
    deliver_notes,
    note_of,
    read_record,
    write_record,
)
from tests.provision.conftest import Plant, plant
from tests.provision.shipped import shipped_broker
from tests.support.brokers import needs_mosquitto, wait_for
from tests.support.bundles import CLEAN, HOLE, KINDS, bundle_bytes
from tests.support.central_access import app_of, client_for, fast_database
from tests.support.central_events import now_us
from tests.support.keys import TRUST
from tests.support.rollouts import post_bundle

__all__ = ["plant"]
pytestmark = [needs_mosquitto, pytest.mark.slow, pytest.mark.timeout(600)]

STATION_TOML = """\
id = "{name}"
bundle = "small.outfeed"
state_dir = "state"
[camera]
kind = "files"
path = "frames"
loop = true
[trigger]
rate_hz = 10.0
[line]
travel_ms = 900.0
budget_ms = 800.0
pulse_ms = 4.0
[trust]
keys = ["{trust}"]
operator_keys = ["ed25519:{operator}"]
[pictures]
min_free_mb = 0
[uplink]
host = "127.0.0.1"
port = {broker}
retry_max_s = 0.5
tls_ca = "{ca}"
tls_cert = "{cert}"
tls_key = "{key}"
[drift]
enabled = false
[updates]
server = "https://127.0.0.1:{port}"
min_free_mb = 0
max_kb_per_s = 100000
retry_max_s = 0.5
shadow_parts = 1
shadow_rejects = 0
"""


class Plants:
    """The central system of a plant, and its stations."""

    def __init__(self, stack: ExitStack, plant: Plant, folder: Path) -> None:
        self.stack, self.plant, self.folder = stack, plant, folder
        broker = stack.enter_context(shipped_broker(folder / "broker", plant.folder / "broker"))
        self.broker_port = broker.port
        self.key = write_key_pair(folder / "ada")[0]
        own = plant.folder / "broker"
        tls = {"tls_ca": own / "ca.pem", "tls_cert": own / "broker.pem"}
        settings = BundleFolderConfig(
            path=folder / "bundles",
            keys=(TRUST,),
            listen="127.0.0.1",
            port=0,
            tls_key=own / "broker.key",
            **tls,
        )
        bundles = make_folder(settings)
        assert bundles is not None
        self.server = BundleServer(settings, bundles)
        stack.callback(self.server.close)
        self.server.start()
        database: Database = fast_database(folder)
        stack.callback(database.close)
        mine = plant.folder / "central"
        connection = BrokerConfig(
            kind="external",
            port=broker.port,
            retry_max_s=0.5,
            tls_ca=mine / "ca.pem",
            tls_cert=mine / "central.pem",
            tls_key=mine / "central.key",
        ).connection()
        collector = Collector(database, connection, CollectorConfig(), RetentionConfig())
        stack.callback(collector.close)
        collector.start()
        assert collector.connection.wait_subscribed(30)
        app = app_of(database, LOCAL_WEB, bundles=bundles, now_us=now_us)
        self.browser: TestClient = client_for(app)

    def add_station(self, name: str) -> None:
        """Start a station and its updater, each as a process of its own."""
        folder = self.folder / name
        (folder / "frames").mkdir(parents=True)
        (folder / "state").mkdir()
        (folder / "small.outfeed").write_bytes(bundle_bytes())
        for number, pixels in enumerate((HOLE, CLEAN, CLEAN)):
            cv2.imwrite(str(folder / f"frames/{number:03d}.png"), pixels)
        files = load_config(self.plant.folder / name / "station.toml").uplink
        text = STATION_TOML.format(
            name=name,
            trust=TRUST,
            operator=read_public_key(self.key.with_suffix(".pub")),
            broker=self.broker_port,
            ca=files.tls_ca,
            cert=files.tls_cert,
            key=files.tls_key,
            port=self.server.port,
        )
        (folder / "station.toml").write_text(text)
        for command in ("run", "updater"):
            self.stack.enter_context(_process(folder, command))

    def roll_out(self, data: bytes, *cohorts: list[str]) -> int:
        """Upload, plan, sign and start."""
        bundle = post_bundle(self.browser, data).json()["number"]
        small = {
            "shadow_parts": 30,
            "shadow_rejects": 5,
            "probation_parts": 20,
            "new_rejects": 0.15,
        }
        body = {"bundle": bundle, "cohorts": list(cohorts), "title": "whole", **small}
        number = int(self.browser.post("/api/rollouts", json=body).json()["number"])
        unsigned, signed = self.folder / f"{number}.json", self.folder / f"{number}-signed.json"
        unsigned.write_text(self.browser.get(f"/api/rollouts/{number}/unsigned").text)
        words = ["bundle", "assign", str(unsigned), "--key", str(self.key), "--out", str(signed)]
        assert outfeed(words) == 0
        files = {"file": ("signed.json", signed.read_bytes())}
        assert self.browser.post(f"/rollouts/{number}/signed", files=files).status_code == 303
        assert self.browser.post(f"/rollouts/{number}/start").status_code == 303
        return number

    def rollout(self, number: int) -> Any:
        return self.browser.get(f"/api/rollouts/{number}").json()

    def states(self, number: int) -> dict[str, str]:
        return {each["station"]: each["state"] for each in self.rollout(number)["stations"]}

    def wait(self, number: int, state: str) -> None:
        wait_for(
            lambda: self.rollout(number)["rollout"]["state"] == state,
            f"{state}: {self.rollout(number)}",
            240,
        )


@contextmanager
def _process(folder: Path, command: str) -> Iterator[None]:
    words = [sys.executable, "-m", "edge", command, "--config", str(folder / "station.toml")]
    with (folder / f"{command}.log").open("ab") as log:
        process = subprocess.Popen(words, stdout=log, stderr=log)
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def test_a_good_bundle_reaches_all_stations_and_a_blind_one_only_the_canary(
    plant: Plant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PRIORITY_VARIABLE, "normal")
    with ExitStack() as stack:
        whole = Plants(stack, plant, tmp_path)
        for name in ("press-3", "press-4"):
            whole.add_station(name)
        wait_for(lambda: len(whole.browser.get("/api/stations").json()) == 2, "stations", 120)
        good = whole.roll_out(bundle_bytes(version="1.1"), ["press-3"], ["press-4"])
        whole.wait(good, "done")
        assert whole.states(good) == {"press-3": "accepted", "press-4": "accepted"}
        running = {each["name"]: each["running"] for each in whole.browser.get("/api/fleet").json()}
        wanted = whole.rollout(good)["rollout"]["bundle_id"]
        assert running == {"press-3": wanted, "press-4": wanted}
        reports = whole.browser.get("/api/stations/press-4/updates").json()
        states = [each["state"] for each in reversed(reports)]
        assert [each for each in states if each != "downloading"] == [
            *("wanted", "checking", "shadow", "probation", "accepted")
        ]
        blind = whole.roll_out(_blind(), ["press-3"], ["press-4"])
        whole.wait(blind, "paused")
        assert whole.states(blind) == {"press-3": "refused", "press-4": "waiting"}
        assert whole.rollout(blind)["rollout"]["reason"].startswith("press-3: refused: ")
        running = {each["name"]: each["running"] for each in whole.browser.get("/api/fleet").json()}
        assert running == {"press-3": wanted, "press-4": wanted}


def test_an_update_of_the_system_reaches_the_fleet(
    plant: Plant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the record of `outfeed system` over the journal of a running station and the broker."""
    monkeypatch.setenv(PRIORITY_VARIABLE, "normal")
    image = SystemImage("pc", "outfeed-pc", "grub", "1.4", "A")
    record = SystemRecord(version="1.5", slot="B", update_id="ab" * 16)
    for state in ("downloaded", "installed", "trial", "reverted"):
        reason = "it hung" if state == "reverted" else ""
        record = record.with_note(note_of(record, state, image, reason))
    write_record(record, tmp_path / "systems")
    with ExitStack() as stack:
        whole = Plants(stack, plant, tmp_path)
        whole.add_station("press-3")
        wait_for(lambda: len(whole.browser.get("/api/stations").json()) == 1, "a station", 120)
        deliver_notes(Inbox(tmp_path / "press-3/state/inbox"), tmp_path / "systems")

        def reports() -> list[str]:
            found = whole.browser.get("/api/stations/press-3/system-updates").json()
            return [each["state"] for each in reversed(found)]

        wait_for(lambda: len(reports()) == 4, "the reports", 60)
        assert reports() == ["downloaded", "installed", "trial", "reverted"]
        (row,) = whole.browser.get("/api/fleet").json()
        assert (row["system_update"], row["system_update_version"]) == ("reverted", "1.5")
    assert read_record(tmp_path / "systems").outbox == ()


def _blind() -> bytes:
    """A bundle that reports defects and rejects none. Its own golden frames agree with it."""
    rule = RuleManifest(reject=False)
    kinds = tuple(each.model_copy(update={"rule": rule}) for each in KINDS)
    return bundle_bytes(version="1.2", kinds=kinds)
