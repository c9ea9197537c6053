"""Blocks of prose and the sentences in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

# A masked character stands for one of code or of an address: it belongs to one word.
_MASK = "x"
_CODE = re.compile(r"(`+)(?!`)(.+?)(?<!`)\1(?!`)", re.DOTALL)
_LINK_TARGET = re.compile(r"\]\([^()\s]*(?:\([^()\s]*\)[^()\s]*)*(?:\s+\"[^\"]*\")?\)")
_TAG = re.compile(r"</?[a-zA-Z][^<>]*>|<!--.*?-->", re.DOTALL)
_ADDRESS = re.compile(r"\b(?:https?|mqtts?|file)://[^\s)>\]]*[^\s)>\].,;:!?]")
# Longer ones are taken for two inch marks or an apostrophe.
_QUOTATION = re.compile(r"\"[^\"]{1,200}\"|“[^”]{1,200}”|„[^“”]{1,200}[“”]", re.DOTALL)
_END = re.compile(r"[.!?…]+[\"')\]”’*_]*(?=\s|$)")
_LAST_WORD = re.compile(r"[^\s(\[\"“]+$")
_WORD = re.compile(r"\S*\w\S*")

_ABBREVIATIONS = frozenset(
    re.findall(
        r"\w+",
        "al approx app art ca cf ch ed eds eq eqs etc fig figs incl inc max min no nos p pp resp"
        " sec st tab vol vs",
    )
)
# Those that also end a sentence, if a capital letter follows.
_MAY_END = frozenset({"etc", "al", "no", "max", "min", "st", "p"})


@dataclass(frozen=True, slots=True)
class TextBlock:
    """A paragraph, a list item, a heading, a comment or one string of a program.

    lines: the number of each line of the text in its file, from 1.
    """

    path: str
    kind: str
    text: str
    lines: tuple[int, ...]

    def line_at(self, offset: int) -> int:
        """Return the number of the line that holds the character at this offset."""
        index = self.text.count("\n", 0, offset)
        return self.lines[min(index, len(self.lines) - 1)]


@dataclass(frozen=True, slots=True)
class ProseSentence:
    """One sentence and its length. A span of code or an address counts as one word."""

    path: str
    line: int
    kind: str
    text: str
    words: int


def masked(text: str) -> str:
    """Return the text at the same length, with code and addresses as one word each and without the
    targets of links and the tags of HTML."""
    text = _CODE.sub(lambda match: _MASK * len(match[0]), text)
    text = _LINK_TARGET.sub(lambda match: " " * len(match[0]), text)
    text = _ADDRESS.sub(lambda match: _MASK * len(match[0]), text)
    return _TAG.sub(lambda match: " " * len(match[0]), text)


def own_words(text: str) -> str:
    """Return the text at the same length, without code, addresses and quotations."""
    text = _CODE.sub(lambda match: " " * len(match[0]), text)
    text = _LINK_TARGET.sub(lambda match: " " * len(match[0]), text)
    text = _ADDRESS.sub(lambda match: " " * len(match[0]), text)
    text = _TAG.sub(lambda match: " " * len(match[0]), text)
    return _QUOTATION.sub(lambda match: " " * len(match[0]), text)


def sentences(block: TextBlock) -> Iterator[ProseSentence]:
    """Yield the sentences of a block. The end of the block ends the last one."""
    text = masked(block.text)
    start = 0
    for end in [*_ends(text), len(text)]:
        words = sum(1 for _ in _WORD.finditer(text, start, end))
        if words:
            first = _WORD.search(text, start, end)
            begin = first.start() if first else start
            whole = " ".join(block.text[begin:end].split())
            yield ProseSentence(block.path, block.line_at(begin), block.kind, whole, words)
        start = end


def _ends(text: str) -> Iterator[int]:
    for match in _END.finditer(text):
        after = text[match.end() :].lstrip()
        if match[0].startswith(".") and not match[0].startswith("..") and after:
            last = _LAST_WORD.search(text, 0, match.start())
            if last and _is_abbreviation(last[0], after):
                continue
            if last and last[0].isdigit() and not text[: last.start()].strip():
                continue  # the number of a heading
        yield match.end()


def _is_abbreviation(word: str, after: str) -> bool:
    word = word.lower()
    if re.fullmatch(r"(?:[a-z]\.)+[a-z]", word):  # e.g., i.e., a.m.
        return True
    if word in _MAY_END:
        return not after[0].isupper()
    return word in _ABBREVIATIONS or bool(re.fullmatch(r"[b-hj-z]", word) and after[0].isupper())
