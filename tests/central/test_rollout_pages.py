"""Bundles and rollouts through pages and API: uploads, roles, scopes, two people, and a broker."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from central.__main__ import main
from central.alarms.service import AlarmService
from central.collector.collector import Collector
from central.collector.desired import DesiredPublisher
from central.config.alarms import AlarmsConfig
from central.config.sections import BrokerConfig, CollectorConfig, RetentionConfig
from central.rollouts.advance import advance_rollouts
from central.store.database import Database
from central.store.registry import Registry
from central.store.writer import BatchWriter
from central.web.app import LOCAL_WEB
from edge.__main__ import main as outfeed
from edge.bundle.keys import write_key_pair
from edge.events.payload import Topics
from edge.updates.desired import read_desired
from edge.uplink.client import make_client
from tests.support.brokers import Mosquitto, needs_mosquitto, station_config, wait_for
from tests.support.bundles import bundle_bytes
from tests.support.central_access import (
    app_of,
    build_plant,
    client_for,
    fast_database,
    log_in_as,
)
from tests.support.central_events import PREFIX, now_us, status
from tests.support.keys import OTHER_KEY, TRUST
from tests.support.rollouts import Reporter, folder_of, sign, stations_of

FILE = {"content-type": "application/octet-stream"}


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = fast_database(tmp_path)
    build_plant(opened)
    yield opened
    opened.close()


@pytest.fixture
def app(database: Database, tmp_path: Path) -> Any:
    return app_of(database, bundles=folder_of(tmp_path / "bundles"), now_us=now_us)


@pytest.fixture
def quality(app: Any) -> TestClient:
    return log_in_as(app, "quality-everywhere")


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return write_key_pair(tmp_path / "operator")[0]


def upload(browser: TestClient, data: bytes) -> Any:
    return browser.post("/api/bundles", content=data, headers=FILE)


def body(*cohorts: list[str], bundle: int | None = 1, **changes: Any) -> dict[str, Any]:
    small = {"shadow_parts": 10, "shadow_rejects": 1, "probation_parts": 10}
    return {"bundle": bundle, "cohorts": list(cohorts), **small, **changes}


def test_a_rollout_through_the_pages(
    app: Any, database: Database, quality: TestClient, key: Path, tmp_path: Path
) -> None:
    """Upload, plan, sign on the command line, upload the signatures, start, accept."""
    data = bundle_bytes()
    files = {"file": ("dark-spots.outfeed", data)}
    assert quality.post("/bundles", files=files).headers["location"] == "/bundles"
    assert "dark-spots-1.0-" in quality.get("/bundles").text
    form = {"bundle": "1", "place": "/", "title": "new lamp", "canary_count": "1", "share": "50"}
    answer = quality.post("/rollouts", data=form)
    assert answer.headers["location"] == "/rollouts/1", answer.text
    unsigned, signed = tmp_path / "rollout-1.json", tmp_path / "signed.json"
    unsigned.write_text(quality.get("/api/rollouts/1/unsigned").text)
    words = ["bundle", "assign", str(unsigned), "--key", str(key), "--out", str(signed)]
    assert outfeed(words) == 0
    files = {"file": ("signed.json", signed.read_bytes())}
    assert quality.post("/rollouts/1/signed", files=files).status_code == 303
    assert quality.post("/rollouts/1/start").status_code == 303
    (released,) = [each for each in stations_of(database, 1).values() if each.released_us]
    writer = BatchWriter(database, Registry(), prefix=PREFIX)
    reporter = Reporter()
    running = json.loads(quality.get("/api/rollouts/1").text)["rollout"]["bundle_id"]
    writer.write(
        [reporter.report(released.station, released.desired_id, "accepted", running=running)]
    )
    advance_rollouts(database, now_us())
    page = quality.get("/rollouts/1").text
    assert "2 of 3" in page
    assert running in page
    fleet = quality.get("/fleet").text
    assert fleet.count('<a href="/rollouts/1">') == 2  # one more cohort has it by now
    assert f'accepted</span><span class="hidden">, updates of {released.station}' in fleet
    updates = quality.get(f"/stations/{released.station}/updates").text
    assert running in updates
    listed = quality.get(f"/api/stations/{released.station}/updates").json()
    assert [each["state"] for each in listed] == ["accepted"]
    (row,) = [each for each in quality.get("/api/fleet").json() if each["name"] == released.station]
    assert (row["running"], row["wanted"], row["update"]) == (running, running, "accepted")


@pytest.mark.parametrize(
    ("form", "reason"),
    [
        ({"place": "nowhere"}, "place: it has no station that is not pinned or left out"),
        ({"place": "/", "without": "omega"}, "left out: there is no station &#39;omega&#39;"),
        ({"place": "/", "canaries": "omega"}, "canary &#39;omega&#39; is not one of the stations"),
        ({"place": "/", "share": "x"}, "share: expected a whole number"),
        ({"place": "/", "share": "101"}, "share: expected 0 to 100 %"),
        ({"place": "/", "bundle": "7"}, "there is no bundle 7"),
        ({"place": "/", "bundle": "x"}, "bundle: expected a whole number"),
        ({"place": "/", "days": "99"}, "key &#39;days&#39;"),
    ],
)
def test_a_wrong_form_shows_its_fault(
    quality: TestClient, form: dict[str, str], reason: str
) -> None:
    assert upload(quality, bundle_bytes()).status_code == 201
    answer = quality.post("/rollouts", data={"bundle": "1", **form})
    assert answer.status_code == 422
    assert reason in answer.text
    assert quality.get("/api/rollouts").json() == []


def test_the_choices_of_the_form(quality: TestClient, database: Database) -> None:
    upload(quality, bundle_bytes())
    form = {
        "bundle": "1",
        "place": "Ulm",
        "canaries": "beta",
        "downgrade": "yes",
        "aside_hours": "12",
        "days": "7",
        "shadow_parts": "50",
        "shadow_rejects": "2",
        "probation_parts": "60",
    }
    assert quality.post("/rollouts", data=form).status_code == 303
    one = quality.get("/api/rollouts/1").json()
    assert [(each["station"], each["cohort"]) for each in one["stations"]] == [
        ("beta", 0),
        ("alpha", 1),
    ]
    assert one["rollout"]["aside_hours"] == 12
    terms = json.loads(one["rollout"]["terms"])
    assert (terms["days"], terms["allow_downgrade"]) == (7, True)
    assert (terms["shadow"]["parts"], terms["shadow"]["rejects"]) == (50, 2)
    assert terms["probation"]["parts"] == 60
    # A pinned station and one that is left out are no part of it.
    quality.post("/stations/alpha/pin", data={"reason": "measured"})
    form = {"bundle": "keep", "place": "/", "without": "beta, delta"}
    assert quality.post("/rollouts", data=form).status_code == 303
    two = quality.get("/api/rollouts/2").json()
    assert [each["station"] for each in two["stations"]] == ["gamma"]
    assert two["rollout"]["bundle"] is None
    assert (
        "Rollouts leave this station out: measured" in quality.get("/stations/alpha/updates").text
    )
    assert "pinned: measured" in quality.get("/fleet").text
    quality.post("/stations/alpha/pin", data={"do": "unpin"})
    assert "leave this station out: " not in quality.get("/stations/alpha/updates").text
    assert quality.post("/stations/alpha/pin", data={"do": "unpin"}).status_code == 422


def test_uploads_are_checked_before_they_are_stored(quality: TestClient, app: Any) -> None:
    data = bundle_bytes()
    for wrong, reason in (
        (data[:-1], "the bundle is damaged, altered or not a bundle"),
        (bundle_bytes(key=None), "the bundle is unsigned"),
        (bundle_bytes(key=OTHER_KEY), "the bundle is signed by key"),
    ):
        answer = upload(quality, wrong)
        assert answer.status_code == 422
        assert reason in answer.json()["detail"]
        page = quality.post("/bundles", files={"file": ("x", wrong)})
        assert page.status_code == 422
        assert reason in page.text
    assert quality.get("/api/bundles").json() == []
    assert upload(quality, data).json() == {"number": 1}
    assert "is stored already" in upload(quality, data).json()["detail"]
    (listed,) = quality.get("/api/bundles").json()
    assert listed["bundle_id"].startswith("dark-spots-1.0-")
    # What is no upload at all.
    assert quality.post("/api/bundles", json={}).status_code == 415
    assert quality.post("/bundles", data={"x": "y"}).status_code == 415
    assert quality.post("/bundles", files={"other": ("x", b"y")}).status_code == 422
    assert quality.post("/bundles", files={"file": ("x", b"")}).status_code == 422
    huge = {**FILE, "content-length": str(1 << 40)}
    assert quality.post("/api/bundles", content=b"x", headers=huge).status_code == 413
    form = {"content-type": "multipart/form-data; boundary=x", "content-length": str(1 << 40)}
    assert quality.post("/bundles", content=b"x", headers=form).status_code == 413
    assert quality.post("/bundles/1/remove").status_code == 303
    assert quality.post("/bundles/1/remove").status_code == 422


def test_the_token_of_a_form_with_a_file_is_checked(quality: TestClient, app: Any) -> None:
    token = quality.headers.pop("x-csrf-token")
    files = {"file": ("x", bundle_bytes())}
    assert quality.post("/bundles", files=files).status_code == 403
    assert quality.post("/bundles", files=files, data={"csrf": token}).status_code == 303
    # The body of a person without the permission is not read.
    production = log_in_as(app, "production-everywhere")
    form = {"content-type": "multipart/form-data; boundary=x", "content-length": str(1 << 40)}
    del production.headers["x-csrf-token"]
    assert production.post("/bundles", content=b"x", headers=form).status_code == 403
    form = {**form, "content-type": "application/x-www-form-urlencoded"}
    quality.headers.pop("x-csrf-token", None)
    assert quality.post("/rollouts", content=b"x", headers=form).status_code == 413


def test_a_system_without_a_folder_takes_no_bundles(database: Database) -> None:
    browser = client_for(app_of(database, LOCAL_WEB))
    answer = upload(browser, bundle_bytes())
    assert answer.status_code == 422
    assert "bundles.path is missing" in answer.json()["detail"]
    assert "has no folder of bundles" in browser.get("/bundles").text


def test_roles_and_scopes(app: Any, quality: TestClient, database: Database) -> None:
    upload(quality, bundle_bytes())
    whole = quality.post("/api/rollouts", json=body(["alpha"], ["gamma"])).json()["number"]
    ulm = quality.post("/api/rollouts", json=body(["alpha"], ["beta"])).json()["number"]
    line = log_in_as(app, "quality-line")  # press: alpha
    plant = log_in_as(app, "quality-plant")  # Ulm: alpha, beta
    assert upload(plant, bundle_bytes(version="2.0")).status_code == 403
    # A rollout is seen by who sees one of its stations, and only those of them.
    assert [each["number"] for each in line.get("/api/rollouts").json()] == [ulm, whole]
    one = line.get(f"/api/rollouts/{whole}").json()
    assert [each["station"] for each in one["stations"]] == ["alpha"]
    # It is steered by who may do so at all of its stations.
    assert plant.post(f"/api/rollouts/{ulm}/end", json={"reason": "x"}).status_code == 200
    for each in (line, plant):
        for step in ("start", "pause", "resume", "end", "at-once"):
            answer = each.post(f"/api/rollouts/{whole}/{step}", json={"reason": "x"})
            assert answer.status_code == 403, step
            assert "has stations of other lines" in answer.json()["detail"]
        assert each.get(f"/api/rollouts/{whole}/unsigned").status_code == 403
    saw = quality.post("/api/rollouts", json=body(["gamma"])).json()["number"]
    assert line.get(f"/api/rollouts/{saw}").status_code == 404
    assert line.post(f"/api/rollouts/{saw}/end", json={"reason": "x"}).status_code == 404
    answer = plant.post("/api/rollouts", json=body(["alpha"], ["gamma"]))
    assert answer.status_code == 422
    assert "'gamma': there is no station with this name" in answer.json()["detail"]
    assert plant.post("/api/rollouts", json=body(["alpha"], ["beta"])).status_code == 201
    assert "Ulm/press" in line.get("/rollouts").text
    assert "all stations" not in line.get("/rollouts").text
    # Production may stop a rollout, and nothing else.
    running = _running(quality, database)
    production = log_in_as(app, "production-everywhere")
    assert production.post(f"/rollouts/{running}/pause", data={"reason": "!"}).status_code == 303
    assert production.post(f"/rollouts/{running}/resume", data={"reason": "!"}).status_code == 403
    management = log_in_as(app, "management-everywhere")
    assert management.get(f"/rollouts/{running}").status_code == 200
    assert management.post(f"/rollouts/{running}/pause", data={"reason": "!"}).status_code == 403


def _running(browser: TestClient, database: Database, *cohorts: list[str]) -> int:
    names = cohorts or (["alpha"], ["beta"])
    number = int(browser.post("/api/rollouts", json=body(*names)).json()["number"])
    signed = json.loads(sign(database, number).model_dump_json())
    answer = browser.post(f"/api/rollouts/{number}/signed", json=signed)
    assert answer.status_code == 200, answer.text
    if len(names) > 1:
        assert browser.post(f"/api/rollouts/{number}/start").status_code == 200
    return number


def test_steps_by_page_and_api_change_the_state(quality: TestClient, database: Database) -> None:
    upload(quality, bundle_bytes())
    number = _running(quality, database)
    path = f"/rollouts/{number}"

    def state() -> str:
        return str(quality.get(f"/api{path}").json()["rollout"]["state"])

    for step, form, expected in (
        ("pause", {"reason": "a break"}, "paused"),
        ("resume", {"reason": "after the break"}, "running"),
        ("aside", {"reason": "off", "unit": "alpha"}, "running"),
    ):
        assert quality.post(f"{path}/{step}", data=form).status_code == 303, step
        assert state() == expected
    assert "set aside" in quality.get(path).text
    bodies: tuple[tuple[str, dict[str, str], str], ...] = (
        ("pause", {"reason": "x"}, "paused"),
        ("resume", {"reason": "x"}, "running"),
        ("aside", {"reason": "x", "station": "alpha"}, "running"),
        ("end", {"reason": "x"}, "ended"),
    )
    for step, fields, expected in bodies:
        assert quality.post(f"/api{path}/{step}", json=fields).status_code == 200, step
        assert state() == expected
    answer = quality.post(f"{path}/end", data={"reason": "again"})
    assert answer.status_code == 422
    assert "is ended already" in answer.text
    assert quality.post(f"/api{path}/start").status_code == 422
    assert quality.get("/rollouts/99").status_code == 404
    assert quality.get(f"/api{path}/unsigned").status_code == 422
    assert quality.post("/api/stations/alpha/pin", json={"reason": "x"}).status_code == 200
    assert quality.post("/api/stations/alpha/unpin").status_code == 200


def test_all_at_once_needs_a_second_person(
    app: Any, quality: TestClient, database: Database
) -> None:
    upload(quality, bundle_bytes())
    number = _running(quality, database, ["alpha", "beta", "gamma", "delta"])
    assert quality.post(f"/rollouts/{number}/start").status_code == 422
    answer = quality.post(f"/rollouts/{number}/at-once", data={"reason": ""})
    assert answer.status_code == 422
    assert "needs a reason" in answer.text
    assert quality.post(f"/rollouts/{number}/at-once", data={"reason": "urgent"}).status_code == 303
    assert f"rollout {number}" in quality.get("/requests").text
    assert "by another person" in quality.post("/requests/1/approve").text
    assert {each.released_us for each in stations_of(database, number).values()} == {None}
    admin = log_in_as(app, "admin-everywhere")
    assert admin.post("/requests/1/approve").status_code == 303
    assert all(each.released_us for each in stations_of(database, number).values())
    # A line's own quality has no permission for the whole installation.
    answer = log_in_as(app, "quality-line").post(
        f"/api/rollouts/{number}/at-once", json={"reason": "x"}
    )
    assert answer.status_code == 403


def test_a_revert_raises_an_alarm_and_ends_with_the_next_bundle(
    quality: TestClient, database: Database
) -> None:
    upload(quality, bundle_bytes())
    number = _running(quality, database)
    desired = stations_of(database, number)["alpha"].desired_id
    writer, reporter = BatchWriter(database, Registry(), prefix=PREFIX), Reporter()
    clock = [now_us()]
    alarms = AlarmService(
        database, AlarmsConfig(), disk=None, certificates=(), now_us=lambda: clock[0]
    )

    def open_alarms() -> list[tuple[str, str, str]]:
        for _ in range(2):
            clock[0] += 150_000_000
            alarms.evaluate()
        found = [each["alarm"] for each in quality.get("/api/alarms").json()]
        return [
            (one["rule"], one["severity"], one["message"])
            for one in found
            if one["rule"] == "update"
        ]

    assert open_alarms() == []
    writer.write([reporter.report("alpha", desired, "reverted", reason="UNKNOWN rate of 4 %")])
    text = "bundle dark-spots 1.0 was reverted: UNKNOWN rate of 4 %"
    assert open_alarms() == [("update", "critical", text)]
    writer.write([reporter.report("alpha", desired, "accepted")])
    assert open_alarms() == []
    writer.write([reporter.report("alpha", desired, "refused", reason="no space")])
    assert open_alarms() == [("update", "warning", "bundle dark-spots 1.0 was refused: no space")]


def test_hostile_reports_are_shown_as_text(quality: TestClient, database: Database) -> None:
    evil = "<script>alert(1)</script>"
    writer, reporter = BatchWriter(database, Registry(), prefix=PREFIX), Reporter()
    make = reporter.report
    writer.write(
        [
            make("alpha", "0" * 32, "refused", reason=evil, name=evil, running=evil, version=evil),
            make("alpha", evil, "refused", revision=1 << 70),
            make("alpha", "0" * 32, "refused", reason="\x00" * 3, sha256=evil),
            make("alpha", "0" * 32, "nonsense"),
        ]
    )
    page = quality.get("/stations/alpha/updates")
    assert page.status_code == 200
    assert evil not in page.text
    assert "&lt;script&gt;" in page.text
    assert evil not in quality.get("/fleet").text
    assert len(quality.get("/api/stations/alpha/updates").json()) == 2


def test_the_message_is_published_again_for_a_station_that_connects(
    quality: TestClient, database: Database
) -> None:
    sent: list[tuple[str, bytes]] = []
    clock = [now_us()]

    def publish(topic: str, payload: bytes) -> bool:
        sent.append((topic, payload))
        return True

    def make() -> DesiredPublisher:
        return DesiredPublisher(database, publish, prefix=PREFIX, now_us=lambda: clock[0])

    publisher = make()
    assert publisher.publish_due(0.0) == 0
    upload(quality, bundle_bytes())
    number = _running(quality, database)
    assert publisher.publish_due(2.0) == 1
    assert publisher.publish_due(4.0) == 0
    publisher.add_stations(["alpha", "beta"])  # nothing was ever published to beta
    assert publisher.publish_due(4.0) == 1
    quality.post(f"/rollouts/{number}/end", data={"reason": "x"})
    assert publisher.publish_due(6.0) == 1
    assert {topic for topic, _ in sent} == {"outfeed/v1/alpha/desired"}
    assert read_desired(sent[0][1]).read().station == "alpha"
    assert [payload for _, payload in sent[1:]] == [sent[0][1], b""]
    # One that has just started removes what an earlier one may have left.
    later = make()
    later.add_stations(["alpha"])
    assert later.publish_due(0.0) == 1
    assert sent[-1][1] == b""


@needs_mosquitto
def test_a_broker_that_lost_everything_gets_the_messages_again(
    quality: TestClient, database: Database, tmp_path: Path
) -> None:
    upload(quality, bundle_bytes())
    _running(quality, database)
    retained: list[bytes] = []
    with ExitStack() as stack:
        broker = stack.enter_context(Mosquitto(tmp_path / "broker"))
        config = station_config(tmp_path / "state", port=broker.port)
        collector = Collector(
            database,
            BrokerConfig(kind="external", port=broker.port, retry_max_s=0.2).connection(),
            CollectorConfig(),
            RetentionConfig(),
        )
        stack.callback(collector.close)
        collector.start()

        def read() -> bool:
            """Read the retained message anew."""
            retained.clear()
            listener = make_client(config.uplink, "listener", clean_session=True)
            listener.on_message = lambda *each: retained.append(bytes(each[2].payload))
            try:
                listener.connect(config.uplink.host, config.uplink.port)
                listener.subscribe(Topics("alpha").desired, qos=1)
                listener.loop_start()
                wait_for(lambda: retained, "a message", 1)
            except (AssertionError, OSError):
                return False
            finally:
                listener.loop_stop()
                listener.disconnect()
            return True

        wait_for(read, "the desired state", 60)
        first = retained[0]
        broker.stop()
        broker.start()  # without a disk
        assert collector.connection.wait_subscribed(30)
        station = make_client(config.uplink, "alpha", clean_session=True)
        wait_for(lambda: collector.connection.is_subscribed, "the collector", 30)
        station.connect(config.uplink.host, config.uplink.port)
        station.loop_start()
        stack.callback(station.loop_stop)
        message = status("alpha")

        def connects() -> bool:
            station.publish(message.topic, message.payload, qos=1)
            return read()

        wait_for(connects, "the desired state again", 60)
        assert retained[0] == first


def test_bundles_are_added_and_listed_on_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "central.toml"
    config.write_text(f'[bundles]\npath = "bundles"\nkeys = ["{TRUST}"]\n')
    bundle = tmp_path / "x.outfeed"
    bundle.write_bytes(bundle_bytes())
    options = ("--config", str(config))
    assert main(["--quiet", "bundle", "add", str(bundle), *options]) == 0
    assert capsys.readouterr().out.startswith("dark-spots-1.0-")
    assert main(["--quiet", "bundle", "list", *options]) == 0
    assert capsys.readouterr().out.startswith("1\tdark-spots-1.0-")
    for words, status_, reason in (
        (["add", str(bundle), *options], 2, "is stored already"),
        (["add", str(tmp_path / "none"), *options], 2, "cannot be read: No such file"),
        (["add", str(config), *options], 1, "is damaged, altered or not a bundle"),
        (["add", str(bundle)], 78, "bundles.path: is missing"),
        (["serve"], 78, "bundles.path: is missing"),
    ):
        assert main(["--quiet", "bundle", *words]) == status_
        line = capsys.readouterr().err
        assert reason in line
        assert line.count("\n") == 1
