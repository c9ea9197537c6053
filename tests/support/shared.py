"""Results that take long to make, made once for all processes of one test run.

tests/conftest.py names their folder in the environment, so that the workers of pytest-xdist and the
commands that tests start find it. The folder is empty when the run begins and removed at its end.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

FOLDER_VARIABLE = "OUTFEED_TEST_SHARED"


def shared_folder(key: str, make: Callable[[Path], object]) -> Path:
    """Return the folder of this key, which ``make`` has filled. Read-only for all its users.

    make: gets the empty folder. Only the first process calls it; others block until it has
    returned. Where it raises, the next process calls it again.
    """
    with _locked(key) as folder:
        finished = folder.with_suffix(".made")
        if not finished.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            make(folder)
            finished.touch()
    return folder


def shared_bytes(key: str, make: Callable[[], bytes]) -> bytes:
    """Return the bytes that ``make`` returned in the first process that asked for this key."""
    folder = shared_folder(key, lambda made: (made / "bytes").write_bytes(make()))
    return (folder / "bytes").read_bytes()


@contextmanager
def _locked(key: str) -> Iterator[Path]:
    root = Path(os.environ[FOLDER_VARIABLE])
    folder = root / hashlib.sha256(key.encode()).hexdigest()[:24]
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder
