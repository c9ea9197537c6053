"""Rollouts: signatures, cohorts, pauses, and what is published.

One file, because all tests use the same plant with its stations and signed plan.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.postgresql import PostgresqlServer
from central.bundles.uploads import record_removal
from central.rollouts.advance import advance_rollouts
from central.rollouts.changes import (
    end_rollout,
    pause_rollout,
    pin_station,
    resume_rollout,
    set_aside,
    start_rollout,
    unpin_station,
)
from central.rollouts.planning import MAX_OPEN, RolloutTerms
from central.rollouts.progress import FAILED
from central.rollouts.signatures import take_signatures
from central.store.bundles import StoredBundle
from central.store.database import Database
from central.store.registry import Registry
from central.store.rollout_tables import update_reports
from central.store.rollouts import read_messages, read_rollouts, read_wanted
from central.store.schema import migrate
from central.store.updates import read_running
from central.store.writer import BatchWriter
from edge.errors import UsageError
from edge.updates.desired import read_desired
from tests.support.central_access import fast_database
from tests.support.central_events import PREFIX, count
from tests.support.rollouts import (
    RolloutWorld,
    audit_texts,
    folder_of,
    sign,
    stations_of,
    upload,
)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database of each kind. One test below uses PostgreSQL in any case."""
    if request.param == "sqlite":
        opened = fast_database(tmp_path)
    else:
        server: PostgresqlServer = request.getfixturevalue("postgresql")
        opened = Database(server.database())
        migrate(opened)
    yield opened
    opened.close()


@pytest.fixture
def writer(database: Database) -> BatchWriter:
    return BatchWriter(database, Registry(), prefix=PREFIX)


@pytest.fixture
def world(database: Database, writer: BatchWriter, tmp_path: Path) -> RolloutWorld:
    return RolloutWorld(database, writer, folder_of(tmp_path / "bundles"))


def test_a_rollout_goes_from_cohort_to_cohort_as_stations_accept(world: RolloutWorld) -> None:
    number = world.plan()
    assert world.state(number) == ("planned", 0)
    signed = sign(world.database, number)
    world.change(take_signatures, number, signed)
    assert world.published() == {}  # signed, and not released
    world.change(start_rollout, number)
    assert world.states(number) == "released waiting waiting waiting"
    assert set(world.published()) == {"a"}
    for state in ("wanted", "downloading", "checking", "shadow", "probation"):
        world.tell(number, "a", state)
        assert world.states(number).startswith(state)
        assert world.state(number) == ("running", 1)
    world.tell(number, "a", "accepted")
    assert world.state(number) == ("running", 2)
    assert set(world.published()) == {"a", "b", "c"}
    world.tell(number, "c", "accepted")
    assert world.state(number) == ("running", 2)  # b is missing
    world.tell(number, "b", "accepted")
    assert world.states(number) == "accepted accepted accepted released"
    world.tell(number, "d", "accepted")
    assert world.state(number) == ("done", 3)
    assert set(world.published()) == {"a", "b", "c", "d"}  # for a station that loses its memory
    assert [each[0] for each in audit_texts(world.database, "rollout.")] == [
        *("rollout.planned", "rollout.signed", "rollout.started", "rollout.released"),
        *("rollout.released", "rollout.released", "rollout.done"),
    ]
    with world.database.read() as connection:
        (listed,) = read_rollouts(connection)
        wanted = read_wanted(connection)
        assert set(read_running(connection).values()) == {world.bundle.bundle_id}
    assert listed.counts == {"accepted": 4}
    assert {each.bundle_id for each in wanted.values()} == {world.bundle.bundle_id}
    assert world.advance() == 0


@pytest.mark.parametrize("state", ["reverted", "refused"])
def test_the_first_failure_pauses_and_a_person_resumes_without_the_station(
    world: RolloutWorld, state: str
) -> None:
    number = world.started()
    world.tell(number, "a", "accepted")
    world.tell(number, "b", state, reason="too many rejects")
    assert world.state(number) == ("paused", 2)
    assert world.reason(number) == f"b: {state}: too many rejects"
    world.tell(number, "c", "accepted")
    assert world.state(number) == ("paused", 2)  # nothing is released meanwhile
    with pytest.raises(UsageError, match="reason: expected 1 to 500 characters"):
        world.change(resume_rollout, number, " ")
    world.change(resume_rollout, number, "b has a broken lamp")
    world.advance()
    assert world.state(number) == ("running", 3)
    assert audit_texts(world.database, "rollout.resumed")[0][1]["without"] == ["b"]
    world.tell(number, "d", "accepted")
    assert world.state(number) == ("done", 3)
    # It catches up later, and the page shows it.
    world.tell(number, "b", "accepted")
    assert world.states(number) == "accepted accepted accepted accepted"


def test_accepted_with_another_running_bundle_pauses(world: RolloutWorld) -> None:
    number = world.started()
    world.tell(number, "a", "accepted", running="other-1.0-000000000000")
    assert world.state(number) == ("paused", 1)
    assert world.reason(number) == "a: accepted, but it runs other-1.0-000000000000"


def test_a_revert_after_the_acceptance_pauses_what_still_runs(world: RolloutWorld) -> None:
    number = world.started()
    world.tell(number, "a", "accepted")
    world.tell(number, "a", "reverted", reason="an operator's word")
    assert world.state(number) == ("paused", 2)


def test_reports_of_others_change_nothing(world: RolloutWorld) -> None:
    number = world.started()
    desired = stations_of(world.database, number)["a"].desired_id
    running = world.bundle.bundle_id
    make = world.reporter.report
    world.writer.write(
        [
            make("b", desired, "accepted", running=running),  # of another station
            make("a", "0" * 32, "accepted", running=running),  # about another desired state
            make("a", "1" * 32, "refused", reason="no operator signed it"),
        ]
    )
    assert world.advance() == 0
    assert world.states(number) == "released waiting waiting waiting"


def test_an_older_report_that_arrives_later_changes_nothing(world: RolloutWorld) -> None:
    number = world.started()
    desired = stations_of(world.database, number)["a"].desired_id
    old = world.reporter.report("a", desired, "shadow")
    new = world.reporter.report("a", desired, "accepted", running=world.bundle.bundle_id)
    world.writer.write([new])
    world.advance()
    world.writer.write([old])
    world.writer.write([new, new])  # repeats
    world.advance()
    assert world.states(number).startswith("accepted")
    assert count(world.database, update_reports) == 2


def test_an_offline_station_holds_its_cohort_until_it_is_set_aside(
    world: RolloutWorld,
) -> None:
    number = world.started()
    world.tell(number, "a", "accepted")
    world.tell(number, "b", "accepted")
    world.advance(hours=40)
    assert world.state(number) == ("running", 2)
    with pytest.raises(UsageError, match="has no station 'x'"):
        world.change(set_aside, number, "x", "off")
    world.change(set_aside, number, "c", "the line is off for the winter")
    world.advance()
    assert world.state(number) == ("running", 3)
    world.tell(number, "d", "accepted")
    assert world.state(number) == ("done", 3)
    # Still published: it catches up when it returns.
    assert "c" in world.published()
    world.tell(number, "c", "accepted")
    assert world.states(number) == "accepted accepted accepted accepted"


def test_a_silent_station_is_set_aside_after_the_planned_hours(
    world: RolloutWorld,
) -> None:
    number = world.started(("a",), ("b", "c"), ("d",), aside_hours=8)
    world.advance(hours=9)
    # The canary is the proof: without it nothing goes on.
    assert world.state(number) == ("paused", 1)
    assert "no station has accepted the bundle" in world.reason(number)
    other = world.started(("a",), ("b", "c"), ("d",), aside_hours=8)
    world.tell(other, "a", "accepted")
    world.tell(other, "b", "accepted")
    world.advance(hours=7)
    assert world.state(other) == ("running", 2)
    world.advance(hours=2)
    assert world.state(other) == ("running", 3)
    assert stations_of(world.database, other)["c"].is_aside
    detail = {"stations": ["c"], "hours": 8}
    assert ("rollout.set_aside", detail) in audit_texts(world.database, "rollout.")


def test_a_stuck_rollout_does_not_block_the_next_one(world: RolloutWorld) -> None:
    """The newer one takes over what the older one has not released, and replaces what it has."""
    old = world.started()
    world.tell(old, "a", "accepted")  # b and c are released, d waits; b never answers
    world.tell(old, "c", "shadow")
    newer = upload(world.database, world.folder, "2.0")
    new = world.started(("a",), ("b", "c", "d"), bundle=newer)
    assert world.states(old) == "accepted released shadow replaced"
    desired = stations_of(world.database, new)
    assert world.published()["a"] == desired["a"].desired_id
    assert world.published()["b"] != desired["b"].desired_id
    world.tell(new, "a", "accepted", running=newer.bundle_id)
    assert world.published() == {name: one.desired_id for name, one in desired.items()}
    assert world.states(old) == "accepted replaced replaced replaced"
    world.advance()
    assert world.state(old) == ("running", 3) or world.state(old) == ("done", 3)
    # A late report about the old one is stored, and changes nothing.
    world.tell(old, "c", "superseded")
    assert world.states(old) == "accepted replaced replaced replaced"
    world.tell(new, "b", "accepted", running=newer.bundle_id)
    world.tell(new, "c", "accepted", running=newer.bundle_id)
    world.tell(new, "d", "accepted", running=newer.bundle_id)
    assert world.state(new) == ("done", 2)


def test_statements_that_were_signed_earlier_do_not_follow_later_ones(world: RolloutWorld) -> None:
    first = world.signed()
    second = world.signed(("a",), ("b",))
    world.change(start_rollout, second)
    with pytest.raises(UsageError, match="a has a desired state that was signed later"):
        world.change(start_rollout, first)
    # The same plan, signed again, is right.
    world.clock_us += 1
    world.change(take_signatures, first, sign(world.database, first, at_us=world.clock_us))
    world.change(start_rollout, first)
    assert world.states(second) == "replaced replaced"


def test_a_pinned_station_is_left_out(world: RolloutWorld) -> None:
    world.change(pin_station, "b", "it is measured this week")
    number = world.started()
    world.tell(number, "a", "accepted")
    assert world.states(number) == "accepted pinned released waiting"
    assert set(world.published()) == {"a", "c"}
    world.tell(number, "c", "accepted")
    assert world.state(number) == ("running", 3)
    world.change(unpin_station, "b")
    with pytest.raises(UsageError, match="is not pinned"):
        world.change(unpin_station, "b")
    with pytest.raises(UsageError, match="'x': there is no station"):
        world.change(pin_station, "x", "?")


def test_a_rollout_is_paused_and_ended_by_a_person(world: RolloutWorld) -> None:
    number = world.started()
    world.change(pause_rollout, number, "the night shift watches")
    world.tell(number, "a", "accepted")
    assert world.state(number) == ("paused", 1)
    world.change(resume_rollout, number, "they have watched")
    world.advance()
    assert world.state(number) == ("running", 2)
    assert set(world.published()) == {"a", "b", "c"}
    world.change(end_rollout, number, "another one comes")
    assert world.state(number) == ("ended", 2)
    assert set(world.published()) == {"a"}  # what was accepted stays
    assert world.advance() == 0
    for step, reason in (
        (pause_rollout, "only a running one can be paused"),
        (resume_rollout, "only a paused one can be resumed"),
        (end_rollout, "is ended already"),
    ):
        with pytest.raises(UsageError, match=reason):
            world.change(step, number, "why")
    with pytest.raises(UsageError, match="expected running or paused"):
        world.change(set_aside, number, "b", "why")
    with pytest.raises(UsageError, match="there is no rollout 99"):
        world.change(end_rollout, 99, "why")


def test_one_cohort_needs_two_people(world: RolloutWorld) -> None:
    number = world.signed(("a", "b", "c", "d"))
    with pytest.raises(UsageError, match="is a request for two people"):
        world.change(start_rollout, number)
    world.change(start_rollout, number, at_once=True)
    assert set(world.published()) == {"a", "b", "c", "d"}


def test_two_people_release_the_rest_of_a_running_one(world: RolloutWorld) -> None:
    number = world.started()
    world.tell(number, "a", "accepted")
    world.change(start_rollout, number, at_once=True)
    assert world.states(number) == "accepted released released released"
    for name in ("b", "c", "d"):
        world.tell(number, name, "accepted")
    assert world.state(number) == ("done", 3)


def test_a_rollout_without_a_bundle_ends_trials(world: RolloutWorld) -> None:
    number = world.started(("a",), ("b",), bundle=None)
    with world.database.read() as connection:
        (payload,) = read_messages(connection, world.clock_us).values()
    assert read_desired(payload).read().bundle is None
    world.tell(number, "a", "kept")
    world.tell(number, "b", "kept")
    assert world.state(number) == ("done", 2)


def test_expired_statements_are_not_published_and_pause(world: RolloutWorld) -> None:
    number = world.started()  # valid for two days
    world.advance(hours=49)
    assert world.published() == {}
    assert world.states(number) == "expired waiting waiting waiting"
    assert world.state(number) == ("paused", 1)
    assert world.reason(number) == "a: expired: the station reported nothing in time"
    # It was only the report that was late. The next cohort has expired too.
    world.tell(number, "a", "accepted")
    world.change(resume_rollout, number, "it has it")
    world.advance()
    assert world.states(number) == "accepted expired expired waiting"
    world.advance()
    assert world.state(number) == ("paused", 2)
    assert "expired" in FAILED


@pytest.mark.parametrize(
    ("cohorts", "options", "reason"),
    [
        ((("a",), ()), {}, "cohorts: each needs at least one station"),
        ((("a",), ("a",)), {}, "cohorts: a station is named twice"),
        ((("x",),), {}, "'x': there is no station with this name"),
        (tuple((f"s{n}",) for n in range(21)), {}, "cohorts: expected at most 20"),
        ((("a",),), {"terms": RolloutTerms(days=90)}, "key 'days'"),
        ((("a",),), {"terms": RolloutTerms(shadow_parts=0)}, "key 'shadow.parts'"),
        ((("a",),), {"aside_hours": -1}, "aside_hours: expected 0 to 2160"),
    ],
)
def test_a_wrong_plan_is_one_line(
    world: RolloutWorld, cohorts: Any, options: dict[str, Any], reason: str
) -> None:
    with pytest.raises(UsageError, match=reason):
        world.plan(*cohorts, **options)


def test_a_bundle_that_is_needed_is_not_removed(world: RolloutWorld, database: Database) -> None:
    number = world.started(("a",), ("b",))
    with pytest.raises(UsageError, match="is part of a rollout"):
        world.change(record_removal, world.bundle.number)
    world.change(end_rollout, number, "why")
    world.change(record_removal, world.bundle.number)
    with pytest.raises(UsageError, match="was removed already"):
        world.change(record_removal, world.bundle.number)
    with pytest.raises(UsageError, match=r"bundle \d+ was removed"):
        world.plan(("a",))
    with pytest.raises(UsageError, match="there is no bundle 99"):
        world.plan(("a",), bundle=StoredBundle(99, "", "", "", "", 0, "", (), "", 0))
    # The same file may be uploaded again, and has its number again.
    assert upload(database, world.folder).number == world.bundle.number


def test_there_is_a_limit_of_open_rollouts(world: RolloutWorld) -> None:
    for _ in range(MAX_OPEN):
        world.plan(("a",))
    with pytest.raises(UsageError, match=f"{MAX_OPEN} rollouts are open already"):
        world.plan(("a",))


def test_many_processes_advance_one_rollout_once_on_postgresql(
    postgresql: PostgresqlServer, tmp_path: Path
) -> None:
    database = Database(postgresql.database())
    migrate(database)
    writer = BatchWriter(database, Registry(), prefix=PREFIX)
    world = RolloutWorld(database, writer, folder_of(tmp_path / "bundles"))
    try:
        _advance_by_many(world, database)
        world.tell(2, "b", "accepted")
        world.tell(2, "c", "reverted", reason="drift")
        assert world.state(2) == ("paused", 2)
    finally:
        database.close()


def test_many_processes_advance_one_rollout_once(world: RolloutWorld, database: Database) -> None:
    _advance_by_many(world, database)


def _advance_by_many(world: RolloutWorld, database: Database) -> None:
    world.plan(("a",))
    number = world.started()
    desired = stations_of(database, number)["a"].desired_id
    report = world.reporter.report("a", desired, "accepted", running=world.bundle.bundle_id)
    world.writer.write([report])
    errors: list[BaseException] = []

    def run() -> None:
        try:
            advance_rollouts(database, world.clock_us)
        except BaseException as error:  # noqa: BLE001 - shown by the test
            errors.append(error)

    threads = [threading.Thread(target=run) for _ in range(6)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert errors == []
    assert world.state(number) == ("running", 2)
    released = audit_texts(database, "rollout.released")
    assert [each[1]["cohort"] for each in released] == [1, 2]
