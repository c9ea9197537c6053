"""Headers, proxies, the names of the server, and the end of a live page."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from central.access.accounts import add_account, set_grants
from central.access.audit import audited, read_entries
from central.access.caller import Grant
from central.access.permissions import Role
from central.config.web import WebConfig
from central.store.access_tables import sessions
from central.store.database import Database
from central.web.server import WebServer
from tests.support.central_access import (
    CLI,
    NOW_US,
    PASSWORD,
    Clock,
    app_of,
    build_plant,
    client_for,
    fast_database,
    log_in,
    log_in_as,
)

MINUTE_US = 60_000_000


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = fast_database(tmp_path)
    with audited(opened, CLI, NOW_US) as change:
        add_account(change, "anna", password=PASSWORD)
        set_grants(change, "anna", [Grant(Role.QUALITY)])
    yield opened
    opened.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_headers_of_every_answer(database: Database, clock: Clock) -> None:
    client = log_in_as(app_of(database, now_us=clock), "anna")
    for path in ("/", "/static/style.css", "/missing", "/api/stations", "/audit"):
        headers = client.get(path).headers
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
        assert "strict-transport-security" not in headers
    pages = [client.get(path).text for path in ("/", "/account", "/login")]
    assert not any(re.search(r"<script(?! src)|<style|\son\w+=|\sstyle=", page) for page in pages)


def test_secure_cookie_and_strict_transport_behind_a_proxy(
    database: Database, clock: Clock
) -> None:
    web = WebConfig(
        listen="0.0.0.0", behind_proxy=True, proxies=("192.0.2.7",), hosts=("central.plant",)
    )
    app = app_of(database, web, now_us=clock)
    client = client_for(app, client=("192.0.2.7", 1000), headers={"host": "central.plant"})
    client.headers["x-forwarded-for"] = "203.0.113.9, 198.51.100.4"
    answer = log_in(client)
    assert answer.status_code == 303
    assert answer.headers["set-cookie"].startswith("__Host-outfeed=")
    assert "; Secure" in answer.headers["set-cookie"]
    assert answer.headers["strict-transport-security"] == "max-age=31536000"
    with database.read() as connection:
        # The last address is the one that the proxy saw.
        assert read_entries(connection, limit=1)[0].address == "198.51.100.4"
    other = client_for(app, client=("192.0.2.8", 1000), headers={"host": "central.plant"})
    assert other.get("/login").status_code == 403


def test_address_that_a_client_states_itself_counts_for_nothing(
    database: Database, clock: Clock
) -> None:
    client = client_for(app_of(database, now_us=clock), client=("127.0.0.1", 1000))
    log_in(client_for(client.app, headers={"x-forwarded-for": "203.0.113.9"}))
    with database.read() as connection:
        assert read_entries(connection, limit=1)[0].address == "testclient"


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8480", 200),
        ("localhost", 200),
        ("[::1]:8480", 200),
        ("central.plant", 421),
        ("127.0.0.1.evil.example", 421),
        ("", 421),
    ],
)
def test_names_of_the_server(database: Database, host: str, status: int) -> None:
    client = client_for(app_of(database))
    assert client.get("/login", headers={"host": host}).status_code == status


def test_hosts_of_the_configuration(database: Database) -> None:
    client = client_for(app_of(database, WebConfig(hosts=("Central.Plant",))))
    assert client.get("/login", headers={"host": "central.plant:8480"}).status_code == 200
    assert client.get("/login", headers={"host": "localhost"}).status_code == 421


def test_live_wall_shows_the_scope_and_ends_with_the_session(database: Database) -> None:
    """A real server: an open stream ends when its session has ended."""
    build_plant(database)
    clock = Clock()
    server = WebServer(app_of(database, now_us=clock), host="127.0.0.1", port=0)
    server.start()
    try:
        browser = log_in_as(server._app, "production-line")
        cookies = {"cookie": f"outfeed={browser.cookies['outfeed']}"}
        with httpx2.Client(base_url=server.address, headers=cookies, timeout=120) as client:
            with client.stream("GET", "/live/wall") as stream:
                text = stream.iter_text()
                first = next(text)
                while "</article>" not in first:
                    first += next(text)
                assert "/stations/alpha" in first
                assert "/stations/beta" not in first
                with database.write() as connection:
                    connection.execute(sessions.delete())
                # The wall changes, and it is time to look at the session again.
                clock.us += 20 * 1_000_000
                ended = threading.Event()
                threading.Thread(target=_drain, args=(text, ended), daemon=True).start()
                end_s = time.monotonic() + 60
                number = 0
                while not ended.wait(0.2) and time.monotonic() < end_s:
                    number += 1
                    _rename(database, f"bundle-{number}")
                assert ended.is_set()
            assert client.get("/live/wall").status_code == 401
    finally:
        server.close()


def _rename(database: Database, bundle: str) -> None:
    from central.store.tables import stations

    with database.write() as connection:
        connection.execute(stations.update().values(bundle=bundle))


def _drain(text: Iterator[str], ended: threading.Event) -> None:
    for _ in text:
        pass
    ended.set()
