"""The pages, the API, exports and metrics, as a browser and programs ask for them."""

from __future__ import annotations

import csv
import io
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update
from starlette.testclient import TestClient

from bench.central_plant import HOUR_US, fill_plant, furnish
from central.backup.facts import BackupError
from central.backup.result import DrillResult, record_drill
from central.config.sections import DatabaseConfig
from central.store.database import Database
from central.store.schema import migrate
from central.store.tables import DAY_US, defects, drifts, parts, rollup_kinds, stations
from central.web.app import make_app

NOW = 1_800_000_000_000_000
HOSTILE = "<script>alert(1)</script>\"'&{{7*7}}"
PAGES = (
    "/",
    "/stations/press-1",
    "/stations/press-1?hours=8&by=lot",
    "/stations/press-1?every=true&before=1799999000000000",
    "/parts",
    "/parts?station=press-1&decision=PASS",
    "/parts?lot=4711&kind=scratch&least=1,5&most=9&from=2027-01-01T00:00&until=",
    "/stations/press-1/parts/77",
    "/review",
    "/pareto",
    "/pareto?station=press-1&hours=720",
    "/fleet",
    "/lots",
    "/lots?lot=4711",
    "/guidance",
    "/guidance?kind=scratch",
    "/alarms",
)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(DatabaseConfig(path=tmp_path / "central.db"))
    migrate(opened)
    fill_plant(opened, NOW, hours=6, per_minute=5)
    furnish(opened, NOW)
    yield opened
    opened.close()


@pytest.fixture
def client(database: Database) -> Iterator[TestClient]:
    app = make_app(database, now_us=lambda: NOW)
    with TestClient(
        app,
        base_url="http://127.0.0.1:8480",
        follow_redirects=False,
        headers={"accept": "text/html"},
    ) as opened:
        yield opened


@pytest.mark.parametrize("path", PAGES)
def test_a_page_has_no_inline_script_or_style(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    assert "<style" not in answer.text
    assert " style=" not in answer.text
    assert "<script>" not in answer.text
    assert "http://" not in answer.text
    assert "https://" not in answer.text


@pytest.mark.parametrize("path", PAGES)
def test_hostile_names_are_shown_as_text(client: TestClient, database: Database, path: str) -> None:
    with database.write() as connection:
        connection.execute(update(parts).values(kind=HOSTILE, reason=HOSTILE, bundle=HOSTILE))
        connection.execute(update(parts).values(severity=1e308))
        connection.execute(update(defects).values(kind=HOSTILE, box_right=1 << 62, box_left=-5))
        connection.execute(update(drifts).values(measure=HOSTILE, value=-1e300))
        connection.execute(
            update(rollup_kinds)
            .values(kind=HOSTILE)
            .where(rollup_kinds.c.minute == NOW // 60_000_000)
        )
        connection.execute(update(stations).values(note=HOSTILE, version=HOSTILE))
    answer = client.get(path)
    assert answer.status_code == 200
    assert "<script>alert" not in answer.text


def test_the_fleet_shows_certificates_and_disks(client: TestClient, database: Database) -> None:
    with database.write() as connection:
        ends = f'[["tls_cert",{NOW + 20 * DAY_US}],["tls_ca",1152921504606846975]]'
        disks = f'[["<b>",{700 << 20},{14 << 30}]]'
        one = update(stations).where(stations.c.name == "press-1")
        connection.execute(one.values(certificates=ends, disks=disks))
    text = client.get("/fleet").text
    assert '<div class="worse">2027-02-04 <span class="soft">tls_cert</span>' in text
    assert '<div>9999-12-31 <span class="soft">tls_ca</span>' in text
    assert '<div class="worse">4.9 % <span class="soft">700 MiB of 14.0 GiB, &lt;b&gt;' in text
    assert "<div>2027-03-16" in text  # press-2, in 60 days
    assert client.get("/api/fleet").json()[1]["disks"][0]["folder"] == "state"


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        ("/stations/none", 404, "no station"),
        ("/stations/press-1?hours=9", 422, "hours"),
        ("/stations/press-1?hours=x", 422, "hours"),
        ("/stations/press-1/parts/99999999", 404, "no part"),
        ("/stations/press-1/parts/999999999999999999999999", 404, "no part"),
        ("/parts?least=much", 422, "least"),
        ("/parts?least=1e999", 422, "least"),
        ("/parts?part=-5", 422, "part"),
        ("/parts?from=yesterday", 422, "from"),
        ("/parts?after=1.2", 422, "after"),
        ("/lots?lot=none", 404, "no lot"),
        ("/pareto?station=none", 404, "no station"),
        ("/none", 404, ""),
    ],
)
def test_a_wrong_request_has_one_clear_line(
    client: TestClient, path: str, status: int, text: str
) -> None:
    answer = client.get(path)
    assert answer.status_code == status
    assert text in answer.text
    assert "Traceback" not in answer.text
    program = client.get(path, headers={"accept": "application/json"})
    assert program.status_code == status
    assert "\n" not in program.json()["detail"]


def test_passed_parts_of_all_stations_are_not_searched(client: TestClient) -> None:
    assert "by station or by lot" in client.get("/parts?decision=PASS").text
    assert client.get("/api/parts?decision=PASS").status_code == 422


def test_the_journey_of_a_lot(client: TestClient) -> None:
    form = {"lot": "4713", "station": ["press-1", "press-2"], "order": "B", "began": ""}
    assert client.post("/lots", data=form).status_code == 303
    (first, *_) = client.get("/api/lots").json()
    assert (first["entry"]["lot"], first["made_by"]) == ("4713", "local")
    assert first["entry"]["stations"] == ["press-1", "press-2"]
    end = client.post(f"/lots/{first['number']}/end", data={"x": "1"})
    assert end.status_code == 422  # its beginning is now
    assert client.post(f"/lots/{first['number']}/remove", data={"x": "1"}).status_code == 303
    assert client.post("/lots/999/remove", data={"x": "1"}).status_code == 404
    assert client.post("/lots", data={"lot": "x"}).status_code == 422
    body = {"lot": "4714", "stations": ["press-2"], "began": "2027-01-15T07:00:00Z"}
    made = client.post("/api/lots", json=body)
    assert made.status_code == 201
    assert client.post(f"/api/lots/{made.json()['number']}/end").status_code == 200
    trace = client.get("/api/lots/trace?lot=4714").json()
    assert trace["counts"]["inspected"] > 0
    wrong = client.post("/api/lots", json={"lot": "x", "stations": ["press-2"], "more": 1})
    assert wrong.status_code == 422
    assert "more" in wrong.json()["detail"]


def test_a_review_takes_a_part_from_the_queue(client: TestClient) -> None:
    before = client.get("/review").text
    number = before.split("/stations/press-1/parts/")[1].split('"')[0]
    path = f"/stations/press-1/parts/{number}"
    done = client.post(f"{path}/review", data={"verdict": "correct", "next": "queue"})
    assert (done.status_code, done.headers["location"]) == (303, "/review")
    assert f'{path}"' not in client.get("/review").text
    assert "correct" in client.get(path).text
    done = client.post(f"{path}/review", data={"verdict": "escape", "note": "n"})
    assert done.headers["location"] == path
    assert client.post(f"{path}/review", data={"verdict": "x"}).status_code == 422


def test_guidance_is_written_shown_and_answered(client: TestClient) -> None:
    form = {"kind": "burr", "body": "File the <edge>."}
    assert client.post("/guidance", data=form).status_code == 303
    page = client.get("/stations/press-1").text
    assert "File the &lt;edge&gt;." in page
    answer = {"kind": "burr", "helped": "yes"}
    assert client.post("/stations/press-1/guidance-answer", data=answer).status_code == 303
    assert (
        client.post("/stations/press-1/guidance-answer", data={"kind": "burr"}).status_code == 422
    )
    (own,) = client.get("/api/guidance?kind=burr").json()
    assert (own["helped"], own["not_helped"], own["version"]) == (1, 0, 1)
    made = client.post("/api/guidance", json={"kind": "burr", "body": "Other."})
    assert made.json() == {"number": 2}


def test_limits_are_frozen_and_released(client: TestClient) -> None:
    form = {"hours": "8", "bundle": "textures-1", "do": "freeze"}
    assert client.post("/stations/press-1/limits", data=form).status_code == 303
    charts = client.get("/api/stations/press-1/figures?hours=8").json()["charts"]
    assert [(each["stage"], each["is_frozen"]) for each in charts] == [
        ("textures-1", True),
        ("textures-2", False),
    ]
    assert "<strong>frozen</strong>" in client.get("/stations/press-1?hours=8").text
    assert (
        client.post("/stations/press-1/limits", data={**form, "do": "release"}).status_code == 303
    )
    charts = client.get("/api/stations/press-1/figures?hours=8").json()["charts"]
    assert not any(each["is_frozen"] for each in charts)
    few = client.post("/stations/press-1/limits", data={**form, "bundle": "none"})
    assert few.status_code == 422
    by_lot = client.get("/api/stations/press-1/figures?hours=8&by_lot=true").json()["charts"]
    assert [each["stage"] for each in by_lot] == ["", "4711", "4712"]


def test_alarms_are_changed_on_their_page(client: TestClient) -> None:
    form = {"rule": "silent", "station": "press-1", "hours": "2", "reason": "works"}
    assert client.post("/alarms/mutes", data=form).status_code == 303
    assert "works" in client.get("/alarms").text
    assert client.post("/alarms/mutes/1/end", data={"x": ""}).status_code == 303
    assert client.post("/alarms/mutes/1/end", data={"x": ""}).status_code == 404
    value = {"name": "silent.minutes", "value": "7,5"}
    assert client.post("/alarms/values", data=value).status_code == 303
    assert 'value="7.5"' in client.get("/alarms").text
    assert client.post("/alarms/values", data={**value, "value": "0"}).status_code == 422
    assert client.post("/alarms/9/acknowledge", data={"x": ""}).status_code == 404
    assert client.get("/api/alarms").json() == []


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"origin": "http://evil.example"}, 403),
        ({"content-type": "text/plain"}, 415),
    ],
)
def test_forms_of_other_sites_and_kinds_are_refused(
    client: TestClient, headers: dict[str, str], status: int
) -> None:
    answer = client.post("/guidance", data={"kind": "a", "body": "b"}, headers=headers)
    assert answer.status_code == status
    assert client.get("/api/guidance?kind=a").json() == []


def test_a_large_form_is_refused(client: TestClient) -> None:
    assert client.post("/guidance", data={"body": "x" * 70_000}).status_code == 413


def test_csv_has_every_part_and_no_formula(client: TestClient, database: Database) -> None:
    with database.write() as connection:
        connection.execute(
            update(parts).where(parts.c.part_id == 5).values(reason="=cmd()", kind='a,"b"\nc')
        )
    answer = client.get(
        "/api/export/parts.csv?station=press-1&decision=PASS&decision=REJECT&decision=UNKNOWN"
    )
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert len(rows) == 1800
    (odd,) = [each for each in rows if each["part_id"] == "5"]
    assert (odd["reason"], odd["kind"]) == ("'=cmd()", 'a,"b"\nc')
    assert rows[0]["at"].startswith("2027-01-15T07:59")
    for wide in ("decision=PASS", "decision=PASS&decision=UNKNOWN"):
        for form in ("csv", "parquet"):
            assert client.get(f"/api/export/parts.{form}?{wide}").status_code == 422
    refused = client.get("/api/export/parts.csv?decision=PASS&decision=REJECT&decision=UNKNOWN")
    assert refused.status_code == 422


def test_parquet_has_the_same_parts(client: TestClient) -> None:
    parquet: Any = pytest.importorskip("pyarrow.parquet")
    answer = client.get("/api/export/parts.parquet?station=press-1")
    table = parquet.read_table(io.BytesIO(answer.content))
    rows = list(
        csv.DictReader(io.StringIO(client.get("/api/export/parts.csv?station=press-1").text))
    )
    assert [str(each) for each in table["part_id"].to_pylist()] == [r["part_id"] for r in rows]
    assert str(table.schema.field("at").type) == "timestamp[us, tz=UTC]"


def test_metrics_are_those_of_prometheus(client: TestClient, database: Database) -> None:
    with database.write() as connection:
        connection.execute(update(stations).where(stations.c.id == 1).values(name='p"\\\n1'))
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert 'outfeed_station_online{station="press-2"} 1.0' in answer.text
    assert 'outfeed_station_parts_inspected_5m{station="press-2"} 25.0' in answer.text
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (apt install prometheus)")
    done = subprocess.run([promtool, "check", "metrics"], input=answer.content, check=False)
    assert done.returncode == 0


def test_the_fleet_shows_restore_drills(client: TestClient, database: Database) -> None:
    def failed() -> DrillResult:
        raise BackupError("<b>copy.db</b> is damaged")

    assert "No restore drill has succeeded yet" in client.get("/fleet").text
    assert client.get("/api/drills").json() == {"last_good_us": None, "latest": []}
    assert "outfeed_restore_drill_failed 1" not in client.get("/metrics").text
    good = DrillResult("central-day-20270114.db", NOW - 7 * HOUR_US, 12345)
    record_drill(database, lambda: good, lambda: NOW - 6 * HOUR_US)
    record_drill(database, failed, lambda: NOW - HOUR_US)
    page = client.get("/fleet").text
    assert "The last good restore drill was 6.0 hours ago" in page
    assert "central-day-20270114.db" in page
    assert "12345" in page
    assert "&lt;b&gt;copy.db&lt;/b&gt; is damaged" in page
    answer = client.get("/api/drills").json()
    assert answer["last_good_us"] == NOW - 6 * HOUR_US
    assert [each["state"] for each in answer["latest"]] == ["failed", "good"]
    metrics = client.get("/metrics").text
    assert "outfeed_restore_drill_failed 1.0" in metrics
    seconds = (NOW - 6 * HOUR_US) / 1e6
    assert f"outfeed_restore_drill_last_good_timestamp_seconds {seconds!r}" in metrics


def test_the_rules_for_prometheus_are_correct() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (apt install prometheus)")
    folder = Path(__file__).parents[2] / "firmware-config" / "central"
    for command in (
        ["check", "rules", "prometheus-rules.yml"],
        ["test", "rules", "prometheus-rules-test.yml"],
    ):
        done = subprocess.run([promtool, *command], cwd=folder, capture_output=True, check=False)
        assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()


def test_health(client: TestClient, database: Database) -> None:
    assert client.get("/health/live").json()["status"] == "ok"
    assert client.get("/health/ready").status_code == 200
    with database.write() as connection:
        connection.exec_driver_sql("ALTER TABLE journals RENAME TO lost")
    assert client.get("/health/ready").status_code == 503
    assert client.get("/health/live").status_code == 200


def test_every_route_of_the_api_is_described(client: TestClient) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    assert {"/api/parts", "/api/lots", "/api/alarms", "/api/guidance", "/api/fleet"} <= set(paths)
    own = [each for each in paths if each.startswith("/api/")]
    assert all(operation.get("summary") for each in own for operation in paths[each].values())
