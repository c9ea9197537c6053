"""The login at a provider, from the first redirect to a session."""

from __future__ import annotations

from sqlalchemy import delete, select

from central.access.accounts import (
    Account,
    add_account,
    end_sessions,
    find_account,
    find_subject,
    set_grants,
)
from central.access.audit import Actor, Change, audited
from central.access.caller import Grant
from central.access.names import is_account_name
from central.access.openid import Flow, OpenIdClient, OpenIdError, Person
from central.access.permissions import Role
from central.access.places import find_place
from central.access.sessions import (
    Client,
    SessionLimits,
    close_session,
    hash_token,
    new_token,
    open_session,
)
from central.store.access_tables import openid_logins
from central.store.database import Database
from edge.errors import UsageError

VIA_OPENID = "openid"
_LOGIN_US = 600_000_000
_MAX_LOGINS = 10_000


def begin_openid(
    database: Database, client: OpenIdClient, target: str, now_us: int
) -> tuple[str, str]:
    """Return the address at the provider, and the token for the cookie of this login.

    target: the page to show afterwards. Blocks. Raises OpenIdError.
    """
    url, flow = client.begin()
    token = new_token()
    with database.write() as connection:
        connection.execute(delete(openid_logins).where(openid_logins.c.expires_us < now_us))
        count = len(connection.execute(select(openid_logins.c.hash).limit(_MAX_LOGINS)).all())
        if count >= _MAX_LOGINS:
            raise OpenIdError("openid: too many logins have begun; try again in 10 minutes")
        connection.execute(
            openid_logins.insert().values(
                hash=hash_token(token),
                state=flow.state,
                nonce=flow.nonce,
                verifier=flow.verifier,
                target=target,
                expires_us=now_us + _LOGIN_US,
            )
        )
    return url, token


def finish_openid(
    database: Database,
    client: OpenIdClient,
    login_token: str,
    answer: dict[str, str],
    browser: Client,
    *,
    now_us: int,
    limits: SessionLimits,
    old_token: str = "",
) -> tuple[str, str]:
    """Return the token of a new session, and the page to show. Blocks. Raises OpenIdError.

    The account is created at the first login. Its roles are set from the groups at every login. A
    person without a group that has a role is refused, and loses the roles of an earlier login.
    """
    with database.write() as connection:
        where = openid_logins.c.hash == hash_token(login_token)
        row = connection.execute(select(openid_logins).where(where)).first()
        connection.execute(delete(openid_logins).where(where))  # an answer is used once
    if row is None or row.expires_us < now_us:
        raise OpenIdError("openid: this login took too long, or began elsewhere; begin again")
    person = client.finish(Flow(row.state, row.nonce, row.verifier), answer)
    actor = Actor(person.name if is_account_name(person.name) else "unknown", VIA_OPENID)
    actor = Actor(actor.name, actor.via, browser.address)
    with audited(database, actor, now_us) as change:
        account, fault = _account(change, client, person)
        token = ""
        if account is None or fault:
            change.record("login.failed", person.name[:64], {"cause": fault})
        else:
            if old_token:
                close_session(change.connection, old_token)
            token = open_session(
                change.connection,
                account.account_id,
                VIA_OPENID,
                browser,
                now_us=now_us,
                limits=limits,
            )
            change.record("login", account.name)
    if not token:
        raise OpenIdError(f"openid: {fault}")
    return token, row.target


def _account(change: Change, client: OpenIdClient, person: Person) -> tuple[Account | None, str]:
    """Return the account with its present roles, and why it cannot be used; empty if it can."""
    grants = _grants(change, client, person)
    account = find_subject(change.connection, client.config.issuer, person.subject)
    if account is None:
        if not grants:
            return None, "none of your groups has a role here"
        if not is_account_name(person.name):
            return None, f"claim {client.config.name_claim!r} is no name of an account"
        if find_account(change.connection, person.name) is not None:
            return None, "another account has this name already"
        account = add_account(
            change,
            person.name,
            display=person.display,
            issuer=client.config.issuer,
            subject=person.subject,
        )
    if set(grants) != set(account.grants):
        set_grants(change, account.name, grants)
    if not grants:
        end_sessions(change.connection, account.account_id)
        return account, "none of your groups has a role here"
    return account, "this account is disabled" if account.is_disabled else ""


def _grants(change: Change, client: OpenIdClient, person: Person) -> tuple[Grant, ...]:
    found = []
    for each in client.config.groups:
        if each.group not in person.groups:
            continue
        if each.plant is None:
            found.append(Grant(Role(each.role)))
            continue
        try:
            place = find_place(change.connection, each.plant, each.line)
        except UsageError as error:
            raise OpenIdError(f"openid.groups: {each.group}: {error}") from error
        is_line = place.line_id is not None
        found.append(Grant(Role(each.role), None if is_line else place.plant_id, place.line_id))
    return tuple(dict.fromkeys(found))
