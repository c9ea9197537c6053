"""A plant in the database: stations, their parts of some hours, lots and guidance, by chance."""

from __future__ import annotations

from typing import Any

import numpy as np
from sqlalchemy import insert

from central.store.bulk import add_sums, insert_rows
from central.store.database import Database
from central.store.judgements import write_guidance
from central.store.lots import LotEntry, begin_lot
from central.store.partitions import Partitions, day_of
from central.store.tables import (
    MINUTE_US,
    actuations,
    defects,
    drifts,
    parts,
    rollup_kinds,
    rollups,
    self_tests,
    stations,
)

KINDS = ("scratch", "dent", "burr", "stain", "crack")
SHARES = (0.5, 0.25, 0.12, 0.08, 0.05)
HOUR_US = 60 * MINUTE_US


def fill_plant(
    database: Database,
    now_us: int,
    *,
    names: tuple[str, ...] = ("press-1", "press-2"),
    hours: float = 26,
    per_minute: float = 20,
    rate: float = 0.04,
    seed: int = 1,
) -> int:
    """Store parts of the last hours as the collector would, and return their number.

    A tenth of a percent of the parts is UNKNOWN. The bundle changes after two thirds of the time.
    """
    random = np.random.default_rng(seed)
    total = 0
    days = range(day_of(now_us - int((hours + 24) * HOUR_US)), day_of(now_us) + 2)
    Partitions(database).ensure(days)
    for number, name in enumerate(names, 1):
        with database.write() as connection:
            connection.execute(
                insert(stations).values(
                    id=number,
                    name=name,
                    state="online",
                    cause="connected",
                    version="0.1.0",
                    bundle="textures-2.outfeed",
                    certificates=f'[["tls_cert",{now_us + (number + 1) * 20 * 24 * HOUR_US}]]',
                    disks=f'[["state",{number * 2 << 30},{14 << 30}]]',
                    seen_us=now_us - 2_000_000,
                    status_us=now_us - 9_000_000,
                    first_us=now_us - int(hours * HOUR_US),
                )
            )
            total += _fill_station(connection, random, number, now_us, hours, per_minute, rate)
    return total


def _fill_station(
    connection: Any,
    random: np.random.Generator,
    number: int,
    now_us: int,
    hours: float,
    per_minute: float,
    rate: float,
) -> int:
    count = int(hours * 60 * per_minute)
    step_us = hours * HOUR_US / count
    at = (now_us - int(hours * HOUR_US) + np.arange(count) * step_us).astype(np.int64)
    wander = 1 + 0.25 * np.sin(np.arange(count) / count * 19) + random.normal(0, 0.02, count)
    draw = random.random(count)
    rejected = draw < rate * wander
    unknown = draw > 0.999
    kind = random.choice(len(KINDS), count, p=SHARES)
    severity = np.clip(random.gamma(6, 1.0, count), 0.5, 12)
    chain = random.normal(9_000, 800, count).astype(int)
    part_rows, defect_rows, action_rows = [], [], []
    minutes: dict[tuple[int, int, str], dict[str, int]] = {}
    kinds: dict[tuple[int, int, str], dict[str, int]] = {}
    for each in range(count):
        at_us = int(at[each])
        head = (at_us, number, number, "00000000000000aa", each + 1)
        decision = "REJECT" if rejected[each] else "UNKNOWN" if unknown[each] else "PASS"
        name = KINDS[kind[each]] if decision == "REJECT" else ""
        worst = float(severity[each]) if name else None
        bundle = "textures-1" if each < count * 2 / 3 else "textures-2"
        reason = {
            "REJECT": f"{name}: severity {severity[each]:.1f}",
            "UNKNOWN": "no verdict in time",
            "PASS": "no defect",
        }[decision]
        part_rows.append(
            (
                *(*head, at_us, at_us, each + 1, decision, reason, name, worst, worst, None),
                *(int(bool(name)), int(chain[each]), bundle),
            )
        )
        if name:
            box = (40 + each % 200, 60 + each % 120, 90 + each % 200, 100 + each % 120)
            sure = float(0.5 + 0.5 * random.random())
            defect_rows.append((*head, each + 1, 0, name, worst, worst, sure, 700, *box))
            kinds.setdefault((number, at_us // MINUTE_US, name), {"rejected": 0, "defects": 0})
            for column in ("rejected", "defects"):
                kinds[number, at_us // MINUTE_US, name][column] += 1
            late = (at_us + 400_000, each + 1, "ejected", "verdict", 80.0, 20000)
            action_rows.append((*head, *late))
        sums = minutes.setdefault((number, at_us // MINUTE_US, bundle), {})
        column = {"PASS": "passed", "REJECT": "rejected", "UNKNOWN": "unknown"}[decision]
        for key in ("inspected", column):
            sums[key] = sums.get(key, 0) + 1
    insert_rows(connection, parts, part_rows)
    insert_rows(connection, defects, defect_rows)
    insert_rows(connection, actuations, action_rows)
    add_sums(connection, rollups, ("station_id", "minute", "bundle"), minutes)
    add_sums(connection, rollup_kinds, ("station_id", "minute", "kind"), kinds)
    _add_condition(connection, number, now_us, count)
    return count


def _add_condition(connection: Any, number: int, now_us: int, count: int) -> None:
    head = (now_us, number, number, "00000000000000aa", count + 1)
    insert_rows(
        connection,
        drifts,
        [(*head, now_us - HOUR_US, "raised", "mild", "focus", "sharpness", "", 0.8, 1.0, 7)],
    )
    insert_rows(
        connection,
        self_tests,
        [(*head, now_us - HOUR_US, "textures-2", "golden/1.png", 1, "", 1, 900)],
    )


def furnish(database: Database, now_us: int, station: str = "press-1") -> None:
    """Add a lot and guidance, as people enter them."""
    with database.write() as connection:
        entry = LotEntry("4711", (station,), now_us - 5 * HOUR_US, now_us - 2 * HOUR_US, "A-100")
        begin_lot(connection, entry, "ada", now_us)
        begin_lot(connection, LotEntry("4712", (station,), now_us - 2 * HOUR_US), "ada", now_us)
        text = "Look for a worn guide rail.\nClean the belt with a dry cloth."
        write_guidance(connection, "scratch", text, "ada", now_us)
        write_guidance(connection, "dent", "Check the pressure of the gripper.", "ada", now_us)
