"""Login, sessions, cookies, API tokens, and tokens for forms."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

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
from tests.support.central_access import (
    CLI,
    NOW_US,
    PASSWORD,
    Clock,
    app_of,
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
