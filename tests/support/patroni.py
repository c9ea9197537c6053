"""A PostgreSQL cluster of two nodes under Patroni, with etcd, as the shipped files set it up."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg

from bench.postgresql import missing_postgresql
from central.backup.scratch import find_program, server_user
from central.config.sections import DatabaseConfig
from tests.support.brokers import free_port
from tests.support.pgbackrest import SHIPPED

_PASSWORDS = {"superuser": "s" * 20, "replication": "r" * 20, "rewind": "w" * 20}
_APPLICATION = "outfeedoutfeedoutfeed"


def missing_patroni() -> str:
    """Why no such cluster can be started here; empty if one can."""
    for program in ("patroni", "etcd"):
        if shutil.which(program) is None:
            return f"{program} is not installed"
    return missing_postgresql()


class PatroniNode:
    """One node: Patroni and the server that it starts."""

    def __init__(self, folder: Path, name: str, etcd_port: int) -> None:
        self.name = name
        self.port, self.rest_port = free_port(), free_port()
        self.folder = folder / name
        self.folder.mkdir()
        self._process: subprocess.Popen[bytes] | None = None
        text = subprocess.run(
            [
                *(str(SHIPPED / "node.sh"), "--name", name, "--address", "127.0.0.1"),
                *("--etcd", f"127.0.0.1:{etcd_port}", "--allow", "127.0.0.1/32"),
                *("--passwords", str(folder / "passwords"), "--port", str(self.port)),
                *("--rest-port", str(self.rest_port), "--data", str(self.folder / "data")),
                *("--socket", str(self.folder), "--archive", "true"),
                *("--programs", str(Path(find_program("postgres")).resolve().parent)),
            ],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        # A test does not wait for half a minute until the primary is missed.
        for shipped, own in (("ttl: 30", "ttl: 20"), ("loop_wait: 10", "loop_wait: 2")):
            assert text.count(f"    {shipped}\n") == 1
            text = text.replace(shipped, own)
        (self.folder / "config.yml").write_text(text)
        _give(self.folder)

    def start(self) -> None:
        with (self.folder / "patroni.log").open("ab") as log:
            self._process = subprocess.Popen(
                [shutil.which("patroni") or "", str(self.folder / "config.yml")],
                stdout=log,
                stderr=log,
                cwd=self.folder,
                **server_user(),
            )

    def kill(self) -> None:
        """End Patroni and the server with SIGKILL, as a loss of power does."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(10)
        pid_file = self.folder / "data/postmaster.pid"
        if pid_file.exists():
            server = int(pid_file.read_text().split()[0])
            try:
                os.kill(server, signal.SIGKILL)
            except ProcessLookupError:
                return
            wait(lambda: not Path(f"/proc/{server}").exists(), "the end of the server", 20)

    def is_primary(self) -> bool:
        return self._ask("/primary")[0] == 200

    def is_synchronous(self) -> bool:
        return self._ask("/sync")[0] == 200

    def log(self) -> str:
        return (self.folder / "patroni.log").read_text(errors="replace")[-3000:]

    def _ask(self, path: str) -> tuple[int, Any]:
        address = f"http://127.0.0.1:{self.rest_port}{path}"
        try:
            with urllib.request.urlopen(address, timeout=5) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, None
        except OSError:
            return 0, None


class PatroniCluster:
    """etcd and two nodes, of which the second is a synchronous standby. For ``with``."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="outfeed-patroni-"))
        self.folder.chmod(0o755)
        lines = "".join(f"{name}={own}\n" for name, own in _PASSWORDS.items())
        (self.folder / "passwords").write_text(lines)
        self._etcd_port = free_port()
        self._etcd: subprocess.Popen[bytes] | None = None
        self.nodes = [PatroniNode(self.folder, name, self._etcd_port) for name in ("db1", "db2")]

    def __enter__(self) -> PatroniCluster:
        try:
            self._start_etcd()
            first, second = self.nodes
            first.start()
            wait(first.is_primary, "a primary", 120, first.log)
            second.start()
            wait(second.is_synchronous, "a synchronous standby", 120, second.log)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for node in self.nodes:
            if node._process is not None:
                node.kill()
        if self._etcd is not None:
            self._etcd.kill()
            self._etcd.wait(10)
        shutil.rmtree(self.folder, ignore_errors=True)

    def database(self) -> DatabaseConfig:
        """Create the user and the database, and return the settings of a collector."""
        with psycopg.connect(
            host="127.0.0.1",
            port=self.nodes[0].port,
            user="postgres",
            password=_PASSWORDS["superuser"],
            dbname="postgres",
            autocommit=True,
        ) as connection:
            connection.execute(f"CREATE ROLE outfeed LOGIN PASSWORD '{_APPLICATION}'")
            connection.execute("CREATE DATABASE outfeed OWNER outfeed")
        secret = self.folder / "database.password"
        secret.write_text(_APPLICATION)
        return DatabaseConfig(
            kind="postgresql",
            hosts=tuple(f"127.0.0.1:{node.port}" for node in self.nodes),
            password_file=secret,
        )

    def _start_etcd(self) -> None:
        client, peer = (f"http://127.0.0.1:{port}" for port in (self._etcd_port, free_port()))
        with (self.folder / "etcd.log").open("wb") as log:
            self._etcd = subprocess.Popen(
                [
                    *(shutil.which("etcd") or "", "--data-dir", str(self.folder / "etcd")),
                    *("--listen-client-urls", client, "--advertise-client-urls", client),
                    *("--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer),
                    *("--initial-cluster", f"default={peer}"),
                ],
                stdout=log,
                stderr=log,
            )


def wait(
    holds: Callable[[], bool], what: str, within_s: float, log: Callable[[], str] = str
) -> None:
    deadline_s = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline_s, f"in {within_s} s not: {what}\n{log()}"
        time.sleep(0.2)


def _give(folder: Path) -> None:
    user = server_user()
    if user:
        for each in (folder, *folder.iterdir()):
            os.chown(each, user["user"], user["group"])
