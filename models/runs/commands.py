"""The commands that pages and messages suggest next, ready to be pasted."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path


def make(target: str, **variables: str | Path) -> str:
    """Return a line like ``make export RUN='my runs/tiles'``, quoted for the shell."""
    words = (f"{name}={shlex.quote(str(value))}" for name, value in variables.items())
    return " ".join(("make", target, *words))


def outfeed(*words: str | Path) -> str:
    """Return a line like ``.venv/bin/outfeed bundle sign …``.

    It names the command beside the running Python, relative to the current folder if it lies below.
    """
    path = Path(sys.executable).parent / "outfeed"
    if path.is_relative_to(Path.cwd()):
        path = path.relative_to(Path.cwd())
    return shlex.join(str(word) for word in (path, *words))
