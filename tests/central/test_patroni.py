"""A cluster under Patroni: the primary is killed while events arrive, and none is lost."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from central.store.database import Database
from tests.support.brokers import Mosquitto, needs_mosquitto, wait_for
from tests.support.central_events import RUN, covered, stored
from tests.support.central_stations import CollectorProcess, ImaginedStation
from tests.support.patroni import PatroniCluster, missing_patroni, wait
from tests.support.pgbackrest import SHIPPED

_EVENTS = 1500
_NODE = str(SHIPPED / "node.sh")


@needs_mosquitto
@pytest.mark.timeout(600)
@pytest.mark.skipif(bool(missing_patroni()), reason=missing_patroni() or "installed")
def test_no_committed_event_is_lost_when_the_primary_is_killed(tmp_path: Path) -> None:
    with PatroniCluster() as cluster:
        config = cluster.database()
        first, second = cluster.nodes
        with (
            Mosquitto(tmp_path / "broker") as broker,
            CollectorProcess(tmp_path / "central", broker.port, config) as collector,
            ImaginedStation(broker.port, _EVENTS) as station,
        ):
            wait_for(lambda: station.uncommitted < _EVENTS, "a first statement", 120)
            first.kill()
            committed = _EVENTS - station.uncommitted
            assert 0 < committed < _EVENTS, "the primary must be killed under load"
            wait(second.is_primary, "the standby is promoted", 120, second.log)
            # The station never sends again what a statement covered: a committed event that the
            # new primary lacked would stay missing.
            wait_for(lambda: station.uncommitted == 0, "statements cover all events", 180)
            log = collector.log()
            assert collector.end() == 0
        assert "database_lost" in log
        assert "database_found" in log
        assert "Traceback" not in log
        assert log.count("collector_subscribed") == 1
        database = Database(config)
        assert stored(database) == [(RUN, number) for number in range(1, _EVENTS + 1)]
        assert covered(database) == set(range(1, _EVENTS + 1))
        # The former primary returns as a synchronous standby.
        first.start()
        wait(first.is_synchronous, "the former primary follows", 180, first.log)
        assert second.is_primary()
        database.close()


def node(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([_NODE, *arguments], capture_output=True, text=True, check=False)


def test_a_wrong_argument_of_the_script_is_one_line(tmp_path: Path) -> None:
    passwords = tmp_path / "passwords"
    passwords.write_text("superuser=short\n")
    whole = ("--name", "a", "--address", "b", "--etcd", "c", "--allow", "d")
    for arguments, expected in (
        ((), "--name: is missing"),
        (("--name",), "--name: expected a value"),
        (("--colour", "red"), "unknown option --colour"),
        ((*whole, "--passwords", str(tmp_path / "none")), "none cannot be read"),
        ((*whole, "--passwords", str(passwords)), "expected a line superuser= with at least 16"),
    ):
        done = node(*arguments)
        assert (done.returncode, done.stdout) == (2, ""), arguments
        assert done.stderr.startswith("node.sh: ")
        assert expected in done.stderr
        assert done.stderr.count("\n") == 1


def test_every_word_is_filled_in(tmp_path: Path) -> None:
    passwords = tmp_path / "passwords"
    passwords.write_text(
        "".join(f"{n}={'x' * 16}\n" for n in ("superuser", "replication", "rewind"))
    )
    done = node(
        *("--name", "db1", "--address", "10.0.0.1", "--etcd", "10.0.0.1:2379,10.0.0.2:2379"),
        *("--allow", "10.0.0.0/24", "--passwords", str(passwords), "--version", "16"),
        *("--archive", "a & b | c"),
    )
    assert done.returncode == 0, done.stderr
    assert 'archive_command: "a & b | c"' in done.stdout
    assert 'data_dir: "/var/lib/postgresql/16/outfeed"' in done.stdout
    assert 'bin_dir: "/usr/lib/postgresql/16/bin"' in done.stdout
    assert "@" not in done.stdout.replace("between @ and", "")
