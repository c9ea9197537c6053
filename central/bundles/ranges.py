"""The range and the conditions of a request for a file (RFC 9110, sections 13 and 14)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

_RANGE = re.compile(r"bytes\s*=\s*([0-9]{0,18})\s*-\s*([0-9]{0,18})\s*", re.IGNORECASE)
_TAG = re.compile(r'(W/)?"[\x21\x23-\x7e]*"')


@dataclass(frozen=True, slots=True)
class FileAnswer:
    """The answer: its status, and the bytes from ``first`` up to ``end``, which is exclusive."""

    status: HTTPStatus
    first: int = 0
    end: int = 0


def answer_for(headers: Mapping[str, str], size_bytes: int, tag: str) -> FileAnswer:
    """Return what a GET with these headers gets of a file that never changes.

    headers: a mapping that ignores the case of names. tag: the strong entity tag, with its quotes.
    One range is answered with 206. A header with several ranges, another unit or a wrong form is
    ignored, as section 14.2 permits, and so is one whose If-Range names another file.
    """
    wanted = headers.get("If-Match")
    if wanted is not None and not _has(wanted, tag, weak=False):
        return FileAnswer(HTTPStatus.PRECONDITION_FAILED)
    known = headers.get("If-None-Match")
    if known is not None and _has(known, tag, weak=True):
        return FileAnswer(HTTPStatus.NOT_MODIFIED)
    whole = FileAnswer(HTTPStatus.OK, 0, size_bytes)
    found = _RANGE.fullmatch(headers.get("Range", "").strip())
    if found is None or headers.get("If-Range", tag).strip() != tag:
        return whole
    first, last = found[1], found[2]
    if first:
        if last and int(last) < int(first):
            return whole
        begin, end = int(first), min(int(last) + 1 if last else size_bytes, size_bytes)
    elif last:
        begin, end = max(0, size_bytes - int(last)), size_bytes
    else:
        return whole
    if begin >= end:
        return FileAnswer(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)
    return FileAnswer(HTTPStatus.PARTIAL_CONTENT, begin, end)


def _has(header: str, tag: str, *, weak: bool) -> bool:
    """Return whether a list of tags, or ``*``, has this one. weak: weak tags count too."""
    if header.strip() == "*":
        return True
    found = (each.group() for each in _TAG.finditer(header))
    return any(each == tag or (weak and each == f"W/{tag}") for each in found)
