"""A station's card that was copied, or restored from a backup: no loss, and central is informed."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from edge.events.event import gap_event
from edge.journal.writer import Journal
from edge.receiver import Conflict
from edge.uplink.publisher import run_uplink
from tests.support.brokers import Mosquitto, needs_mosquitto, station_config, wait_for
from tests.uplink.central import Central, open_journal, running

pytestmark = needs_mosquitto


def add(journal: Journal, name: str, numbers: range) -> None:
    for number in numbers:
        journal.append([gap_event("press-3", count=number, reason=name)])


def got(central: Central) -> list[tuple[str, int]]:
    bodies = [json.loads(one.event.model_dump_json()) for one in central.received]
    return [(body["reason"], body["count"]) for body in bodies]


def test_a_copied_state_folder_that_runs_on_beside_the_first(tmp_path: Path) -> None:
    with Mosquitto(tmp_path / "broker") as broker:
        mine = station_config(tmp_path / "state", port=broker.port)
        copy = station_config(tmp_path / "copy", port=broker.port)
        central = Central(mine)
        with central.listening():
            with open_journal(mine) as journal:
                add(journal, "before", range(12))
            with running(run_uplink, mine):
                wait_for(lambda: len(central.received) == 12, "what both have")
            shutil.copytree(mine.state_dir, copy.state_dir, dirs_exist_ok=True)
            for config, name, last in ((mine, "mine", 20), (copy, "copy", 28)):
                with open_journal(config) as journal:
                    add(journal, name, range(last))
            for config, count in ((mine, 32), (copy, 60), (mine, 60), (copy, 60)):
                with running(run_uplink, config):
                    wait_for(lambda count=count: len(central.received) == count, "events")
        expected = [("before", n) for n in range(12)]
        expected += [("mine", n) for n in range(20)] + [("copy", n) for n in range(28)]
        assert got(central) == expected
        assert central.receiver.conflicts() == {"press-3": {Conflict.COPY: 20}}
        assert [one.conflict for one in central.received].count(Conflict.COPY) == 20
        (coverage,) = central.receiver.coverage()
        assert (coverage.complete_to, coverage.gaps, len(coverage.runs)) == (40, (), 3)


def test_a_backup_that_is_put_back_below_a_running_uplink(tmp_path: Path) -> None:
    with Mosquitto(tmp_path / "broker") as broker:
        config = station_config(tmp_path / "state", port=broker.port)
        central = Central(config)
        with central.listening(), running(run_uplink, config):
            with open_journal(config) as journal:
                add(journal, "before", range(10))
            wait_for(lambda: len(central.received) == 10, "the first events")
            backup = tmp_path / "backup"
            with (
                closing(sqlite3.connect(config.paths.journal)) as db,
                closing(sqlite3.connect(backup)) as target,
            ):
                db.backup(target)
            with open_journal(config) as journal:
                before = journal.uuid
                add(journal, "lost", range(10))
            wait_for(lambda: len(central.received) == 20, "the next ones")
            for suffix in ("-wal", "-shm"):
                config.paths.journal.with_name(f"journal.sqlite{suffix}").unlink(missing_ok=True)
            backup.replace(config.paths.journal)
            wait_for(lambda: _is_ahead(config.paths.cursor), "the uplink sees it")
            with open_journal(config) as journal:
                assert journal.uuid != before
                add(journal, "after", range(10))
            wait_for(lambda: len(central.received) == 31, "what came after")
        assert got(central)[:20] == [(name, n) for name in ("before", "lost") for n in range(10)]
        reason, count = got(central)[20]
        assert reason.startswith("the journal went back from 20 to 10, by a backup")
        assert count is None
        assert got(central)[21:] == [("after", n) for n in range(10)]
        assert central.receiver.conflicts() == {}


def _is_ahead(cursor: Path) -> bool:
    return cursor.exists() and b'"published":20' in cursor.read_bytes()
