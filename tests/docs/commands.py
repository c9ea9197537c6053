"""The commands that the guides tell people to type."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob("docs/**/*.md"))
# The pages in docs/reference are generated from the commands themselves.
GUIDES = (
    "README.md",
    "CONTRIBUTING.md",
    "firmware-config/README.md",
    *(page for page in PAGES if not page.startswith("docs/reference/")),
)
# Help texts and messages name commands in backticks too.
SOURCES = tuple(
    path.relative_to(ROOT).as_posix()
    for folder in ("edge", "models", "export", "bench", "firmware-config")
    for path in sorted((ROOT / folder).rglob("*"))
    if path.suffix in (".py", ".toml", ".sh", ".service")
)
_FENCED = re.compile(r"^```[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`([^`\n]+)`")
_PROMPT = re.compile(r"^(?:[a-z]+)?\$\s+")
_STARTS = ("make", "outfeed", "python")


@dataclass(frozen=True, slots=True)
class Command:
    """words: what the shell makes of it, without prompt, sudo and comment. program: of its first
    word, the name alone."""

    guide: str
    words: tuple[str, ...]
    fenced: bool

    @property
    def program(self) -> str:
        return Path(self.words[0]).name

    def __str__(self) -> str:
        return f"{self.guide}: {shlex.join(self.words)}"


def commands(guide: str) -> Iterator[Command]:
    """Every command of a guide, or in backticks of a source, that starts with make, outfeed or
    python."""
    text = (ROOT / guide).read_text(encoding="utf-8")
    if guide in SOURCES:
        text = re.sub(r'"\s*\n\s*f?"', "", text).replace("``", "`")
    for block in _FENCED.findall(text):
        for line in re.sub(r"\\\n\s*", " ", block).splitlines():
            yield from _command(guide, line, fenced=True)
    for inline in _INLINE.findall(_FENCED.sub("", text)):
        yield from _command(guide, inline, fenced=False)


def _command(guide: str, line: str, *, fenced: bool) -> Iterator[Command]:
    line = _PROMPT.sub("", line.strip())
    try:
        words = shlex.split(line, comments=True)
    except ValueError:
        return
    while words and (words[0] in ("sudo", "-u") or re.fullmatch(r"[A-Z_]+=\S*", words[0])):
        words = words[2:] if words[0] == "-u" else words[1:]
    if words and words[0].startswith("/var/"):
        return  # a line of /etc/fstab
    if words and Path(words[0]).name in _STARTS and (fenced or len(words) > 1):
        yield Command(guide, tuple(words), fenced)
