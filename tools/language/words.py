"""The banned words: docs/reference/words.toml, beside the glossary that replaces them."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.language.text import TextBlock, own_words

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

WORDS = Path("docs/reference/words.toml")


@dataclass(frozen=True, slots=True)
class BannedTerm:
    """Words that one term replaces.

    allowed: phrases in which the words mean something else. names: parts of identifiers, and exact:
    whole ones, that a better name replaces.
    """

    use: str
    words: tuple[str, ...]
    allowed: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    exact: tuple[str, ...] = ()

    def pattern(self) -> re.Pattern[str] | None:
        """Return an expression for the words as a whole, or None where there are only names."""
        return _any_of(self.words) if self.words else None


def read_terms(root: Path) -> tuple[BannedTerm, ...]:
    """Read the banned words. Raises OSError and ValueError."""
    with (root / WORDS).open("rb") as file:
        entries = tomllib.load(file)["term"]
    return tuple(
        BannedTerm(
            use=entry["use"],
            words=tuple(entry.get("words", ())),
            allowed=tuple(entry.get("allowed", ())),
            names=tuple(entry.get("names", ())),
            exact=tuple(entry.get("exact", ())),
        )
        for entry in entries
    )


def banned_words(
    blocks: Iterator[TextBlock] | Sequence[TextBlock], terms: Sequence[BannedTerm]
) -> Iterator[tuple[TextBlock, int, str, str]]:
    """Yield a block, a line, the banned word in it and the term to use.

    Code, addresses, quotations and allowed phrases are left out.
    """
    patterns = [(term, term.pattern(), _any_of(term.allowed)) for term in terms]
    for block in blocks:
        text = own_words(block.text)
        for term, pattern, allowed in patterns:
            if pattern is None or not pattern.search(text):
                continue
            rest = text
            if term.allowed:
                rest = allowed.sub(lambda match: " " * len(match[0]), text)
            for match in pattern.finditer(rest):
                word = " ".join(match[0].split())
                yield block, block.line_at(match.start()), word, term.use


def _any_of(phrases: Sequence[str]) -> re.Pattern[str]:
    """A phrase may be broken over lines; an identifier such as `is_dead` is no word."""
    spaced = (r"\s+".join(map(re.escape, phrase.split())) for phrase in phrases)
    return re.compile(rf"(?<![\w/.-])(?:{'|'.join(spaced)})(?![\w(]|\.\w)", re.IGNORECASE)
