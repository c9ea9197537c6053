"""The pages and the API on a real server: contents, escaping, headers and limits."""

from __future__ import annotations

import http.client
import json
import re
import time
from collections.abc import Iterator

import pytest

from central.config.sections import DatabaseConfig
from central.store.database import Database
from central.store.schema import migrate
from central.store.writer import BatchWriter
from central.web.app import make_app
from central.web.server import WebServer
from edge.errors import OutfeedError
from tests.support.central_events import defect, message, now_us, status

_HTML = '<script>alert("1")</script>'


@pytest.fixture
def web(database: Database) -> Iterator[WebServer]:
    server = WebServer(make_app(database), host="127.0.0.1", port=0)
    server.start()
    yield server
    server.close()


def get(web: WebServer, path: str, **headers: str) -> tuple[int, dict[str, str], str]:
    """Status, headers and text of a response."""
    port = int(web.address.rsplit(":", 1)[1].rstrip("/"))
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    try:
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        fields = {key.lower(): value for key, value in response.getheaders()}
        return response.status, fields, response.read().decode("utf-8")
    finally:
        connection.close()


def test_an_empty_database_has_an_empty_wall(web: WebServer) -> None:
    code, _, text = get(web, "/")
    assert code == 200
    assert "No station has sent anything yet" in text
    assert json.loads(get(web, "/api/stations")[2]) == []
    assert json.loads(get(web, "/api/health")[2])["status"] == "ok"


def test_the_wall_shows_states_yields_and_rejects(web: WebServer, writer: BatchWriter) -> None:
    bad = message(2, decision="REJECT", reason="crack: 1 of severity 9", defects=[defect("crack")])
    writer.write([status(note="two clients"), message(1), bad, message(3), message(4)])
    _, _, text = get(web, "/")
    assert "press-3" in text
    assert "75.0 %" in text
    assert "/stations/press-3/parts/2" in text
    assert "two clients" in text
    (station,) = json.loads(get(web, "/api/stations")[2])
    assert (station["state"], station["hour"]["rejected"]) == ("online", 1)
    assert [part["kind"] for part in station["rejects"]] == ["crack"]


def test_parts_of_a_station_page_by_page(web: WebServer, writer: BatchWriter) -> None:
    start_us = now_us() - 1_000_000
    writer.write([message(n, received_us=start_us + n, utc="not a time") for n in range(1, 121)])
    _, _, page = get(web, "/stations/press-3?every=true")
    assert len(re.findall(r"/parts/\d+", page)) == 50
    earlier = re.search(r'href="(\?hours=\d+&amp;before=\d+&amp;every=true)"', page)
    assert earlier is not None
    _, _, second = get(web, "/stations/press-3" + earlier[1].replace("&amp;", "&"))
    numbers = [int(n) for n in re.findall(r"/parts/(\d+)", page + second)]
    assert numbers == list(range(120, 20, -1))
    assert "no parts" in get(web, "/stations/press-3")[2]
    listed = json.loads(get(web, "/api/stations/press-3/parts?limit=3&decision=PASS")[2])
    assert [part["part_id"] for part in listed] == [120, 119, 118]


def test_a_part_with_its_history(web: WebServer, writer: BatchWriter) -> None:
    writer.write(
        [
            message(1, decision="REJECT", defects=[defect("dent", 7.25)], part_score=8.5),
            message(2, "outfeed.actuation/1", part_id=1, action="ejected", error_us=120.0),
            message(3, "outfeed.mark/1", part_id=1, mark="true-reject", note="seen by eye"),
        ]
    )
    _, _, text = get(web, "/stations/press-3/parts/1")
    for expected in ("dent", "7.2", "8.50", "ejected, verdict, 120 µs", "true-reject: seen by eye"):
        assert expected in text
    (found,) = json.loads(get(web, "/api/stations/press-3/parts/1")[2])
    assert found["defects"][0]["right"] == 3


def test_a_new_station_waits_to_be_commissioned(web: WebServer, writer: BatchWriter) -> None:
    """It has a status and no event: its uplink runs, and nothing is inspected."""
    note = "waiting to be commissioned"
    writer.write([status(station="press-9", note=note, commissioning="waiting")])
    for page in ("/", "/fleet"):
        code, _, text = get(web, page)
        assert code == 200
        assert "press-9" in text
        assert note in text


def test_copies_of_a_card_are_shown(web: WebServer, writer: BatchWriter) -> None:
    writer.write([message(1), message(1, run="ff", decision="REJECT")])
    assert "2 parts have this number" in get(web, "/stations/press-3/parts/1")[2]
    assert "1 events contradict others" in get(web, "/")[2]


def test_texts_of_a_station_are_escaped(web: WebServer, writer: BatchWriter) -> None:
    defects = [defect(_HTML, guidance=_HTML)]
    writer.write(
        [
            status(note=_HTML, bundle=_HTML, version=_HTML),
            message(1, decision="REJECT", reason=_HTML, bundle=_HTML, defects=defects),
            message(2, decision="UNKNOWN", reason="'\"><img src=x onerror=alert(1)>"),
            message(3, "outfeed.mark/1", part_id=1, note=_HTML, marked_utc=_HTML),
        ]
    )
    for path in (
        "/",
        "/stations/press-3",
        "/stations/press-3/parts/1",
        "/stations/press-3/parts/2",
    ):
        _, _, text = get(web, path)
        assert "alert(" in text
        assert "<script>alert" not in text
        assert "<img src=x" not in text


@pytest.mark.parametrize(
    "path",
    [
        "/stations/none",
        "/stations/press-3/parts/99",
        f"/stations/press-3/parts/{1 << 70}",
        f"/api/stations/press-3/parts/-{1 << 63}",
        "/api/stations/none/parts",
        "/stations/%00",
        "/stations/..%2f..%2fetc%2fpasswd",
        "/static/../app.py",
        "/static/%2e%2e/app.py",
        "/docs",
        "/redoc",
    ],
)
def test_unknown_addresses_are_404(web: WebServer, writer: BatchWriter, path: str) -> None:
    writer.write([message(1)])
    assert get(web, path)[0] == 404


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=501", "limit=x", "before=-1", f"before={1 << 70}", "decision=MAYBE"],
)
def test_wrong_queries_are_422(web: WebServer, writer: BatchWriter, query: str) -> None:
    writer.write([message(1)])
    assert get(web, f"/api/stations/press-3/parts?{query}")[0] == 422


def test_every_response_has_the_headers(web: WebServer) -> None:
    for path in ("/", "/static/central.js", "/static/style.css", "/none", "/api/stations"):
        _, headers, _ = get(web, path)
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert "server" not in headers


def test_nothing_is_loaded_from_elsewhere(web: WebServer) -> None:
    for path in ("/", "/static/central.js", "/static/style.css"):
        text = get(web, path)[2]
        assert "//" not in re.sub(r"^\s*//.*$", "", text, flags=re.MULTILINE)
        assert " style=" not in text
        assert "onclick" not in text


@pytest.mark.parametrize("host", ["example.com", "127.0.0.1.example.com", "", "10.0.0.1:8480"])
def test_other_hosts_are_refused(web: WebServer, host: str) -> None:
    assert get(web, "/", Host=host)[0] == 421


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:1", "[::1]:8480", "LOCALHOST:99"])
def test_own_hosts_are_served(web: WebServer, host: str) -> None:
    assert get(web, "/", Host=host)[0] == 200


def test_the_api_is_described(web: WebServer) -> None:
    described = json.loads(get(web, "/openapi.json")[2])
    assert set(described["paths"]) >= {
        "/api/health",
        "/api/stations",
        "/api/stations/{station}/parts",
        "/api/stations/{station}/parts/{part_id}",
    }
    for operations in described["paths"].values():
        for operation in operations.values():
            assert operation["description"]


def test_the_live_wall_sends_each_change(web: WebServer, writer: BatchWriter) -> None:
    port = int(web.address.rsplit(":", 1)[1].rstrip("/"))
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    connection.request("GET", "/live/wall")
    response = connection.getresponse()
    assert response.getheader("content-type").startswith("text/event-stream")
    first = _next_event(response)
    assert "No station" in first
    writer.write([message(1, decision="REJECT", reason="a new reject", utc="not a time")])
    began_s = time.monotonic()
    while "a new reject" not in _next_event(response):
        assert time.monotonic() - began_s < 120
    connection.close()


def _next_event(response: http.client.HTTPResponse) -> str:
    lines: list[str] = []
    while (line := response.readline().decode("utf-8").rstrip("\r\n")) or not lines:
        if line and not line.startswith(":"):
            lines.append(line)
    assert lines[0] == "event: wall"
    return "\n".join(lines[1:])


def test_a_database_that_is_lost_is_503(postgresql, tmp_path) -> None:
    database = Database(DatabaseConfig(kind="postgresql", port=1, name="central"))
    server = WebServer(make_app(database), host="127.0.0.1", port=0)
    server.start()
    try:
        code, _, text = get(server, "/")
        assert (code, json.loads(text)) == (503, {"detail": "the database cannot be read now"})
        assert get(server, "/api/health")[0] == 503
    finally:
        server.close()
        database.close()


def test_a_port_in_use_is_one_line(web: WebServer, database: Database) -> None:
    port = int(web.address.rsplit(":", 1)[1].rstrip("/"))
    with pytest.raises(
        OutfeedError, match=rf"web\.port: 127\.0\.0\.1:{port}: cannot be used: Addr"
    ):
        WebServer(make_app(database), host="127.0.0.1", port=port)


def test_a_server_ends_while_browsers_watch(database_config: DatabaseConfig) -> None:
    database = Database(database_config)
    migrate(database)
    server = WebServer(make_app(database), host="127.0.0.1", port=0)
    server.start()
    port = int(server.address.rsplit(":", 1)[1].rstrip("/"))
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    connection.request("GET", "/live/wall")
    response = connection.getresponse()
    assert _next_event(response)
    server.close()
    assert not server.is_running
    connection.close()
    database.close()
