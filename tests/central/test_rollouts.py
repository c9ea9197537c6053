"""Rollouts: signatures, cohorts, pauses, and what is published."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from central.access.audit import audited
from central.bundles.folder import BundleFolder
from central.bundles.uploads import record_removal
from central.rollouts.advance import advance_rollouts
from central.rollouts.changes import (
    MAX_OPEN,
    RolloutTerms,
    end_rollout,
    pause_rollout,
    pin_station,
    resume_rollout,
    set_aside,
    start_rollout,
    take_signatures,
    unpin_station,
)
from central.rollouts.progress import FAILED
from central.store.bundles import StoredBundle
from central.store.database import Database
from central.store.rollout_tables import update_reports
from central.store.rollouts import find_rollout, read_messages, read_rollouts, read_wanted
from central.store.updates import read_running
from central.store.writer import BatchWriter
from edge.errors import UsageError
from edge.updates.desired import read_desired
from edge.updates.plan import SignedRollout, add_signature, sign_plan
from tests.support.central_access import CLI
from tests.support.central_events import count, now_us
from tests.support.commands import OPERATOR, SECOND_OPERATOR
from tests.support.rollouts import (
    Reporter,
    add_stations,
    audit_texts,
    folder_of,
    plan,
    sign,
    stations_of,
    upload,
)

HOUR_US = 3_600_000_000


class World:
    """A central system with four stations and one bundle."""

    def __init__(self, database: Database, writer: BatchWriter, folder: BundleFolder) -> None:
        self.database = database
        self.writer = writer
        self.folder = folder
        self.clock_us = now_us()
        self.reporter = Reporter()
        add_stations(database, "a", "b", "c", "d")
        self.bundle = upload(database, folder)

    def change(self, step: Callable[..., None], *arguments: Any, **words: Any) -> None:
        with audited(self.database, CLI, self.clock_us) as change:
            step(change, *arguments, **words)

    def plan(self, *cohorts: tuple[str, ...], **options: Any) -> int:
        bundle = options.pop("bundle", self.bundle)
        return plan(self.database, bundle, *(cohorts or (("a",), ("b", "c"), ("d",))), **options)

    def signed(self, *cohorts: tuple[str, ...], **options: Any) -> int:
        """A rollout that is signed, a microsecond after the one before."""
        number = self.plan(*cohorts, **options)
        self.clock_us += 1
        self.change(take_signatures, number, sign(self.database, number, at_us=self.clock_us))
        return number

    def started(self, *cohorts: tuple[str, ...], **options: Any) -> int:
        number = self.signed(*cohorts, **options)
        self.change(start_rollout, number, at_once=len(cohorts) == 1)
        return number

    def tell(self, number: int, station: str, state: str, **changes: Any) -> None:
        """A station reports, and the rollouts advance."""
        desired = stations_of(self.database, number)[station].desired_id
        if state == "accepted":
            changes.setdefault("running", self.bundle.bundle_id)
        self.writer.write([self.reporter.report(station, desired, state, **changes)])
        self.advance()

    def advance(self, hours: float = 0) -> int:
        self.clock_us += round(hours * HOUR_US)
        return advance_rollouts(self.database, self.clock_us)

    def state(self, number: int) -> tuple[str, int]:
        with self.database.read() as connection:
            found = find_rollout(connection, number)
        assert found is not None
        return found.state, found.released

    def reason(self, number: int) -> str:
        with self.database.read() as connection:
            found = find_rollout(connection, number)
        assert found is not None
        return found.reason

    def states(self, number: int) -> str:
        return " ".join(each.state for each in stations_of(self.database, number).values())

    def published(self) -> dict[str, str]:
        """The desired state that is retained for each station, by its id."""
        with self.database.read() as connection:
            found = read_messages(connection, self.clock_us)
        return {name: read_desired(payload).desired_id for name, payload in found.items()}


@pytest.fixture
def world(database: Database, writer: BatchWriter, tmp_path: Path) -> World:
    return World(database, writer, folder_of(tmp_path / "bundles"))


def test_a_rollout_goes_from_cohort_to_cohort_as_stations_accept(world: World) -> None:
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
    world: World, state: str
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


def test_accepted_with_another_running_bundle_pauses(world: World) -> None:
    number = world.started()
    world.tell(number, "a", "accepted", running="other-1.0-000000000000")
    assert world.state(number) == ("paused", 1)
    assert world.reason(number) == "a: accepted, but it runs other-1.0-000000000000"


def test_a_revert_after_the_acceptance_pauses_what_still_runs(world: World) -> None:
    number = world.started()
    world.tell(number, "a", "accepted")
    world.tell(number, "a", "reverted", reason="an operator's word")
    assert world.state(number) == ("paused", 2)


def test_reports_of_others_change_nothing(world: World) -> None:
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


def test_an_older_report_that_arrives_later_changes_nothing(world: World) -> None:
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


def test_an_offline_station_holds_its_cohort_until_a_person_sets_it_aside(world: World) -> None:
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


def test_a_silent_station_is_set_aside_by_itself_after_the_planned_hours(world: World) -> None:
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


def test_a_stuck_rollout_does_not_block_the_next_one(world: World) -> None:
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


def test_statements_that_were_signed_earlier_do_not_follow_later_ones(world: World) -> None:
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


def test_a_pinned_station_is_left_out(world: World) -> None:
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


def test_a_rollout_is_paused_and_ended_by_a_person(world: World) -> None:
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


def test_one_cohort_needs_two_people(world: World) -> None:
    number = world.signed(("a", "b", "c", "d"))
    with pytest.raises(UsageError, match="is a request for two people"):
        world.change(start_rollout, number)
    world.change(start_rollout, number, at_once=True)
    assert set(world.published()) == {"a", "b", "c", "d"}


def test_two_people_release_the_rest_of_a_running_one(world: World) -> None:
    number = world.started()
    world.tell(number, "a", "accepted")
    world.change(start_rollout, number, at_once=True)
    assert world.states(number) == "accepted released released released"
    for name in ("b", "c", "d"):
        world.tell(number, name, "accepted")
    assert world.state(number) == ("done", 3)


def test_a_rollout_without_a_bundle_ends_trials(world: World) -> None:
    number = world.started(("a",), ("b",), bundle=None)
    with world.database.read() as connection:
        (payload,) = read_messages(connection, world.clock_us).values()
    assert read_desired(payload).read().bundle is None
    world.tell(number, "a", "kept")
    world.tell(number, "b", "kept")
    assert world.state(number) == ("done", 2)


def test_expired_statements_are_not_published_and_pause(world: World) -> None:
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


def _changed(signed: SignedRollout, **changes: Any) -> SignedRollout:
    """The file with the text of its first statement changed after the signature."""
    first = signed.statements[0]
    body = json.dumps({**json.loads(first.body), **changes})
    altered = first.model_copy(update={"body": body})
    return signed.model_copy(update={"statements": (altered, *signed.statements[1:])})


def test_signatures_fit_the_plan_or_are_one_line(world: World, database: Database) -> None:
    number, other = world.plan(), world.plan(("a",), ("b",))
    good = sign(database, number)
    cases = [
        (sign(database, other), f"the file is of rollout {other}, not of {number}"),
        (_changed(good, allow_downgrade=True), "'allow_downgrade' is not as in the plan"),
        (_changed(good, bundle=None), "'bundle' is not as in the plan"),
        (_changed(good, plant="Ulm"), "'plant' is not as in the plan"),
        (_changed(good, station="z"), "has station 'z', which is not in the rollout"),
        (
            good.model_copy(update={"statements": (good.statements[0], *good.statements)}),
            "has station 'a' twice",
        ),
        (
            _changed(good, expires=json.loads(good.statements[0].body)["expires"] + 1),
            "does not fit",
        ),
        (_changed(good, output=1), "the signed text is no desired state"),
        (good.model_copy(update={"statements": good.statements[:-1]}), "lacks station 'd'"),
        (sign(database, number, at_us=now_us() - 72 * HOUR_US), "has expired"),
    ]
    for signed, reason in cases:
        with pytest.raises(UsageError, match=reason) as caught:
            world.change(take_signatures, number, signed)
        assert "\n" not in str(caught.value)
        assert world.state(number) == ("planned", 0)
        with pytest.raises(UsageError, match="expected signed"):
            world.change(start_rollout, number)
    assert {each.desired_id for each in stations_of(database, number).values()} == {""}


def test_a_second_signature_replaces_the_first_file(world: World, database: Database) -> None:
    number = world.plan()
    first = sign(database, number)
    world.change(take_signatures, number, first)
    world.change(take_signatures, number, add_signature(first, SECOND_OPERATOR))
    with database.read() as connection:
        found = find_rollout(connection, number)
    assert found is not None
    assert len(found.keys.split()) == 2
    world.change(start_rollout, number)
    with pytest.raises(UsageError, match="takes no more signatures"):
        world.change(take_signatures, number, first)


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
    world: World, cohorts: Any, options: dict[str, Any], reason: str
) -> None:
    with pytest.raises(UsageError, match=reason):
        world.plan(*cohorts, **options)


def test_a_bundle_that_is_needed_is_not_removed(world: World, database: Database) -> None:
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


def test_there_is_a_limit_of_open_rollouts(world: World) -> None:
    for _ in range(MAX_OPEN):
        world.plan(("a",))
    with pytest.raises(UsageError, match=f"{MAX_OPEN} rollouts are open already"):
        world.plan(("a",))


def test_many_processes_advance_one_rollout_once(world: World, database: Database) -> None:
    import threading

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


def test_the_plan_names_plant_and_line_where_a_statement_can(world: World) -> None:
    from central.access.places import add_line, add_plant, assign_station

    with audited(world.database, CLI, now_us()) as change:
        add_plant(change, "Ulm")
        add_line(change, "Ulm", "press")
        add_line(change, "Ulm", "Linie 7 ä")
        assign_station(change, "a", "Ulm", "press")
        assign_station(change, "b", "Ulm", "Linie 7 ä")
    number = world.plan(("a",), ("b", "c"))
    with world.database.read() as connection:
        from central.rollouts.changes import unsigned_plan

        found = unsigned_plan(connection, number)
    assert [(each.station, each.plant, each.line) for each in found.stations] == [
        ("a", "Ulm", "press"),
        ("b", "Ulm", ""),
        ("c", "", ""),
    ]
    signed = sign_plan(found, OPERATOR, now_us())
    assert signed.statements[0].read().line == "press"
