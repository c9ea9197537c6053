"""Accounts, places, the audit log and requests, on SQLite and on PostgreSQL."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest
from sqlalchemy import delete, select, text, update
from sqlalchemy.exc import DBAPIError

from central.access import accounts, places
from central.access.actions import ADMIN_ROLES, DELETE_DATA, REQUESTS, grants_as_json
from central.access.audit import (
    GENESIS,
    Actor,
    AuditError,
    audited,
    canonical,
    count_entries,
    iterate_entries,
    read_entries,
    verify,
)
from central.access.caller import Caller, Grant, Place
from central.access.passwords import PasswordRefusedError, check_new_password
from central.access.permissions import Permission, Role
from central.access.requests import EXPIRY_US
from central.access.throttle import (
    ACCOUNT_FREE,
    ADDRESS_FREE,
    FORGET_US,
    begin_attempt,
    end_attempt,
    pause_us,
)
from central.store.access_tables import audit, requests
from central.store.database import Database
from central.store.tables import parts
from edge.errors import UsageError
from tests.support.central_access import CLI, NOW_US, PASSWORD, build_plant

SECOND = 1_000_000


def record(database: Database, count: int) -> None:
    for number in range(count):
        with audited(database, CLI, NOW_US + number) as change:
            change.record("test.done", f"object {number}", {"number": number})


def test_chain_begins_at_genesis_and_verifies(database: Database) -> None:
    record(database, 3)
    with database.read() as connection:
        entries = list(iterate_entries(connection))
        assert [each.sequence for each in entries] == [1, 2, 3]
        assert entries[0].previous == GENESIS
        assert entries[1].previous == entries[0].hash == entries[0].computed()
        assert verify(connection) == entries[-1]
        assert verify(connection, (2, entries[1].hash)) == entries[-1]
        assert [each.sequence for each in read_entries(connection, before=3, limit=1)] == [2]


def test_database_refuses_changes_of_the_log(database: Database) -> None:
    record(database, 2)
    statements = [update(audit).values(who="x"), delete(audit)]
    if database.is_postgresql:
        statements.append(text("TRUNCATE audit"))
    for statement in statements:
        with (
            pytest.raises(DBAPIError, match="append-only"),
            database.write() as connection,
        ):
            connection.execute(statement)
    with database.read() as connection:
        assert verify(connection) is not None


@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        ("UPDATE audit SET who = 'x' WHERE sequence = 2", "row 2 was changed"),
        ("UPDATE audit SET at_us = at_us + 1 WHERE sequence = 3", "row 3 was changed"),
        ("DELETE FROM audit WHERE sequence = 2", "row 2 is missing"),
        ("DELETE FROM audit WHERE sequence = 3", "row 3 is missing"),
        ("UPDATE audit SET hash = 'f' WHERE sequence = 1", "row 1 was changed"),
    ],
)
def test_verification_finds_what_an_owner_of_the_database_does(
    database: Database, statement: str, fault: str
) -> None:
    record(database, 3)
    with database.read() as connection:
        last = verify(connection)
    assert last is not None
    with database.write() as connection:
        if database.is_postgresql:
            connection.execute(text("ALTER TABLE audit DISABLE TRIGGER ALL"))
        else:
            connection.execute(text("DROP TRIGGER audit_no_update"))
            connection.execute(text("DROP TRIGGER audit_no_delete"))
        connection.execute(text(statement))
    with database.read() as connection, pytest.raises(AuditError, match=fault):
        verify(connection, (last.sequence, last.hash))


def test_change_without_a_record_is_rolled_back(database: Database) -> None:
    with (
        pytest.raises(RuntimeError, match="not recorded"),
        audited(database, CLI, NOW_US) as change,
    ):
        change.connection.execute(places.plants.insert().values(name="Ulm"))
    with database.read() as connection:
        assert places.read_plants(connection) == ()


def test_failure_leaves_neither_change_nor_record(database: Database) -> None:
    def create() -> None:
        with audited(database, CLI, NOW_US) as change:
            places.add_plant(change, "Ulm")
            places.add_line(change, "Graz", "saw")

    with pytest.raises(UsageError, match="no plant 'Graz'"):
        create()
    with database.read() as connection:
        assert places.read_plants(connection) == ()
        assert count_entries(connection) == 0


def test_writers_at_the_same_time_keep_the_chain(database: Database) -> None:
    threads = [threading.Thread(target=record, args=(database, 5)) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    with database.read() as connection:
        assert verify(connection) is not None
        assert count_entries(connection) == 20


def test_hostile_text_is_stored_and_verifies(database: Database) -> None:
    with audited(database, Actor("\x00<script>\ud800", "x" * 5000), NOW_US) as change:
        change.record("test.done", "é\x00" * 3000, {"key": "\ud83d"})
    with database.read() as connection:
        (entry,) = read_entries(connection)
        assert verify(connection) == entry
        assert len(entry.object) <= 2001


def test_canonical_form() -> None:
    assert canonical({"b": 1, "a": [None, "é"]}) == '{"a":[null,"é"],"b":1}'


def test_account_from_creation_to_disabling(database: Database) -> None:
    with audited(database, CLI, NOW_US) as change:
        accounts.add_account(change, "M.Weber", password=PASSWORD, display="Maria\x07 Weber")
        accounts.set_grants(change, "m.weber", [Grant(Role.ADMIN), Grant(Role.ADMIN)])
        accounts.set_disabled(change, "m.weber", True)
    with database.read() as connection:
        found = accounts.get_account(connection, "M.WEBER")
        assert (found.name, found.display) == ("m.weber", "Maria Weber")
        assert found.grants == (Grant(Role.ADMIN),)
        assert found.is_disabled
        assert accounts.count_admins(connection) == 0
        actions = [each.action for each in iterate_entries(connection)]
        assert actions == ["account.created", "account.roles", "account.disabled"]
        assert PASSWORD not in str(list(iterate_entries(connection)))


@pytest.mark.parametrize("name", ["", "a b", "-x", "a/b", "é", "x" * 65, "a\n"])
def test_account_name_is_refused(database: Database, name: str) -> None:
    with (
        pytest.raises(UsageError, match="name of an account"),
        audited(database, CLI, NOW_US) as change,
    ):
        accounts.add_account(change, name)


@pytest.mark.parametrize(
    "password",
    [
        "short",
        "x" * 11,
        "password1234",
        "PASSWORD1234",
        "aaaaaaaaaaaaaa",
        "abcabcabcabc",
        "administrator1",
        "m.weber12345",
        "x" * 257,
    ],
)
def test_password_is_refused(password: str) -> None:
    with pytest.raises(PasswordRefusedError):
        check_new_password(password, "m.weber")


@pytest.mark.parametrize("password", [PASSWORD, "zwölf Zeichen", "🔑 and a sentence"])
def test_password_without_digits_or_signs_is_accepted(password: str) -> None:
    check_new_password(password, "m.weber")


def test_places_of_stations(database: Database) -> None:
    build_plant(database)
    with database.read() as connection:
        found = places.read_places(connection)
        ulm, graz = (places.find_place(connection, name, None).plant_id for name in ("Ulm", "Graz"))
        assert {name: place.plant_id for name, place in found.items()} == {
            "alpha": ulm, "beta": ulm, "gamma": graz,
        }  # fmt: skip
        assert places.read_unassigned(connection) == ("delta",)
    with audited(database, CLI, NOW_US) as change:
        places.assign_station(change, "alpha", "Graz", "saw")
        places.assign_station(change, "beta", None, None)
        places.remove_line(change, "Ulm", "paint")
        with pytest.raises(UsageError, match="scope of a role"):
            places.remove_line(change, "Ulm", "press")
    with database.read() as connection:
        assert places.read_unassigned(connection) == ("beta", "delta")
        assert places.read_places(connection)["alpha"].plant_id == graz


def test_scope_of_a_grant() -> None:
    at = {"a": Place(1, 1), "b": Place(1, 2), "c": Place(2, 3)}
    line = Caller("x", (Grant(Role.QUALITY, line_id=2),), places=at)
    assert line.stations(Permission.SEE_PARTS) == {"b"}
    assert not line.may_at(Permission.SEE_PARTS, "unknown")
    both = Caller("x", (Grant(Role.QUALITY, plant_id=1), Grant(Role.PRODUCTION)), places=at)
    assert both.stations(Permission.SEE_PARTS) is None
    assert both.stations(Permission.EDIT_GUIDANCE) == {"a", "b"}
    assert both.stations(Permission.SEE_AUDIT) == frozenset()


def caller_of(database: Database, name: str) -> Caller:
    with database.read() as connection:
        account = accounts.get_account(connection, name)
    return Caller(name, account.grants, "password", account.account_id)


@pytest.fixture
def admins(database: Database) -> tuple[Caller, Caller]:
    build_plant(database)
    with audited(database, CLI, NOW_US) as change:
        for name in ("anna", "bert"):
            accounts.add_account(change, name)
            accounts.set_grants(change, name, [Grant(Role.ADMIN)])
    return caller_of(database, "anna"), caller_of(database, "bert")


def ask(database: Database, caller: Caller, roles: tuple[Grant, ...] = (Grant(Role.ADMIN),)) -> int:
    with audited(database, CLI, NOW_US) as change:
        detail = {"roles": grants_as_json(roles)}
        return REQUESTS.ask(change, caller, ADMIN_ROLES.name, "nobody", detail, "new colleague")


def approve(database: Database, caller: Caller, number: int, now_us: int = NOW_US) -> None:
    with audited(database, CLI, now_us) as change:
        REQUESTS.approve(change, caller, number)


def test_second_person_approves(database: Database, admins: tuple[Caller, Caller]) -> None:
    number = ask(database, admins[0])
    assert caller_of(database, "nobody").grants == ()
    approve(database, admins[1], number)
    assert caller_of(database, "nobody").grants == (Grant(Role.ADMIN),)
    with database.read() as connection:
        actions = [each.action for each in read_entries(connection, limit=3)]
        (request,) = REQUESTS.read(connection, admins[0], NOW_US)
    assert actions == ["account.roles", "request.approved", "request.created"]
    assert (request.state, request.asked_by, request.decided_by) == ("done", "anna", "bert")
    with pytest.raises(UsageError, match="done already"):
        approve(database, admins[1], number)


def test_approval_is_refused(database: Database, admins: tuple[Caller, Caller]) -> None:
    anna, bert = admins
    number = ask(database, anna)
    with pytest.raises(UsageError, match="another person"):
        approve(database, anna, number)
    with pytest.raises(UsageError, match="permission manage-accounts"):
        approve(database, caller_of(database, "quality-everywhere"), number)
    with pytest.raises(UsageError, match="permission manage-accounts"):
        approve(database, caller_of(database, "admin-plant"), number)
    with pytest.raises(UsageError, match="has expired"):
        approve(database, bert, number, NOW_US + EXPIRY_US)
    with pytest.raises(UsageError, match="not an API token"):
        approve(database, replace(bert, via="token"), number)
    with pytest.raises(UsageError, match="no request 99"):
        approve(database, bert, 99)
    with audited(database, CLI, NOW_US) as change:
        accounts.set_grants(change, "anna", [])
    with pytest.raises(UsageError, match="no longer the permission"):
        approve(database, bert, number)
    assert caller_of(database, "nobody").grants == ()


def test_request_is_refused_and_withdrawn(
    database: Database, admins: tuple[Caller, Caller]
) -> None:
    for decider, state in ((admins[1], "refused"), (admins[0], "withdrawn")):
        number = ask(database, admins[0])
        with pytest.raises(UsageError, match="open already"):
            ask(database, admins[0])
        with audited(database, CLI, NOW_US) as change:
            REQUESTS.refuse(change, decider, number)
        with database.read() as connection:
            statement = select(requests.c.state).where(requests.c.id == number)
            assert connection.execute(statement).scalar() == state


def test_last_admin_keeps_the_role(database: Database, admins: tuple[Caller, Caller]) -> None:
    anna, bert = admins
    with audited(database, CLI, NOW_US) as change:
        for name in ("admin-everywhere", "admin-plant", "admin-line"):
            accounts.set_grants(change, name, [])
        number = REQUESTS.ask(change, anna, "account.roles", "bert", {"roles": []}, "leaves")
        other = REQUESTS.ask(change, anna, "account.disable", "anna", {}, "leaves too")
    # The first person takes the own role back after the request of the second is approved.
    with audited(database, CLI, NOW_US) as change:
        accounts.add_account(change, "carl")
        accounts.set_grants(change, "carl", [Grant(Role.ADMIN)])
    approve(database, caller_of(database, "carl"), number)
    with audited(database, CLI, NOW_US) as change:
        accounts.set_disabled(change, "carl", True)
    with pytest.raises(UsageError, match="last admin"):
        approve(database, bert, other)
    assert caller_of(database, "anna").grants == (Grant(Role.ADMIN),)


def test_deletion_removes_the_rows_of_one_station(
    database: Database, admins: tuple[Caller, Caller]
) -> None:
    detail = {"before_us": 1}
    with audited(database, CLI, NOW_US) as change:
        number = REQUESTS.ask(change, admins[0], DELETE_DATA.name, "alpha", detail, "test data")
    approve(database, admins[1], number)
    with database.read() as connection:
        left = connection.execute(select(parts.c.station_id).order_by(parts.c.station_id))
        assert list(left.scalars()) == [2, 3, 4]
        entry = read_entries(connection, limit=1)[0]
    assert entry.action == "data.deleted"
    assert '"parts":1' in entry.detail


def test_pause_grows_to_its_limit() -> None:
    pauses = [pause_us(n, 3, 10 * SECOND) // SECOND for n in range(9)]
    assert pauses == [0, 0, 0, 1, 2, 4, 8, 10, 10]


def attempt(database: Database, name: str, address: str, now_us: int = NOW_US) -> int:
    with database.write() as connection:
        return begin_attempt(connection, name, address, now_us)


def test_attempts_of_an_account_are_limited_from_all_addresses(database: Database) -> None:
    waits = [attempt(database, "anna", f"192.0.2.{n}") for n in range(ACCOUNT_FREE + 1)]
    assert waits == [0] * ACCOUNT_FREE + [SECOND]
    assert attempt(database, "bert", "192.0.2.1") == 0
    assert attempt(database, "anna", "192.0.2.99", NOW_US + SECOND) == 0
    # A clock that was set back by a year.
    assert attempt(database, "anna", "192.0.2.1", NOW_US - 365 * FORGET_US) == 0


def test_attempts_of_an_address_are_limited_for_all_accounts(database: Database) -> None:
    waits = [attempt(database, f"name{n}", "2001:db8::1") for n in range(ADDRESS_FREE)]
    assert waits == [0] * ADDRESS_FREE
    assert attempt(database, "other", "2001:db8::ffff") == SECOND  # the same network
    assert attempt(database, "other", "2001:db8:0:1::1") == 0


def test_success_and_time_forget_failures(database: Database) -> None:
    for _ in range(ACCOUNT_FREE):
        attempt(database, "anna", "192.0.2.1")
    assert attempt(database, "anna", "192.0.2.1") > 0
    with database.write() as connection:
        end_attempt(connection, "anna", "192.0.2.1")
    assert attempt(database, "anna", "192.0.2.1") == 0
    for _ in range(ACCOUNT_FREE):
        attempt(database, "bert", "192.0.2.2")
    later = NOW_US + FORGET_US + 1
    assert [attempt(database, "bert", "192.0.2.2", later) for _ in range(ACCOUNT_FREE)] == [
        0
    ] * ACCOUNT_FREE


def test_attempts_at_the_same_time_are_all_counted(database: Database) -> None:
    found: list[int] = []
    threads = [
        threading.Thread(target=lambda: found.append(attempt(database, "anna", "192.0.2.1")))
        for _ in range(8)
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(found)[:ACCOUNT_FREE] == [0] * ACCOUNT_FREE
    assert sum(each > 0 for each in found) == 8 - ACCOUNT_FREE
