"""Stations, broker, collectors and database, and the faults that strike them."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from bench.central_kills.postgres import KilledPostgres
from bench.chaos.broker import KilledBroker
from bench.chaos.processes import KeptProcess
from central.config.sections import DatabaseConfig
from edge.errors import OutfeedError
from edge.journal.cursor import read_cursor
from edge.journal.reader import JournalReader

_STATION = """\
id = "{name}"
bundle = "none.outfeed"
state_dir = "."
camera = {{ kind = "files", path = "." }}
line = {{ travel_ms = 500.0, budget_ms = 100.0 }}

[uplink]
port = {port}
retry_max_s = 1.0
"""
_CENTRAL = """\
[broker]
kind = "external"
port = {port}
retry_max_s = 1.0

[collector]
{share}

[database]
{database}
"""
_RESTART_S = 0.2
_LOOK_S = 0.5


class KilledPlant:
    """A plant whose processes are killed. For one thread, in a ``with`` statement.

    The writers stand for stations: they fill real journals. Uplinks, broker, collectors and
    database are the real programs.
    """

    def __init__(
        self, folder: Path, *, stations: int, rate_hz: float, is_sqlite: bool, seed: int
    ) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self._folder = folder.resolve()
        self._dice = random.Random(seed)
        self._rate_hz = rate_hz
        self._broker = KilledBroker(self._folder / "broker")
        self._postgres = None if is_sqlite else KilledPostgres(self._folder / "postgres")
        self.stations = [self._folder / f"press-{number}" for number in range(1, stations + 1)]
        self._kept: dict[str, KeptProcess] = {}

    def __enter__(self) -> KilledPlant:
        self._broker.start()
        if self._postgres is not None:
            self._postgres.start()
            self._postgres.create_database()
        for number in range(1 if self._postgres is None else 2):
            self._start_collector(number)
        for folder in self.stations:
            folder.mkdir()
            self.start_writer(folder)
            self.start_uplink(folder)
        return self

    def __exit__(self, *_: object) -> None:
        for each in self._kept.values():
            each.held = False
            each.end(10)
        if self._postgres is not None:
            self._postgres.close()
        self._broker.end()

    @property
    def database(self) -> DatabaseConfig:
        """The settings of the database."""
        if self._postgres is None:
            return DatabaseConfig(path=self._folder / "central.db")
        return DatabaseConfig(kind="postgresql", port=self._postgres.port)

    def faults(self) -> Mapping[str, Callable[[], None]]:
        """Return the faults by name. Each blocks until what was killed is started again."""
        faults: dict[str, Callable[[], None]] = {
            "uplink killed": lambda: self._kill("uplink"),
            "station killed": lambda: self._kill("writer"),
            "collector killed": lambda: self._kill("collector"),
            "broker killed": self._kill_broker,
            "broker killed and emptied": self._empty_broker,
        }
        if self._postgres is not None:
            faults["PostgreSQL killed"] = self._kill_postgres
        return faults

    def hold_central(self, seconds: float) -> None:
        """Kill all collectors, and keep them away for a time."""
        for name, kept in self._kept.items():
            if name.startswith("collector"):
                kept.held = True
                _kill(kept)
        time.sleep(seconds)
        for kept in self._kept.values():
            kept.held = False

    def start_writer(self, folder: Path) -> None:
        """Start a process that fills the journal of a station, restarted after its end."""
        command = ["-m", "bench.central_kills.writer", str(folder), "--station", _station(folder)]
        self._keep(f"writer {folder.name}", [*command, "--rate-hz", str(self._rate_hz)])

    def start_uplink(self, folder: Path) -> None:
        """Start the uplink of a station, restarted after its end."""
        text = _STATION.format(name=_station(folder), port=self._broker.port)
        (folder / "station.toml").write_text(text, encoding="utf-8")
        command = ["-m", "edge.uplink", "--config", str(folder / "station.toml")]
        self._keep(f"uplink {folder.name}", command)

    def stop(self, kind: str, folder: Path) -> None:
        """Stop the writer or the uplink of a station."""
        self._kept.pop(f"{kind} {folder.name}").end(10)

    def copy_card(self, folder: Path) -> Path:
        """Stop a station, copy its folder, and return the copy: a second station of its name."""
        self.stop("writer", folder)
        self.stop("uplink", folder)
        copy = folder.with_name(f"{folder.name}-copy")
        shutil.copytree(folder, copy)
        return copy

    def wait_committed(self, folder: Path, timeout_s: float) -> None:
        """Wait until the station knows that its whole journal is committed.

        Raises OutfeedError after timeout_s.
        """
        limit_s = time.monotonic() + timeout_s
        while True:
            position = read_cursor(folder / "uplink.json")
            committed = None if position is None else position.committed
            with JournalReader(folder / "journal.sqlite") as reader:
                latest = reader.latest(1)
            last = latest[0].sequence if latest else 0
            if committed == last:
                return
            if time.monotonic() > limit_s:
                raise OutfeedError(
                    f"central_kills: {folder.name}: {committed} of {last} events are committed "
                    f"after {timeout_s:g} s"
                )
            time.sleep(_LOOK_S)

    def _kill(self, kind: str) -> None:
        names = [name for name in self._kept if name.startswith(kind)]
        _kill(self._kept[self._dice.choice(names)])

    def _kill_broker(self) -> None:
        self._broker.end()
        time.sleep(self._dice.uniform(0, 0.3))
        self._broker.start()

    def _empty_broker(self) -> None:
        self._broker.end()
        for file in (self._folder / "broker").glob("mosquitto.db*"):
            file.unlink()
        self._broker.start()

    def _kill_postgres(self) -> None:
        assert self._postgres is not None
        self._postgres.kill()
        time.sleep(self._dice.uniform(0, 0.5))
        self._postgres.start()

    def _start_collector(self, number: int) -> None:
        database = self.database
        lines = (
            f'kind = "sqlite"\npath = "{database.path}"'
            if self._postgres is None
            else f'kind = "postgresql"\nport = {database.port}'
        )
        share = "" if self._postgres is None else 'share = "plant"'
        file = self._folder / f"central-{number}.toml"
        file.write_text(
            _CENTRAL.format(port=self._broker.port, share=share, database=lines), encoding="utf-8"
        )
        self._keep(f"collector {number}", ["-m", "central", "collect", "--config", str(file)])

    def _keep(self, name: str, command: list[str]) -> None:
        kept = KeptProcess(
            name,
            command,
            log=self._folder / f"{name.replace(' ', '-')}.log",
            environment=os.environ,
            pause_s=_RESTART_S,
        )
        kept.start()
        self._kept[name] = kept


def _station(folder: Path) -> str:
    return folder.name.removesuffix("-copy")


def _kill(kept: KeptProcess) -> None:
    if (pid := kept.pid) is not None:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
