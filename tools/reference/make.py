"""The page of make targets, from the comment at the head of the Makefile."""

from __future__ import annotations

import re
from pathlib import Path

from tools.reference.markdown import generated, table

ROOT = Path(__file__).parents[2]
_TARGET = re.compile(r"#   make (\S+) +(.*)")
_INTRODUCTION = """\
Each target sets up what it needs in a virtual environment of the checkout. A machine with make and
Python 3.10 to 3.13 is enough.
"""


def page() -> str:
    """Return the page as Markdown."""
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    rows = []
    for line in text.splitlines():
        if (match := _TARGET.match(line)) is not None:
            arguments, _, meaning = (
                match[2].rpartition(": ") if "=" in match[2] else ("", "", match[2])
            )
            words = f"make {match[1]} {arguments}".strip()
            rows.append([f"`{words}`", meaning])
    return generated("Make targets", _INTRODUCTION) + "\n" + table(["command", "purpose"], rows)
