"""The commands that a page or a terminal tells people to type next, ready to be pasted."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path


def make(target: str, **variables: str | Path) -> str:
    """As ``make export RUN='my runs/tiles'``: what the shell would split is quoted."""
    words = (f"{name}={shlex.quote(str(value))}" for name, value in variables.items())
    return " ".join(("make", target, *words))


def outfeed(*words: str | Path) -> str:
    """As ``.venv/bin/outfeed bundle sign …``: the command beside the Python that runs this, from
    the current folder where it lies below it."""
    path = Path(sys.executable).parent / "outfeed"
    if path.is_relative_to(Path.cwd()):
        path = path.relative_to(Path.cwd())
    return shlex.join(str(word) for word in (path, *words))
