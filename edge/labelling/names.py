"""Names that people enter in the page: kinds of defects, and their own."""

from __future__ import annotations

from collections.abc import Iterable

from edge.data_folder.names import GOOD_FOLDERS, MASKS, is_split, plain
from edge.labelling.errors import LabelPageError

MOST_KIND_CHARS = 60
MOST_PERSON_CHARS = 60
_NOT_IN_FILES = '/\\:*?"<>|'


def check_kind(name: str, known: Iterable[str]) -> str:
    """Return the name of a kind in Unicode form NFC, as a folder in masks/ may have it.

    known: the kinds that exist. Raises LabelPageError, one line that states what was expected.
    """
    kind = plain(name)
    if not kind or len(kind) > MOST_KIND_CHARS or not kind.isprintable() or kind != kind.strip():
        raise LabelPageError(
            f"kind {kind[:MOST_KIND_CHARS]!r}: expected 1 to {MOST_KIND_CHARS} printable "
            "characters, without a space at either end"
        )
    if kind.startswith(".") or kind.endswith(".") or any(each in kind for each in _NOT_IN_FILES):
        raise LabelPageError(
            f"kind {kind!r}: expected a name for a folder: no point at either end, and none of "
            f"{' '.join(_NOT_IN_FILES)}"
        )
    if kind.lower() in (*GOOD_FOLDERS, MASKS) or is_split(kind):
        raise LabelPageError(
            f"kind {kind!r}: has another meaning in a data folder; use another name"
        )
    for other in known:
        if other.lower() == kind.lower() and other != kind:
            raise LabelPageError(
                f"kind {kind!r}: differs from {other!r} in capitals only; use that"
            )
    return kind


def check_person(name: str) -> str:
    """Return the name of a person without spaces at the ends. Raises LabelPageError."""
    person = plain(name).strip()
    if not 1 <= len(person) <= MOST_PERSON_CHARS or not person.isprintable():
        raise LabelPageError(f"name: expected 1 to {MOST_PERSON_CHARS} printable characters")
    return person
