"""Fixtures that the tests of several folders share."""

from __future__ import annotations

import importlib.util
import logging
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.support.cores import keep_to_own_core
from tests.support.shared import FOLDER_VARIABLE, shared_folder
from tests.support.slow import skip_slow

# The time of an example depends more on the load of the machine than on the code.
settings.register_profile("outfeed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("outfeed")

# Small networks on shared machines: more threads only wait for one another. Also for subprocesses.
os.environ.setdefault("OMP_NUM_THREADS", "1")

HAS_TORCH = importlib.util.find_spec("torch") is not None


def pytest_configure(config: pytest.Config) -> None:
    """Make the folder of tests/support/shared.py, before pytest-xdist starts its workers.
    A worker then takes its core."""
    keep_to_own_core()
    if FOLDER_VARIABLE in os.environ:
        return
    folder = tempfile.mkdtemp(prefix="outfeed-tests-")
    os.environ[FOLDER_VARIABLE] = folder

    def remove() -> None:
        os.environ.pop(FOLDER_VARIABLE, None)
        shutil.rmtree(folder, ignore_errors=True)

    config.add_cleanup(remove)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    skip_slow(items, os.environ)


@pytest.fixture(autouse=True)
def _log_as_it_was() -> Iterator[None]:
    """The command configures logging for its process, which here is that of all tests."""
    root = logging.getLogger()
    level = root.level
    yield
    root.setLevel(level)
    for handler in [handler for handler in root.handlers if handler.name == "outfeed"]:
        root.removeHandler(handler)


@pytest.fixture(autouse=True)
def _priority_as_it_was() -> Iterator[None]:
    """A command in this process may not lower its priority: later tests would be late."""
    before = os.getpriority(os.PRIO_PROCESS, 0)
    yield
    assert os.getpriority(os.PRIO_PROCESS, 0) == before, "the test changed the priority of pytest"


@pytest.fixture(autouse=True)
def _no_thread_remains() -> Iterator[None]:
    """A thread that outlives its test writes into the log, and the files, of the next one.

    Libraries keep threads of their own, so only those of the station count.
    """
    before = set(threading.enumerate())
    yield
    limit_s = time.monotonic() + 10
    while remaining := [
        one.name for one in threading.enumerate() if one not in before and _is_of_station(one)
    ]:
        assert time.monotonic() < limit_s, f"threads remain: {remaining}"
        time.sleep(0.01)


def _is_of_station(one: threading.Thread) -> bool:
    modules = (getattr(some, "__module__", "") for some in (getattr(one, "_target", None), one))
    return any(str(name).startswith("edge.") for name in modules)


@pytest.fixture(scope="session")
def tiny_run() -> Path:
    """The folder of a run trained for seconds on pictures that are easy. Read-only."""
    if not HAS_TORCH:
        pytest.skip("torch is not installed")
    from models.training.session import train_folder
    from tests.support.tinyrun import RECIPE, write_pictures

    def train(folder: Path) -> None:
        train_folder(write_pictures(folder / "data"), RECIPE, folder / "run")

    return shared_folder("tiny run", train) / "run"
