"""A core of its own for each process of a test run, for tests that compare times."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

VARIABLE = "OUTFEED_TEST_CORES"


def own_core(environment: Mapping[str, str], cores: Sequence[int]) -> int | None:
    """Return the core of this worker of pytest-xdist, where the run gives each worker its own.

    cores: those that the process may use. None: the run is not of that kind, or this process is no
    worker, or there are fewer cores than workers.
    """
    worker = environment.get("PYTEST_XDIST_WORKER", "")
    if environment.get(VARIABLE) != "own" or not worker.startswith("gw"):
        return None
    if len(cores) < int(environment.get("PYTEST_XDIST_WORKER_COUNT", "1")):
        return None
    return sorted(cores)[int(worker.removeprefix("gw")) % len(cores)]


def keep_to_own_core() -> None:
    """Keep this process and all processes that it will start to `own_core`, where it has one."""
    if not hasattr(os, "sched_setaffinity"):  # not Linux
        return
    core = own_core(os.environ, sorted(os.sched_getaffinity(0)))
    if core is not None:
        os.sched_setaffinity(0, {core})
