"""Bundles and rollouts through pages and API: uploads, roles, scopes, two people, and a broker."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from central.rollouts.advance import advance_rollouts
from central.store.database import Database
from central.store.registry import Registry
from central.store.writer import BatchWriter
from central.web.app import LOCAL_WEB
from edge.__main__ import main as outfeed
from edge.bundle.keys import write_key_pair
from tests.support.bundles import bundle_bytes
from tests.support.central_access import (
    app_of,
    build_plant,
    client_for,
    fast_database,
    log_in_as,
)
from tests.support.central_events import PREFIX, now_us
from tests.support.keys import OTHER_KEY
from tests.support.rollouts import (
    FILE,
    Reporter,
    folder_of,
    post_bundle,
    rollout_body,
    signed_bundle,
    start_by_api,
    stations_of,
)


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


def test_a_rollout_through_the_pages(
    app: Any, database: Database, quality: TestClient, key: Path, tmp_path: Path
) -> None:
    """Upload, plan, sign on the command line, upload the signatures, start, accept."""
    data = signed_bundle()
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
        ({"place": "/", "shadow_parts": "597"}, "expected at least 598"),
        ({"place": "/", "new_rejects": "x"}, "new_rejects: expected a number"),
    ],
)
def test_a_wrong_form_shows_its_fault(
    quality: TestClient, form: dict[str, str], reason: str
) -> None:
    assert post_bundle(quality, signed_bundle()).status_code == 201
    answer = quality.post("/rollouts", data={"bundle": "1", **form})
    assert answer.status_code == 422
    assert reason in answer.text
    assert quality.get("/api/rollouts").json() == []


def test_the_choices_of_the_form(quality: TestClient, database: Database) -> None:
    post_bundle(quality, signed_bundle())
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
        "new_rejects": "6,5",
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
    assert terms["shadow"]["new_rejects"] == pytest.approx(0.065)
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
    data = signed_bundle()
    for wrong, reason in (
        (data[:-1], "the bundle is damaged, altered or not a bundle"),
        (bundle_bytes(key=None), "the bundle is unsigned"),
        (bundle_bytes(key=OTHER_KEY), "the bundle is signed by key"),
    ):
        answer = post_bundle(quality, wrong)
        assert answer.status_code == 422
        assert reason in answer.json()["detail"]
        page = quality.post("/bundles", files={"file": ("x", wrong)})
        assert page.status_code == 422
        assert reason in page.text
    assert quality.get("/api/bundles").json() == []
    assert post_bundle(quality, data).json() == {"number": 1}
    assert "is stored already" in post_bundle(quality, data).json()["detail"]
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
    files = {"file": ("x", signed_bundle())}
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
    answer = post_bundle(browser, signed_bundle())
    assert answer.status_code == 422
    assert "bundles.path is missing" in answer.json()["detail"]
    assert "has no folder of bundles" in browser.get("/bundles").text


def test_roles_and_scopes(app: Any, quality: TestClient, database: Database) -> None:
    post_bundle(quality, signed_bundle())
    whole = quality.post("/api/rollouts", json=rollout_body(["alpha"], ["gamma"])).json()["number"]
    ulm = quality.post("/api/rollouts", json=rollout_body(["alpha"], ["beta"])).json()["number"]
    line = log_in_as(app, "quality-line")  # press: alpha
    plant = log_in_as(app, "quality-plant")  # Ulm: alpha, beta
    assert post_bundle(plant, signed_bundle("2.0")).status_code == 403
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
    saw = quality.post("/api/rollouts", json=rollout_body(["gamma"])).json()["number"]
    assert line.get(f"/api/rollouts/{saw}").status_code == 404
    assert line.post(f"/api/rollouts/{saw}/end", json={"reason": "x"}).status_code == 404
    answer = plant.post("/api/rollouts", json=rollout_body(["alpha"], ["gamma"]))
    assert answer.status_code == 422
    assert "'gamma': there is no station with this name" in answer.json()["detail"]
    assert plant.post("/api/rollouts", json=rollout_body(["alpha"], ["beta"])).status_code == 201
    assert "Ulm/press" in line.get("/rollouts").text
    assert "all stations" not in line.get("/rollouts").text
    # Production may stop a rollout, and nothing else.
    running = start_by_api(quality, database)
    production = log_in_as(app, "production-everywhere")
    assert production.post(f"/rollouts/{running}/pause", data={"reason": "!"}).status_code == 303
    assert production.post(f"/rollouts/{running}/resume", data={"reason": "!"}).status_code == 403
    management = log_in_as(app, "management-everywhere")
    assert management.get(f"/rollouts/{running}").status_code == 200
    assert management.post(f"/rollouts/{running}/pause", data={"reason": "!"}).status_code == 403


def test_steps_by_page_and_api_change_the_state(quality: TestClient, database: Database) -> None:
    post_bundle(quality, signed_bundle())
    number = start_by_api(quality, database)
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
    post_bundle(quality, signed_bundle())
    number = start_by_api(quality, database, ["alpha", "beta", "gamma", "delta"])
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
