"""The command outfeed-central: its subcommands, the one line of an error, and exit statuses."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from central import service
from central.__main__ import main
from central.config.central import parse_central
from central.config.sections import DatabaseConfig
from central.store.database import Database
from central.store.schema import check_schema
from edge.clock import MonotonicClock
from edge.errors import CrashedError, StalledError
from edge.watchdog import SILENT, Watchdog, WatchedStage
from tests.support.brokers import free_port, wait_for
from tests.support.central_events import stored
from tests.support.central_stations import ImaginedStation
from tests.support.small_pictures import grey, put

ROOT = Path(__file__).parents[2]
BUNDLE = ROOT / "models" / "zoo" / "textures-nano.outfeed"


@contextmanager
def _process(*arguments: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "central", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def _answers(port: int) -> list[dict] | None:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/stations", timeout=5) as response:
            return json.load(response)
    except OSError:
        return None


def test_run_is_broker_collector_and_pages(tmp_path: Path) -> None:
    pytest.importorskip("iotcore", reason="the extra 'demo' is not installed")
    broker, web = free_port(), free_port()
    config = tmp_path / "central.toml"
    config.write_text(f'[broker]\nport = {broker}\n[web]\naccounts = "off"\nport = {web}\n')
    with _process("run", "--config", str(config)) as process:
        wait_for(lambda: _answers(web) == [], "the pages answer", 60)
        with ImaginedStation(broker, 50) as station:
            wait_for(lambda: station.uncommitted == 0, "statements cover all events", 60)
        (found,) = _answers(web)
        assert (found["name"], found["hour"]["inspected"]) == ("press-3", 50)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        assert "Traceback" not in process.stderr.read()
    database = Database(DatabaseConfig(path=tmp_path / "central.db"))
    assert len(stored(database)) == 50
    database.close()


def test_web_serves_a_database_that_others_fill(tmp_path: Path) -> None:
    port = free_port()
    config = tmp_path / "central.toml"
    config.write_text(f'[web]\naccounts = "off"\nport = {port}\n')
    assert main(["-q", "migrate", "--config", str(config)]) == 0
    with _process("web", "-c", str(config)) as process:
        wait_for(lambda: _answers(port) == [], "the pages answer", 60)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0


def test_migrate_makes_the_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["--quiet", "migrate"]) == 0  # without a file: central.db in this folder
    database = Database(DatabaseConfig(path=tmp_path / "central.db"))
    check_schema(database)
    database.close()


ERRORS = [
    (["run", "--config", "missing.toml"], 78, "missing.toml: cannot be read"),
    (["web"], 1, "central.db: has tables of version none"),
    (["collect"], 78, 'broker.kind: `outfeed-central collect` needs "external"'),
    (["run", "--config", "wrong.toml"], 78, "wrong.toml: unknown key 'prot'"),
    (["run", "--config", "nowhere.toml"], 78, "database.path: "),
    (["demo", "--bundle", "missing.outfeed", "--frames", "."], 2, "--bundle missing.outfeed: does"),
    (["demo", "--bundle", "wrong.toml", "--frames", "missing"], 2, "--frames missing: does"),
]


@pytest.mark.parametrize(("arguments", "exit_status", "line"), ERRORS)
def test_an_error_is_one_line_with_its_exit_status(
    arguments: list[str],
    exit_status: int,
    line: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "wrong.toml").write_text("prot = 1\n")
    (tmp_path / "nowhere.toml").write_text('[database]\npath = "none/central.db"\n')
    assert main(["--quiet", *arguments]) == exit_status
    error = capsys.readouterr().err.strip().splitlines()
    assert len(error) == 1
    assert error[0].startswith("outfeed-central: ")
    assert line in error[0]


def test_wrong_usage_is_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--quiet", "--verbose", "run"]) == 2
    assert main(["none"]) == 2
    assert main(["run", "--none"]) == 2
    assert "exclude each other" in capsys.readouterr().err


def test_help_and_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("outfeed-central 0.")
    assert main(["--help"]) == 0
    assert "collect" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("option", "level"),
    [((), logging.INFO), (("-v",), logging.DEBUG), (("-q",), logging.ERROR)],
)
def test_the_options_set_what_is_logged(
    option: tuple[str, ...], level: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    main([*option, "migrate"])
    assert logging.getLogger().level == level


def test_a_missing_library_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    assert main(["run"]) == 2
    assert "needs psycopg: pip install 'outfeed[central]'" in capsys.readouterr().err


def test_a_hung_thread_ends_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("iotcore", reason="the extra 'demo' is not installed")
    monkeypatch.setattr(service, "_DATABASE_NS", 1)  # every heartbeat is too old
    config = parse_central(
        f"[broker]\nport = {free_port()}\n[web]\nport = 0\n", tmp_path / "central.toml"
    )
    parts = service.ServiceParts()
    with (
        service.start_service(config, parts, SILENT) as running,
        pytest.raises(StalledError, match=r"hung: database for"),
    ):
        running.run(threading.Event())


def test_a_thread_that_ended_ends_the_process(tmp_path: Path) -> None:
    clock = MonotonicClock()
    stage = WatchedStage("network", limit_ns=10**12, clock=clock)

    class _Ended:
        is_running = False

    broken = service.CentralService(None, _Ended(), Watchdog(SILENT, [stage], clock=clock))
    with pytest.raises(CrashedError, match="web: a thread has ended"):
        broken.run(threading.Event())


@pytest.mark.timeout(240)
def test_the_demo_shows_parts_of_each_station(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    pytest.importorskip("iotcore", reason="the extra 'demo' is not installed")
    folder = tmp_path_factory.mktemp("demo")
    frames = folder / "frames"
    put(frames / "1.png", grey(size=(256, 256)))
    out, port = folder / "out", free_port()
    options = ["--stations", "2", "--rate", "4", "--out", str(out), "--port", str(port)]
    with _process("demo", "--bundle", str(BUNDLE), "--frames", str(frames), *options) as process:

        def inspected() -> list[int]:
            return [each["hour"]["inspected"] for each in _answers(port) or []]

        wait_for(lambda: len(inspected()) == 2 and min(inspected()) > 5, "parts", 180)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
        text = process.stdout.read()
    assert f"The wall page: http://127.0.0.1:{port}/" in text
    assert "press-1, press-2" in text


def test_the_demo_names_a_station_that_ended(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("iotcore", reason="the extra 'demo' is not installed")
    (tmp_path / "frames").mkdir()
    wrong = tmp_path / "wrong.outfeed"
    wrong.write_bytes(b"no bundle")
    options = ["--out", str(tmp_path / "out"), "--port", "0", "--stations", "1", "--seconds", "60"]
    frames = str(tmp_path / "frames")
    trust = "ed25519:" + "0" * 64
    arguments = ["demo", "--bundle", str(wrong), "--frames", frames, "--trust", trust, *options]
    assert main(["--quiet", *arguments]) == 1
    assert "station press-1 ended with status 1: outfeed: " in capsys.readouterr().err
    assert trust in (tmp_path / "out" / "press-1" / "station.toml").read_text()
