"""The login at a provider of OpenID Connect: an imagined one that errs at will, and a real one."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urljoin, urlsplit

import httpx2
import pytest
from joserfc.jwk import ECKey

from central.access.accounts import add_account, find_account, set_disabled
from central.access.audit import audited, read_entries
from central.access.caller import Grant
from central.access.openid import OpenIdClient
from central.access.permissions import Role
from central.access.places import find_place
from central.config.openid import OpenIdConfig, OpenIdGroup
from central.store.database import Database
from central.web.app import make_app
from tests.support.brokers import free_port, wait_for
from tests.support.central_access import (
    CLI,
    NOW_US,
    ON,
    PASSWORD,
    build_plant,
    client_for,
    fast_database,
)
from tests.support.openid_provider import CLIENT, ISSUER, SECRET, ImaginedProvider

RETURN = "http://127.0.0.1:8480/login/openid/return"
GROUPS = (
    OpenIdGroup(group="quality-ulm", role="quality", plant="Ulm"),
    OpenIdGroup(group="press-ulm", role="production", plant="Ulm", line="press"),
    OpenIdGroup(group="it", role="admin"),
)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = fast_database(tmp_path)
    build_plant(opened)
    yield opened
    opened.close()


@pytest.fixture
def config(tmp_path: Path) -> OpenIdConfig:
    secret = tmp_path / "secret"
    secret.write_text(SECRET + "\n", encoding="utf-8")
    return OpenIdConfig(
        issuer=ISSUER, client_id=CLIENT, client_secret_file=secret, redirect=RETURN, groups=GROUPS
    )


@pytest.fixture
def provider() -> ImaginedProvider:
    return ImaginedProvider()


@pytest.fixture
def browser(
    database: Database,
    config: OpenIdConfig,
    provider: ImaginedProvider,
    monkeypatch: pytest.MonkeyPatch,
) -> Any:
    """A browser of an application that reaches the imagined provider."""
    real = OpenIdClient

    def make(settings: OpenIdConfig) -> OpenIdClient:
        return real(settings, provider.transport())

    monkeypatch.setattr("central.web.app.OpenIdClient", make)
    return client_for(make_app(database, web=ON, openid=config))


def log_in(browser: Any, provider: ImaginedProvider, target: str = "/", **changes: str) -> Any:
    begun = browser.get("/login/openid", params={"next": target})
    assert begun.status_code == 303, begun.text
    answer = {**provider.authorise(begun.headers["location"]), **changes}
    return browser.get("/login/openid/return", params=answer)


def test_first_login_creates_the_account_with_the_roles_of_its_groups(
    browser: Any, provider: ImaginedProvider, database: Database
) -> None:
    answer = log_in(browser, provider, "/stations/alpha")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/stations/alpha"
    assert browser.get("/api/account").json()["name"] == "anna"
    assert {each["name"] for each in browser.get("/api/stations").json()} == {"alpha", "beta"}
    with database.read() as connection:
        account = find_account(connection, "anna")
        assert account is not None
        assert (account.issuer, account.subject) == (ISSUER, "u-1")
        assert not account.has_password
        place = find_place(connection, "Ulm", None)
        assert account.grants == (Grant(Role.QUALITY, place.plant_id),)
        actions = [each.action for each in read_entries(connection, limit=3)]
    assert actions == ["login", "account.roles", "account.created"]
    assert browser.post("/login", data={"name": "anna", "password": ""}).status_code == 401


def test_roles_follow_the_groups_at_each_login(
    browser: Any, provider: ImaginedProvider, database: Database
) -> None:
    log_in(browser, provider)
    provider.person["groups"] = ["it", "press-ulm"]
    log_in(browser, provider)
    roles = [each["role"] for each in browser.get("/api/account").json()["roles"]]
    assert roles == ["production", "admin"]
    provider.person["groups"] = ["canteen"]
    other = client_for(browser.app)
    assert "none of your groups" in log_in(other, provider).text
    assert browser.get("/api/account").status_code == 401  # the earlier session has ended
    with database.read() as connection:
        account = find_account(connection, "anna")
    assert account is not None
    assert account.grants == ()


@pytest.mark.parametrize(
    ("claims", "fault"),
    [
        ({"groups": []}, "none of your groups"),
        ({"groups": {"a": 1}}, "no list of groups"),
        ({"preferred_username": "Anna Adler"}, "no name of an account"),
        ({"preferred_username": "admin-plant"}, "another account has this name"),
    ],
)
def test_person_is_refused(
    browser: Any, provider: ImaginedProvider, claims: dict[str, Any], fault: str
) -> None:
    provider.person.update(claims)
    answer = log_in(browser, provider)
    assert answer.status_code == 401
    assert fault in answer.text
    assert browser.get("/api/account").status_code == 401


def test_local_account_is_not_taken_over(
    browser: Any, provider: ImaginedProvider, database: Database
) -> None:
    with audited(database, CLI, NOW_US) as change:
        add_account(change, "anna", password=PASSWORD)
    assert "another account has this name" in log_in(browser, provider).text


def test_disabled_account_is_refused(
    browser: Any, provider: ImaginedProvider, database: Database
) -> None:
    log_in(browser, provider)
    with audited(database, CLI, NOW_US) as change:
        set_disabled(change, "anna", True)
    assert "is disabled" in log_in(browser, provider).text


def _claim(name: str, value: Any) -> Callable[[ImaginedProvider], None]:
    def change(provider: ImaginedProvider) -> None:
        provider.falsify = lambda claims: claims.update({name: value})

    return change


def _other_key(provider: ImaginedProvider) -> None:
    provider.signing_key = ECKey.generate_key("P-256", {"kid": "1"})


def _algorithm(name: str) -> Callable[[ImaginedProvider], None]:
    return lambda provider: provider.header.update(alg=name)


def _person_of_user_info(provider: ImaginedProvider) -> None:
    provider.info_subject = "u-2"


@pytest.mark.parametrize(
    "falsify",
    [
        _claim("iss", "https://evil.example"),
        _claim("aud", "another client"),
        _claim("aud", ["outfeed", "another client"]),  # without azp
        _claim("nonce", "of an earlier login"),
        _claim("exp", 1_000_000),
        _claim("iat", 9_000_000_000),
        _claim("sub", None),
        _other_key,
        _algorithm("none"),
        _algorithm("HS256"),
        _person_of_user_info,
    ],
)
def test_false_token_is_refused(
    browser: Any, provider: ImaginedProvider, falsify: Callable[[ImaginedProvider], None]
) -> None:
    falsify(provider)
    answer = log_in(browser, provider)
    assert answer.status_code == 401, answer.text
    assert browser.get("/api/account").status_code == 401


@pytest.mark.parametrize(
    "changes",
    [
        {"state": "of another login"},
        {"code": "of somebody else"},
        {"code": ""},
        {"iss": "https://evil.example"},
        {"error": "access_denied<script>"},
    ],
)
def test_false_answer_is_refused(
    browser: Any, provider: ImaginedProvider, changes: dict[str, str]
) -> None:
    answer = log_in(browser, provider, **changes)
    assert answer.status_code == 401
    assert "<script>" not in answer.text.replace('<script src="/static', "")


def test_answer_is_used_once_and_by_the_browser_that_began(
    browser: Any, provider: ImaginedProvider
) -> None:
    begun = browser.get("/login/openid")
    answer = provider.authorise(begun.headers["location"])
    stranger = client_for(browser.app)
    assert stranger.get("/login/openid/return", params=answer).status_code == 401
    cookie = browser.cookies["outfeed-login"]
    assert browser.get("/login/openid/return", params=answer).status_code == 303
    again = client_for(browser.app, cookies={"outfeed-login": cookie})
    assert again.get("/login/openid/return", params=answer).status_code == 401


def test_new_key_of_the_provider_is_fetched(browser: Any, provider: ImaginedProvider) -> None:
    log_in(browser, provider)
    provider.key = ECKey.generate_key("P-256", {"kid": "2", "use": "sig"})
    provider.header["kid"] = "2"
    assert log_in(client_for(browser.app), provider).status_code == 303
    assert provider.requests.count("/jwks") == 2


def test_provider_that_is_down_is_one_line(browser: Any, provider: ImaginedProvider) -> None:
    provider.is_down = True
    answer = browser.get("/login/openid")
    assert answer.status_code == 503
    assert "the provider does not answer" in answer.text


def test_provider_with_another_name_is_refused(browser: Any, provider: ImaginedProvider) -> None:
    provider.issuer = "https://evil.example"
    assert "the provider calls itself" in browser.get("/login/openid").text


def test_without_a_provider_there_is_no_such_login(database: Database) -> None:
    client = client_for(make_app(database, web=ON))
    assert client.get("/login/openid").status_code == 404
    assert client.get("/login/openid/return").status_code == 404
    assert "/login/openid" not in client.get("/login").text


# A real provider: `npm install oidc-provider` in a folder that OUTFEED_OIDC_PROVIDER names.
_FOLDER = os.environ.get("OUTFEED_OIDC_PROVIDER", "")
_NODE = shutil.which("node")
_SCRIPT = Path(__file__).parents[1] / "support" / "openid_provider.mjs"


@pytest.fixture
def real_provider() -> Iterator[str]:
    if _NODE is None or not (Path(_FOLDER) / "node_modules" / "oidc-provider").is_dir():
        pytest.skip("OUTFEED_OIDC_PROVIDER names no folder with the npm package oidc-provider")
    port = free_port()
    process = subprocess.Popen(
        [_NODE, str(_SCRIPT), str(port), RETURN, _FOLDER],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert process.stdout is not None
        wait_for(lambda: process.poll() is not None or _answers(port), "the provider answers", 60)
        assert process.poll() is None
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def _answers(port: int) -> bool:
    try:
        return httpx2.get(f"http://127.0.0.1:{port}/.well-known/openid-configuration").is_success
    except httpx2.HTTPError:
        return False


@pytest.mark.parametrize(("person", "status"), [("anna", 303), ("carl", 401)])
def test_real_provider(
    database: Database, config: OpenIdConfig, real_provider: str, person: str, status: int
) -> None:
    own = config.model_copy(
        update={
            "issuer": real_provider,
            "scopes": ("openid", "profile", "groups"),
            "groups": (OpenIdGroup(group="quality", role="quality"),),
        }
    )
    browser = client_for(make_app(database, web=ON, openid=own))
    address = browser.get("/login/openid").headers["location"]
    with httpx2.Client(follow_redirects=False, timeout=120) as elsewhere:
        for _ in range(12):
            if address.startswith(RETURN):
                break
            answer = elsewhere.get(address)
            if answer.is_redirect:
                address = urljoin(address, answer.headers["location"])
                continue
            action = re.search(r'action="([^"]+)"', answer.text)
            prompt = re.search(r'name="prompt" value="(\w+)"', answer.text)
            assert action is not None, answer.text[:500]
            assert prompt is not None
            form = {"prompt": prompt[1], "login": person, "password": "any"}
            answer = elsewhere.post(urljoin(address, action[1]), data=form)
            address = urljoin(address, answer.headers["location"])
    assert address.startswith(RETURN)
    answer = browser.get("/login/openid/return", params=dict(parse_qsl(urlsplit(address).query)))
    assert answer.status_code == status, answer.text
    if status == 303:
        assert browser.get("/api/account").json()["name"] == "anna"
