"""The signed desired states of a rollout: exactly those of its plan."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from central.access.audit import audited
from central.access.places import add_line, add_plant, assign_station
from central.rollouts.changes import start_rollout
from central.rollouts.planning import unsigned_plan
from central.rollouts.signatures import take_signatures
from central.store.database import Database
from central.store.registry import Registry
from central.store.rollouts import find_rollout
from central.store.writer import BatchWriter
from edge.errors import UsageError
from edge.updates.plan import SignedRollout, add_signature, sign_plan
from tests.support.central_access import CLI, fast_database
from tests.support.central_events import PREFIX, now_us
from tests.support.commands import OPERATOR, SECOND_OPERATOR
from tests.support.rollouts import HOUR_US, RolloutWorld, folder_of, sign, stations_of


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = fast_database(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def world(database: Database, tmp_path: Path) -> RolloutWorld:
    writer = BatchWriter(database, Registry(), prefix=PREFIX)
    return RolloutWorld(database, writer, folder_of(tmp_path / "bundles"))


def _changed(signed: SignedRollout, **changes: Any) -> SignedRollout:
    """The file with the text of its first statement changed after the signature."""
    first = signed.statements[0]
    body = json.dumps({**json.loads(first.body), **changes})
    altered = first.model_copy(update={"body": body})
    return signed.model_copy(update={"statements": (altered, *signed.statements[1:])})


def test_signatures_fit_the_plan_or_are_one_line(world: RolloutWorld, database: Database) -> None:
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


def test_a_second_signature_replaces_the_first_file(
    world: RolloutWorld, database: Database
) -> None:
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


def test_the_plan_names_plant_and_line_where_a_statement_can(world: RolloutWorld) -> None:
    with audited(world.database, CLI, now_us()) as change:
        add_plant(change, "Ulm")
        add_line(change, "Ulm", "press")
        add_line(change, "Ulm", "Linie 7 ä")
        assign_station(change, "a", "Ulm", "press")
        assign_station(change, "b", "Ulm", "Linie 7 ä")
    number = world.plan(("a",), ("b", "c"))
    with world.database.read() as connection:
        found = unsigned_plan(connection, number)
    assert [(each.station, each.plant, each.line) for each in found.stations] == [
        ("a", "Ulm", "press"),
        ("b", "Ulm", ""),
        ("c", "", ""),
    ]
    signed = sign_plan(found, OPERATOR, now_us())
    assert signed.statements[0].read().line == "press"
