"""A real PostgreSQL in a folder of its own, which can be killed and started again."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from bench.chaos.processes import is_alive
from edge.errors import OutfeedError

_USER = "postgres"
_START_S = 60.0


class KilledPostgres:
    """A server on 127.0.0.1 with the database and the user ``outfeed``, without a password.

    It runs as the user postgres, because PostgreSQL refuses to run as root.
    """

    def __init__(self, folder: Path) -> None:
        """Create the cluster. Raises OutfeedError where PostgreSQL is not installed."""
        programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
        if not programs:
            raise OutfeedError("central_kills: postgresql is not installed")
        self._programs = programs[-1]
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = int(probe.getsockname()[1])
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self._as: dict[str, Any] = {}
        if os.geteuid() == 0:
            account = pwd.getpwnam(_USER)
            os.chown(folder, account.pw_uid, account.pw_gid)
            self._as = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": ()}
        self._run("initdb", "-D", str(folder / "data"), "-U", "outfeed", "-A", "trust")

    def start(self) -> None:
        """Start the server, and wait until it answers. Raises OutfeedError after 60 s."""
        command = [str(self._programs / "postgres"), "-D", str(self._folder / "data")]
        command += ["-p", str(self.port), "-k", str(self._folder)]
        with (self._folder / "postgres.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, **self._as)
        limit_s = time.monotonic() + _START_S
        ready = [str(self._programs / "pg_isready"), "-q", "-h", "127.0.0.1"]
        ready += ["-p", str(self.port), "-U", "outfeed"]
        while subprocess.run(ready, check=False).returncode:
            if self._process.poll() is not None or time.monotonic() > limit_s:
                raise OutfeedError(f"central_kills: no PostgreSQL: {self._folder}/postgres.log")
            time.sleep(0.05)

    def create_database(self) -> None:
        """Create the database ``outfeed``."""
        self._run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "outfeed", "outfeed")

    def kill(self) -> None:
        """Kill the server and all its processes with SIGKILL, as in a crash of the machine."""
        if self._process is None:
            return
        family = {self._process.pid, *_children(self._process.pid)}
        for pid in family:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait(10)
        self._process = None
        limit_s = time.monotonic() + _START_S
        while any(is_alive(pid) for pid in family) and time.monotonic() < limit_s:
            time.sleep(0.02)

    def close(self) -> None:
        """Stop the server in order, where it runs."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(30)
        self.kill()

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._programs / program), *arguments]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, cwd=self._folder, **self._as
        )
        if done.returncode:
            raise OutfeedError(f"central_kills: {program}: {done.stderr.strip()[-300:]}")


def _children(parent: int) -> set[int]:
    """Return the children of a process."""
    children = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, IndexError, ValueError):
            fields = stat.read_text("ascii", "replace").rpartition(")")[2].split()
            if int(fields[1]) == parent:
                children.add(int(stat.parent.name))
    return children
