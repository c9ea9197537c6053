"""A scratch server of PostgreSQL on a restored folder, which nothing else can reach."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from central.backup.facts import BackupError
from edge.validation_messages import one_line

_INSTALLED = Path("/usr/lib/postgresql")
_START_S = 3600.0
_END_S = 60.0
_SERVER_USER = "postgres"


def server_user() -> dict[str, Any]:
    """Return the arguments of ``subprocess`` for programs of the server.

    Root runs them as the user ``postgres``, because the server refuses root. Raises BackupError
    where there is no such user.
    """
    if os.geteuid() != 0:
        return {}
    try:
        user = pwd.getpwnam(_SERVER_USER)
    except KeyError as error:
        raise BackupError(
            f"PostgreSQL does not run as root, and there is no user '{_SERVER_USER}'"
        ) from error
    groups = os.getgrouplist(_SERVER_USER, user.pw_gid)
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": groups}


def find_program(name: str, version: str = "") -> str:
    """Return the path of a program of PostgreSQL or pgBackRest.

    version: of the server, for instance "15"; "": the newest. Raises BackupError.
    """
    folders = sorted(_INSTALLED.glob(f"{version or '*'}/bin"), reverse=True)
    path = os.pathsep.join([*map(str, folders), os.environ.get("PATH", os.defpath)])
    found = shutil.which(name, path=path)
    if found is None:
        raise BackupError(f"{name} is not installed")
    return found


def run_program(command: Sequence[str], folder: Path) -> str:
    """Run a program of the server in the folder, and return its output. Blocks.

    Raises BackupError with its last line.
    """
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        **server_user(),
    )
    if done.returncode:
        raise BackupError(f"{Path(command[0]).name}: {_last(done.stderr or done.stdout)}")
    return str(done.stdout)


@contextmanager
def start_scratch(data: Path, user: str, version: str) -> Iterator[Path]:
    """Start a server on a restored folder, and yield the folder of its socket.

    It listens on a socket in a folder that only its user can enter. It archives nothing, connects
    to no other server, and uses none of the restored settings of network and access. Blocks until
    the recovery has ended. Raises BackupError.

    Args:
        data: The restored folder.
        user: The user of the database who may log in.
        version: The version of the server, for instance "15".
    """
    folder = data.parent
    (folder / "hba.conf").write_text("local all all trust\n")
    (folder / "ident.conf").write_text("")
    (folder / "scratch.conf").write_text(_settings(folder))
    for name in ("hba.conf", "ident.conf", "scratch.conf"):
        (folder / name).chmod(0o644)
    log = folder / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                *(find_program("postgres", version), "-D", str(data)),
                *("-c", f"config_file={folder / 'scratch.conf'}"),
                # On the command line, because postgresql.auto.conf comes after the file.
                *(word for line in _OVERRIDES for word in ("-c", line)),
                *("-c", f"unix_socket_directories={folder}"),
                *("-c", f"hba_file={folder / 'hba.conf'}"),
                *("-c", f"ident_file={folder / 'ident.conf'}"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=folder,
            **server_user(),
        )
    try:
        _wait(process, folder, log, user, version)
        yield folder
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(_END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


_OVERRIDES = (
    "listen_addresses=",
    "port=5432",
    "archive_mode=off",
    "archive_command=",
    "primary_conninfo=",
    "primary_slot_name=",
    "synchronous_standby_names=",
    "shared_preload_libraries=",
    "logging_collector=off",
    "log_destination=stderr",
    "ssl=off",
    "shared_buffers=32MB",
    "fsync=off",
    "cluster_name=outfeed-drill",
    # Without it the limits of connections and locks may be those of this file.
    "hot_standby=off",
)


def _settings(folder: Path) -> str:
    return f"external_pid_file = '{folder / 'server.pid'}'\nmax_connections = 20\n"


def _wait(
    process: subprocess.Popen[bytes], folder: Path, log: Path, user: str, version: str
) -> None:
    ask = [find_program("pg_isready", version), "-q", "-h", str(folder), "-U", user]
    deadline_s = time.monotonic() + _START_S
    while subprocess.run(ask, check=False, cwd=folder, **server_user()).returncode:
        if process.poll() is not None or time.monotonic() > deadline_s:
            text = log.read_text(encoding="utf-8", errors="replace")
            raise BackupError(f"the scratch server does not start: {_last(text)}")
        time.sleep(0.1)


def _last(text: str) -> str:
    """Return the line of an output that states the error: FATAL before any other, else the last."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    fatal = [line for line in lines if "FATAL" in line or "ERROR" in line]
    return one_line((fatal or lines or ["no message"])[-1])
