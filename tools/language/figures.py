"""Hits of every rule in a repository, and the bars that `make check` holds."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tools.language import structure
from tools.language.sources import read_blocks, tracked_files
from tools.language.structure import PythonFile
from tools.language.text import TextBlock, sentences
from tools.language.words import WORDS, banned_words, read_terms

MAX_WORDS = 30
MIN_WORDS = 3  # fewer are a label, and no sentence of the share
MAX_LONG_SHARE = 0.02

# kind: what a hit is. The order is that of the table.
KINDS = {
    "sentences": f"sentences over {MAX_WORDS} words",
    "openers": "docstrings that open with a question word",
    "words": "banned words",
    "classes": "public class names used twice",
    "functions": f"functions over {structure.MAX_FUNCTION_LINES} lines",
    "files": f"files over {structure.MAX_FILE_LINES} lines without a reason",
    "imports": "imports of test modules",
    "fragments": f"files under {structure.MIN_FILE_LINES} lines",
    "names": "names to replace",
}
BARRED = ("openers", "words", "classes", "functions", "files", "imports")


@dataclass(frozen=True, slots=True)
class LanguageHit:
    """One place that a rule of `KINDS` finds."""

    kind: str
    path: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.text}"


@dataclass(slots=True)
class LanguageFigures:
    """The hits of a repository, and the sentences that it has in each folder."""

    hits: list[LanguageHit] = field(default_factory=list)
    sentences: Counter[str] = field(default_factory=Counter)

    def of(self, kind: str, within: str = "") -> list[LanguageHit]:
        """Return the hits of one kind, below one folder or file."""
        return [hit for hit in self.hits if hit.kind == kind and is_within(hit.path, within)]

    def count(self, kind: str) -> int:
        """Return the number of hits. Of classes: of names, not of places."""
        hits = self.of(kind)
        return len({hit.text for hit in hits}) if kind == "classes" else len(hits)

    def long_share(self) -> float:
        """Return the share of sentences over 30 words, 0 to 1."""
        return self.count("sentences") / max(1, sum(self.sentences.values()))

    def broken(self) -> list[str]:
        """Return one line for each bar that is broken."""
        lines = [
            f"{self.count(kind)} {KINDS[kind]}; none is allowed"
            for kind in BARRED
            if self.count(kind)
        ]
        if self.long_share() >= MAX_LONG_SHARE:
            share = f"{self.long_share():.1%} of the sentences have over {MAX_WORDS} words"
            lines.insert(0, f"{share}; the bar is {MAX_LONG_SHARE:.0%}")
        return lines


def is_within(path: str, folder: str) -> bool:
    """Return True for the folder or file itself and everything below it; "" is the repository."""
    folder = folder.removeprefix("./").rstrip("/")
    return folder in {"", "."} or path == folder or path.startswith(f"{folder}/")


def folder_of(path: str) -> str:
    """Return the folder that a table has a row for: two levels of `edge`, one of the others."""
    parts = path.split("/")
    if len(parts) == 1:
        return path
    return "/".join(parts[:2]) if len(parts) > 2 and parts[0] in {"edge", "docs"} else parts[0]


def measure(root: Path, within: str = "") -> LanguageFigures:
    """Apply every rule to the files that Git knows. Raises OSError and ValueError."""
    terms = read_terms(root)
    figures = LanguageFigures()
    files: list[PythonFile] = []
    for path in tracked_files(root):
        if path.endswith(".py"):
            text = (root / path).read_text(encoding="utf-8")
            files.append(PythonFile(path, text, ast.parse(text, path)))
        if is_within(path, within) and path != str(WORDS):
            blocks = list(read_blocks(root, path))
            _add_sentences(figures, path, blocks)
            for block, line, word, use in banned_words(blocks, terms):
                hit = LanguageHit("words", path, line, f'"{word}": use {use} ({block.kind})')
                figures.hits.append(hit)
    for path, line, name in structure.duplicate_classes(files):
        figures.hits.append(LanguageHit("classes", path, line, name))
    for file in files:
        if is_within(file.path, within):
            figures.hits.extend(_structure_hits(file))
            for line, name, use in structure.poor_names(file, terms):
                figures.hits.append(LanguageHit("names", file.path, line, f"{name}: use {use}"))
    return figures


def _add_sentences(figures: LanguageFigures, path: str, blocks: list[TextBlock]) -> None:
    for block in blocks:
        for sentence in sentences(block):
            figures.sentences[folder_of(path)] += sentence.words >= MIN_WORDS
            if sentence.words > MAX_WORDS:
                text = f"{sentence.words} words ({sentence.kind}): {sentence.text}"
                figures.hits.append(LanguageHit("sentences", path, sentence.line, text))


def _structure_hits(file: PythonFile) -> Iterator[LanguageHit]:
    for line, text in structure.openers(file):
        yield LanguageHit("openers", file.path, line, text)
    for line, name, lines in structure.long_functions(file):
        yield LanguageHit("functions", file.path, line, f"{name} has {lines} lines")
    lines = file.text.count("\n")
    if structure.needs_reason(file):
        yield LanguageHit("files", file.path, 1, f"{lines} lines")
    if structure.is_fragment(file):
        yield LanguageHit("fragments", file.path, 1, f"{lines} lines")
    for line, module in structure.test_imports(file):
        yield LanguageHit("imports", file.path, line, module)
