"""Login, sessions, cookies, tokens for forms, headers, and the names of the server."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import select

from central.access.accounts import add_account, set_disabled, set_grants
from central.access.audit import audited, read_entries
from central.access.caller import Grant
from central.access.permissions import Role
from central.access.tokens import add_token
from central.config.web import WebConfig
from central.store.access_tables import sessions, tokens, users
from central.store.database import Database
from central.web.login import safe_target
from central.web.server import WebServer
from tests.support.central_access import (
    CLI,
    NOW_US,
    PASSWORD,
    app_of,
    build_plant,
    client_for,
    fast_database,
    log_in_as,
)

MINUTE_US = 60_000_000


class Clock:
    """A clock that a test sets. us: the time in µs."""

    def __init__(self) -> None:
        self.us = NOW_US

    def __call__(self) -> int:
        return self.us


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


def log_in(client: Any, name: str = "anna", password: str = PASSWORD, **data: str) -> Any:
    return client.post("/login", data={"name": name, "password": password, **data})


def test_login_gives_a_session_and_logout_ends_it(database: Database, clock: Clock) -> None:
    client = client_for(app_of(database, now_us=clock))
    answer = log_in(client, "ANNA", next="/stations/x?every=true")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/stations/x?every=true"
    cookie = answer.headers["set-cookie"]
    assert re.match(r"outfeed=[\w-]{43}; HttpOnly; Max-Age=43200; Path=/; SameSite=lax$", cookie)
    page = client.get("/account")
    assert page.status_code == 200
    csrf = re.search(r'name="csrf" value="([0-9a-f]{64})"', page.text)
    assert csrf is not None
    assert client.post("/logout", data={"csrf": csrf[1]}).status_code == 303
    assert client.get("/api/account").status_code == 401
    with database.read() as connection:
        actions = [each.action for each in read_entries(connection, limit=2)]
        assert connection.execute(select(sessions)).all() == []
    assert actions == ["logout", "login"]


def test_database_has_no_token_and_no_password(database: Database, clock: Clock) -> None:
    client = client_for(app_of(database, now_us=clock))
    log_in(client)
    token = client.cookies["outfeed"]
    with audited(database, CLI, NOW_US) as change:
        api = add_token(change, "anna", "report", 1)
    database.close()
    found = b"".join(path.read_bytes() for path in Path(database.name).parent.glob("central.db*"))
    for secret in (token, api, PASSWORD):
        assert secret.encode() not in found
    assert b"$argon2id$v=19$m=65536,t=3,p=4$" in found


@pytest.mark.parametrize(
    ("name", "password"),
    [("anna", "wrong"), ("carl", PASSWORD), ("", ""), ("anna' OR 1=1 --", PASSWORD), ("\x00", "x")],
)
def test_wrong_login_says_the_same(
    database: Database, clock: Clock, name: str, password: str
) -> None:
    client = client_for(app_of(database, now_us=clock))
    answer = log_in(client, name, password)
    assert answer.status_code == 401
    assert "Name or password is wrong." in answer.text
    assert "set-cookie" not in answer.headers
    with database.read() as connection:
        (entry,) = read_entries(connection, limit=1)
    assert entry.action == "login.failed"
    assert entry.object == ("anna" if name == "anna" else "")


def test_unknown_name_is_hashed_too(
    database: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same number of computations with the same parameters, in place of a stop-watch."""
    from argon2 import PasswordHasher

    checked: list[str] = []
    real = PasswordHasher.verify

    def verify(self: PasswordHasher, stored: str, password: str) -> bool:
        checked.append(stored.rsplit("$", 2)[0])
        return real(self, stored, password)

    monkeypatch.setattr(PasswordHasher, "verify", verify)
    client = client_for(app_of(database, now_us=clock))
    log_in(client, "anna", "wrong one")
    log_in(client, "carl", "wrong one")
    assert len(checked) == 2
    assert checked[0] == checked[1]


def test_attempts_pause_and_success_ends_the_pause(database: Database, clock: Clock) -> None:
    client = client_for(app_of(database, now_us=clock))
    for _ in range(5):
        assert log_in(client, password="wrong").status_code == 401
    answer = log_in(client)
    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "1"
    clock.us += 1_000_000
    assert log_in(client).status_code == 303
    assert log_in(client, password="wrong").status_code == 401


def test_disabled_account_cannot_log_in(database: Database, clock: Clock) -> None:
    app = app_of(database, now_us=clock)
    client = log_in_as(app, "anna")
    with audited(database, CLI, NOW_US) as change:
        token = add_token(change, "anna", "report", 1)
        set_disabled(change, "anna", True)
    assert client.get("/api/account").status_code == 401
    assert log_in(client_for(app)).status_code == 401
    program = client_for(app, headers={"authorization": f"Bearer {token}"})
    assert program.get("/api/account").status_code == 401


def test_session_ends_without_use_and_after_its_longest_life(
    database: Database, clock: Clock
) -> None:
    web = WebConfig(session_idle_min=10, session_hours=1)
    app = app_of(database, web, now_us=clock)
    client = client_for(app)
    log_in(client)
    for _ in range(6):
        clock.us += 9 * MINUTE_US
        assert client.get("/api/account").status_code == 200
    clock.us += 7 * MINUTE_US  # 61 minutes after the login
    assert client.get("/api/account").status_code == 401
    log_in(client)
    clock.us += 11 * MINUTE_US
    assert client.get("/api/account").status_code == 401


def test_login_changes_the_token_of_the_session(database: Database, clock: Clock) -> None:
    client = client_for(app_of(database, now_us=clock))
    client.cookies.set("outfeed", "a token that a stranger chose", domain="127.0.0.1")
    log_in(client)
    first = client.cookies.get("outfeed", domain="127.0.0.1", path="/")
    other = client_for(app_of(database, now_us=clock))
    log_in(other)
    assert first != "a token that a stranger chose"
    old = other.cookies["outfeed"]
    log_in(other)
    assert other.cookies["outfeed"] != old
    stale = client_for(app_of(database, now_us=clock), cookies={"outfeed": old})
    assert stale.get("/api/account").status_code == 401


def test_log_out_everywhere(database: Database, clock: Clock) -> None:
    app = app_of(database, now_us=clock)
    first, second = log_in_as(app, "anna"), log_in_as(app, "anna")
    page = first.get("/account").text
    assert page.count("(this one)") == 1
    assert first.post("/account/sessions/end").status_code == 303
    assert second.get("/api/account").status_code == 401


def test_change_of_the_password(database: Database, clock: Clock) -> None:
    app = app_of(database, now_us=clock)
    client, other = log_in_as(app, "anna"), log_in_as(app, "anna")
    new = "another long sentence"
    wrong = client.post("/account/password", data={"old": "x", "new": new})
    assert "present password is wrong" in wrong.text
    weak = client.post("/account/password", data={"old": PASSWORD, "new": "password1234"})
    assert "most common" in weak.text
    done = client.post("/account/password", data={"old": PASSWORD, "new": new})
    assert done.status_code == 303
    assert other.get("/api/account").status_code == 401
    assert log_in(client_for(app)).status_code == 401
    assert log_in(client_for(app), password=new).status_code == 303


def test_old_parameters_of_a_hash_are_replaced_at_login(database: Database, clock: Clock) -> None:
    from argon2 import PasswordHasher

    weak = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
    with database.write() as connection:
        connection.execute(users.update().values(password=weak))
    assert log_in(client_for(app_of(database, now_us=clock))).status_code == 303
    with database.read() as connection:
        stored = connection.execute(select(users.c.password)).scalar_one()
    assert "m=65536,t=3,p=4" in stored


@pytest.mark.parametrize("given", [None, "", "0" * 64, "x", "é"])
def test_form_without_its_token_is_refused(
    database: Database, clock: Clock, given: str | None
) -> None:
    app = app_of(database, now_us=clock)
    client = log_in_as(app, "anna")
    del client.headers["x-csrf-token"]
    data = {} if given is None else {"csrf": given}
    assert client.post("/account/sessions/end", data=data).status_code == 403
    assert client.get("/api/account").status_code == 200


def test_token_for_forms_belongs_to_its_session(database: Database, clock: Clock) -> None:
    app = app_of(database, now_us=clock)
    first, second = log_in_as(app, "anna"), log_in_as(app, "anna")
    first.headers["x-csrf-token"] = second.headers["x-csrf-token"]
    assert first.post("/logout").status_code == 403


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": "http://127.0.0.1:8480"}, 303),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://127.0.0.1:8481"}, 403),
        ({"sec-fetch-site": "same-origin"}, 303),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
    ],
)
def test_login_form_of_another_site_is_refused(
    database: Database, clock: Clock, headers: dict[str, str], status: int
) -> None:
    client = client_for(app_of(database, now_us=clock), headers=headers)
    assert log_in(client).status_code == status


@pytest.mark.parametrize(
    ("target", "found"),
    [
        ("/audit?before=3", "/audit?before=3"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example", "/"),
        ("/a\r\nset-cookie: x", "/"),
        ("", "/"),
        ("/" + "x" * 600, "/"),
    ],
)
def test_page_after_the_login_is_of_this_server(target: str, found: str) -> None:
    assert safe_target(target) == found


def test_api_token_expires_and_is_removed(database: Database, clock: Clock) -> None:
    app = app_of(database, now_us=clock)
    client = log_in_as(app, "anna")
    page = client.post("/account/tokens", data={"label": "<b>report</b>", "days": "2"}).text
    token = re.search(r"oft_[\w-]{43}", page)
    assert token is not None
    assert "<b>report" not in page
    assert "&lt;b&gt;report" in page
    assert "oft_" not in client.get("/account").text
    program = client_for(app, headers={"authorization": f"Bearer {token[0]}"})
    assert program.get("/api/account").json()["name"] == "anna"
    clock.us += 2 * 24 * 60 * MINUTE_US
    assert program.get("/api/account").status_code == 401
    clock.us = NOW_US
    with database.read() as connection:
        number = connection.execute(select(tokens.c.id)).scalar_one()
    assert client.post(f"/account/tokens/{number}/remove").status_code == 303
    assert program.get("/api/account").status_code == 401


@pytest.mark.parametrize("header", ["Bearer", "Bearer x", "Basic YTpi", "Bearer oft_" + "x" * 43])
def test_wrong_token_is_refused(database: Database, clock: Clock, header: str) -> None:
    client = client_for(app_of(database, now_us=clock), headers={"authorization": header})
    assert client.get("/api/account").status_code == 401


def test_only_the_owner_removes_a_token(database: Database, clock: Clock) -> None:
    with audited(database, CLI, NOW_US) as change:
        add_account(change, "carl")
        add_token(change, "anna", "report", 1)
    carl = log_in_as(app_of(database, now_us=clock), "carl")
    assert carl.post("/account/tokens/1/remove").status_code == 404
    assert carl.post(f"/account/tokens/{1 << 64}/remove").status_code == 422


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
        with httpx2.Client(base_url=server.address, headers=cookies, timeout=20) as client:
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
                end_s = time.monotonic() + 15
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
