"""A real PostgreSQL server for tests and measurements, in a temporary folder of its own."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import psycopg

from central.config.sections import DatabaseConfig
from edge.errors import OutfeedError

_START_S = 60.0
_FOLDERS = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
_POSTGRES = shutil.which(
    "postgres", path=os.pathsep.join([*map(str, _FOLDERS), os.environ["PATH"]])
)


def missing_postgresql() -> str:
    """Return the reason why no server can be started here; empty if one can."""
    if _POSTGRES is None:
        return "PostgreSQL is not installed"
    if os.geteuid() == 0 and _server_user() is None:
        return "PostgreSQL does not run as root, and there is no user 'postgres'"
    return ""


class PostgresqlServer:
    """One server on 127.0.0.1, started, stopped and killed at will.

    It runs as the user ``postgres`` where root starts it. Raises OutfeedError where a program of
    PostgreSQL fails.
    """

    def __init__(
        self, *, fsync: bool = False, settings: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        """fsync: False: a killed process loses nothing, a machine without power may.

        settings: further settings of the server, by name.
        """
        self.settings = dict(settings)
        assert _POSTGRES is not None
        self._fsync = "on" if fsync else "off"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self._bin = Path(os.path.realpath(_POSTGRES)).parent
        self.folder = Path(tempfile.mkdtemp(prefix="outfeed-postgresql-"))
        self._process: subprocess.Popen[bytes] | None = None
        self._user: dict[str, Any] = {}
        user = _server_user()
        if os.geteuid() == 0 and user is not None:
            os.chown(self.folder, user.pw_uid, user.pw_gid)
            self._user = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        self.run(
            "initdb",
            "--data-checksums",
            "-D",
            self._data,
            "-U",
            "outfeed",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "-N",
        )

    @property
    def _data(self) -> str:
        return str(self.folder / "data")

    def start(self) -> None:
        """Start the server and wait until it answers."""
        log = (self.folder / "server.log").open("ab")
        with log:
            self._process = subprocess.Popen(
                [
                    str(self._bin / "postgres"),
                    *("-D", self._data, "-p", str(self.port), "-k", str(self.folder)),
                    *("-c", "listen_addresses=127.0.0.1", "-c", "max_connections=60"),
                    *("-c", f"fsync={self._fsync}"),
                    *(w for name, own in self.settings.items() for w in ("-c", f"{name}={own}")),
                ],
                stdout=log,
                stderr=log,
                cwd=self.folder,
                **self._user,
            )
        deadline_s = time.monotonic() + _START_S
        while not self._answers():
            if time.monotonic() > deadline_s or self._process.poll() is not None:
                raise OutfeedError(f"PostgreSQL does not start: {self.log()}")
            time.sleep(0.05)

    def stop(self, number: int = signal.SIGINT) -> None:
        """SIGINT ends connections in order, SIGQUIT is a crash of the server."""
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(30)
            self._process = None

    def close(self) -> None:
        """End the server and remove its folder."""
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)

    def database(self) -> DatabaseConfig:
        """Return the settings of the one database, which is emptied first."""
        name = "postgres"
        with psycopg.connect(
            host="127.0.0.1", port=self.port, user="outfeed", dbname=name, autocommit=True
        ) as connection:
            connection.execute("DROP SCHEMA public CASCADE")
            connection.execute("CREATE SCHEMA public")
        return DatabaseConfig(
            kind="postgresql", host="127.0.0.1", port=self.port, name=name, username="outfeed"
        )

    def log(self) -> str:
        path = self.folder / "server.log"
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    def _answers(self) -> bool:
        ask = [str(self._bin / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(ask, check=False, cwd=self.folder).returncode == 0

    def run(self, program: str, *arguments: str) -> str:
        """Run a program of PostgreSQL, or one of a path, as the user of the server."""
        done = subprocess.run(
            [str(self._bin / program), *arguments],
            capture_output=True,
            text=True,
            cwd=self.folder,
            check=False,
            **self._user,
        )
        if done.returncode:
            raise OutfeedError(f"{program}: {done.stderr}{done.stdout}")
        return str(done.stdout)


def _server_user() -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return None
