"""Processes that Outfeed starts of itself: which program, and which files it may come from."""

from __future__ import annotations

import os
import sys
from pathlib import Path

# Python with -m looks for modules in the folder that it is started in, ahead of all others: whoever
# can write that folder would have his own `edge` run. Paths that a child is given are absolute.
FOLDER = "/"


def command_of(module: str, *arguments: str) -> list[str]:
    """The command that runs a module of Outfeed; to be started in FOLDER."""
    return [sys.executable, "-m", module, *arguments]


def environment_of() -> dict[str, str]:
    """This process's environment, in which the package is found wherever it was started from."""
    paths = [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
