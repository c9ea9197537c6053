"""Alarms of lines and plants: the rates of all their stations, who sees them, and mutes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from bench.central_plant import HOUR_US, fill_plant
from central.access.audit import Actor, audited
from central.access.places import add_line, add_plant, assign_station
from central.alarms.delivery import make_mail
from central.alarms.evaluation import evaluate
from central.alarms.outbox import OutboxMessage
from central.alarms.place_rules import PlaceFacts, gather_places, place_conditions
from central.alarms.records import (
    Mute,
    add_mute,
    read_alarms,
    read_mutes,
    save_alarm,
    write_value,
)
from central.alarms.rules import DEFAULTS, CentralFacts
from central.alarms.states import AlarmRecord
from central.config.alarms import AlarmsConfig
from central.store.database import Database
from central.store.judgements import JudgementError
from central.store.plant_tables import outbox
from central.store.queries import PartCounts
from central.store.tables import rollups
from tests.support.central_access import (
    NOW_US,
    app_of,
    build_plant,
    fast_database,
    log_in_as,
)

NOW = 1_800_000_000_000_000
SECOND = 1_000_000


def parts(inspected: int, rejected: int = 0, unknown: int = 0) -> PartCounts:
    return PartCounts(inspected, inspected - rejected - unknown, rejected, unknown)


@pytest.mark.parametrize(
    ("place", "recent", "expected"),
    [
        ("Ulm/press", parts(2000, 300), [("line-reject-rate", True)]),
        ("Ulm", parts(2000, 300), [("plant-reject-rate", True)]),
        ("Ulm", parts(2000, 0, 60), [("plant-unknown-rate", True)]),
        ("Ulm/press", parts(2000, 180), [("line-reject-rate", False)]),
        ("Ulm/press", parts(2000, 100, 5), []),
        ("Ulm/press", parts(0), []),
    ],
)
def test_rates_of_a_place(place: str, recent: PartCounts, expected: list[tuple[str, bool]]) -> None:
    found = place_conditions(PlaceFacts(place, 2, recent), DEFAULTS)
    assert [(each.rule, each.is_present) for each in found] == expected
    assert {(each.station_id, each.subject) for each in found} <= {(0, place)}


@pytest.mark.parametrize("name", ["line.reject", "line.unknown", "plant.reject", "plant.unknown"])
def test_each_place_has_limits_of_its_own(name: str) -> None:
    kind, _, what = name.partition(".")
    facts = PlaceFacts("Ulm/press" if kind == "line" else "Ulm", 2, parts(5000, 600, 600))
    values = {**DEFAULTS, name: 90}
    rules = [each.rule for each in place_conditions(facts, values)]
    assert rules == [
        each
        for each in (f"{kind}-reject-rate", f"{kind}-unknown-rate")
        if each != f"{kind}-{what}-rate"
    ]


def test_a_place_with_one_station_has_no_alarm_of_its_own() -> None:
    assert place_conditions(PlaceFacts("Ulm", 1, parts(1000, 900)), DEFAULTS) == ()


def test_a_place_adds_up_its_stations() -> None:
    places = {"Ulm": frozenset({"a", "b", "new"}), "Ulm/press": frozenset({"a"})}
    recent = {"a": parts(100, 5, 1), "b": parts(50, 10), "c": parts(7, 7)}
    assert gather_places(places, recent) == (
        PlaceFacts("Ulm", 2, parts(150, 15, 1)),
        PlaceFacts("Ulm/press", 1, parts(100, 5, 1)),
    )


@pytest.fixture
def plant(database: Database) -> Database:
    """Two presses of one line that reject a fifth, and a saw of another line that rejects none."""
    fill_plant(database, NOW, names=("press-1", "press-2", "saw-1"), hours=2, per_minute=10)
    with database.write() as connection:
        connection.execute(update(rollups).values(rejected=2, passed=8, unknown=0, inspected=10))
        connection.execute(update(rollups).values(rejected=0).where(rollups.c.station_id == 3))
        write_value(connection, "reject.limit", 90, "ada", NOW)
    with audited(database, Actor("tester", "command line"), 1) as change:
        add_plant(change, "Ulm")
        for line, names in (("press", ("press-1", "press-2")), ("saw", ("saw-1",))):
            add_line(change, "Ulm", line)
            for name in names:
                assign_station(change, name, "Ulm", line)
    return database


def run(database: Database, second: int) -> dict[str, int]:
    return dict(evaluate(database, CentralFacts(), ("webhook",), NOW + second * SECOND))


def rates(database: Database, **options: Any) -> list[tuple[str, str]]:
    with database.read() as connection:
        found = read_alarms(connection, **options)
    return sorted((each.alarm.rule, each.place) for each in found if each.place)


def sent(database: Database) -> list[tuple[str, str, str]]:
    with database.read() as connection:
        rows = [json.loads(each) for each in connection.execute(select(outbox.c.payload)).scalars()]
    return sorted((row["rule"], row["change"], row["place"]) for row in rows if row["place"])


def test_a_line_and_its_plant_have_an_alarm_and_escalate(plant: Database) -> None:
    run(plant, 0)
    run(plant, 30)
    both = [("line-reject-rate", "Ulm/press"), ("plant-reject-rate", "Ulm")]
    assert rates(plant) == both
    assert rates(plant, names=frozenset({"press-1", "press-2"})) == both[:1]
    assert rates(plant, names=frozenset({"press-1"})) == []
    assert rates(plant, names=frozenset({"press-1", "press-2", "saw-1"})) == both
    with plant.write() as connection:
        write_value(connection, "alarm.escalate", 1, "ada", NOW)
    run(plant, 30 + 60)
    assert [each[1] for each in sent(plant)] == ["escalated", "firing"] * 2
    with plant.read() as connection:
        row = connection.execute(
            select(outbox.c.payload).where(outbox.c.payload.like("%Ulm/press%"))
        )
        payload = row.scalars().first()
    assert payload is not None
    mail = make_mail(AlarmsConfig(), OutboxMessage(1, "key", "mail", payload, 0))
    assert mail["Subject"] == "[Outfeed] firing: line-reject-rate at Ulm/press"
    assert "at: Ulm/press\n" in mail.get_content()


@pytest.mark.parametrize(
    ("rule", "place", "muted"),
    [
        ("line-reject-rate", "Ulm/press", {"line-reject-rate"}),
        ("line-reject-rate", "Ulm", {"line-reject-rate"}),
        ("line-reject-rate", "Ulm/saw", set()),
        ("plant-reject-rate", "Ulm/press", set()),
        ("plant-reject-rate", "", {"plant-reject-rate"}),
    ],
)
def test_mutes_of_places(plant: Database, rule: str, place: str, muted: set[str]) -> None:
    with plant.write() as connection:
        mute = Mute(0, rule, "", NOW + HOUR_US, "trial", "ada", place)
        add_mute(connection, mute, NOW)
        assert read_mutes(connection, NOW)[0].place == place
    run(plant, 0)
    run(plant, 30)
    assert len(rates(plant)) == 2
    assert {"line-reject-rate", "plant-reject-rate"} - {each[0] for each in sent(plant)} == muted


def test_a_mute_of_a_line_holds_for_its_stations(plant: Database) -> None:
    with plant.write() as connection:
        connection.execute(update(rollups).values(unknown=5, inspected=10, passed=3))
        for rule in ("unknown-rate",):
            add_mute(connection, Mute(0, rule, "", NOW + HOUR_US, "x", "ada", "Ulm/press"), NOW)
    run(plant, 0)
    run(plant, 30)
    with plant.read() as connection:
        rows = [json.loads(each) for each in connection.execute(select(outbox.c.payload)).scalars()]
    assert {row["station"] for row in rows if row["rule"] == "unknown-rate"} == {"saw-1"}


@pytest.mark.parametrize(
    ("mute", "reason"),
    [
        (Mute(0, "silent", "", NOW + HOUR_US, "x", "ada", "Ulm/paint"), "no line or plant"),
        (Mute(0, "silent", "press-1", NOW + HOUR_US, "x", "ada", "Ulm"), "a station or a place"),
    ],
)
def test_a_wrong_mute_has_one_line(plant: Database, mute: Mute, reason: str) -> None:
    with plant.write() as connection, pytest.raises(JudgementError, match=reason):
        add_mute(connection, mute, NOW)


def _alarm_numbers(database: Database) -> dict[str, int]:
    """Store a firing alarm of a line and of its plant; return their numbers by place."""
    with database.write() as connection:
        for rule, place in (("line-reject-rate", "Ulm/press"), ("plant-reject-rate", "Ulm")):
            alarm = AlarmRecord(
                None, rule, 0, place, "firing", "critical", f"rate of {place}", NOW_US, NOW_US
            )
            save_alarm(connection, alarm)
        return {each.place: int(each.alarm.number or 0) for each in read_alarms(connection)}


@pytest.mark.parametrize(
    ("name", "seen"),
    [
        ("quality-line", {"Ulm/press"}),
        ("quality-plant", {"Ulm/press", "Ulm"}),
        ("quality-everywhere", {"Ulm/press", "Ulm"}),
        ("production-line", {"Ulm/press"}),
    ],
)
def test_people_see_and_change_alarms_of_their_places(
    tmp_path: Path, name: str, seen: set[str]
) -> None:
    database = fast_database(tmp_path)
    build_plant(database)
    numbers = _alarm_numbers(database)
    client = log_in_as(app_of(database), name)
    page = client.get("/alarms").text
    wall = client.get("/").text
    for place in ("Ulm/press", "Ulm"):
        assert (f"rate of {place}<" in page) == (place in seen)
        assert (f"rate of {place}<" in wall) == (place in seen)
        assert (f"/alarms/{numbers[place]}/acknowledge" in page) == (place in seen)
        done = client.post(f"/alarms/{numbers[place]}/acknowledge", data={"note": "I look"})
        assert done.status_code == (303 if place in seen else 404)
        may_mute = place in seen and name.startswith("quality")
        form = {"rule": "line-reject-rate", "station": f"at {place}", "hours": "1", "reason": "x"}
        muted = client.post("/alarms/mutes", data=form)
        expected = 303 if may_mute else 404 if name.startswith("quality") else 403
        assert muted.status_code == expected
    with database.read() as connection:
        mutes = read_mutes(connection, NOW_US)
        states = {each.place: each.alarm.state for each in read_alarms(connection)}
    assert {each.place for each in mutes} == (seen if name.startswith("quality") else set())
    assert {place for place, state in states.items() if state == "acknowledged"} == seen
    assert {each["place"] for each in client.get("/api/alarms").json()} == seen
    database.close()
