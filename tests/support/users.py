"""Other users of the machine, where root runs the tests: by number, so none has to be made."""

from __future__ import annotations

# Loaded now: below a root's home another user could not read them any more.
import encodings.ascii
import encodings.idna
import encodings.latin_1  # noqa: F401
import os
import shutil
import signal
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

STATION, UPLINK, STRANGER, GROUP = 61_001, 61_002, 61_003, 61_001
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as other users")


def acting_as(task: Callable[[], object], uid: int = 0, gid: int = GROUP) -> str:
    """Run the task in a child process of that user; what it returned, as text, or the last line of
    its error. Fails where the child does not end within 60 s."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(60)
        try:
            if uid:
                os.setgroups([])
                os.setresgid(gid, gid, gid)
                os.setresuid(uid, uid, uid)
                os.umask(0o027)
            said = str(task())
        except BaseException:  # noqa: BLE001 - the child of a test says what it was, and ends
            said = traceback.format_exc().strip().splitlines()[-1]
        os.write(writer, said.encode()[:60_000])
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        said = pipe.read().decode()
    os.waitpid(child, 0)
    return said


@contextmanager
def open_folder() -> Iterator[Path]:
    """A folder that every user may pass through, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="outfeed-users-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def owned(path: Path, uid: int, gid: int = GROUP, mode: int = 0o750) -> Path:
    """The folder, made where it is not there, given to the user."""
    path.mkdir(exist_ok=True)
    os.chown(path, uid, gid)
    path.chmod(mode)
    return path
