"""A PostgreSQL server whose backups pgBackRest makes, with the shipped configuration."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.postgresql import PostgresqlServer, missing_postgresql

SHIPPED = Path(__file__).parents[2] / "firmware-config" / "central" / "postgresql"
STANZA = "outfeed"


def missing_pgbackrest() -> str:
    """Why no such server can be started here; empty if one can."""
    if shutil.which("pgbackrest") is None:
        return "pgbackrest is not installed"
    return missing_postgresql()


def assignments(path: Path) -> dict[str, str]:
    """The settings of a file of PostgreSQL, without quotes."""
    found = re.findall(r"^(\w+) = '?(.*?)'?$", path.read_text(), re.MULTILINE)
    return dict(found)


class BackedUpServer:
    """One server on a free port, its repository, and pgBackRest on both.

    The shipped files are used as they are, apart from folders, the port and the user.
    """

    def __init__(self) -> None:
        self.server = PostgresqlServer()
        self.folder = self.server.folder
        self.data = self.folder / "data"
        self.config = self.folder / "pgbackrest.conf"
        text = (SHIPPED / "pgbackrest.conf").read_text()
        own = {
            "repo1-path": self.folder / "repository",
            "log-path": self.folder / "log",
            "pg1-path": self.data,
            "pg1-port": self.server.port,
        }
        for key, value in own.items():
            text, count = re.subn(rf"^{key}=.*$", f"{key}={value}", text, flags=re.MULTILINE)
            assert count == 1, key
        text += f"pg1-socket-path={self.folder}\npg1-user=outfeed\n"
        text = text.replace(
            "[global]",
            f"[global]\nlock-path={self.folder / 'lock'}\nspool-path={self.folder / 'spool'}",
        )
        self.config.write_text(text)
        archive = assignments(SHIPPED / "archive.conf")
        command = archive["archive_command"]
        assert command == f"pgbackrest --stanza={STANZA} archive-push %p"
        archive["archive_command"] = command.replace(" --", f" --config={self.config} --", 1)
        # Shorter than shipped: a test does not wait for a minute.
        self.server.settings = {**archive, "archive_timeout": "1"}

    def pgbackrest(self, *arguments: str) -> str:
        return self.server.run(
            shutil.which("pgbackrest") or "",
            f"--config={self.config}",
            f"--stanza={STANZA}",
            *arguments,
        )

    def as_written(self, command: str) -> str:
        """Run a command of a page, which begins with `sudo -u postgres pgbackrest`."""
        words = shlex.split(command)
        assert words[:4] == ["sudo", "-u", "postgres", "pgbackrest"], command
        assert words[4] == f"--stanza={STANZA}"
        return self.pgbackrest(*words[5:])


@contextmanager
def backed_up_server() -> Iterator[BackedUpServer]:
    own = BackedUpServer()
    try:
        own.server.start()
        yield own
    finally:
        own.server.close()
