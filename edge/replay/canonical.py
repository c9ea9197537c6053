"""The canonical text of a verdict. Two verdicts are equal if their texts are equal."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from edge.records import Verdict


def canonical(verdict: Verdict) -> str:
    """Return a verdict as JSON without spaces, with sorted keys.

    Each number is the shortest text that gives the same bits again. Timings are left out, because
    they differ in each replay.
    """
    return json.dumps(_fields(verdict), sort_keys=True, separators=(",", ":"))


def first_difference(recorded: Verdict, replayed: Verdict) -> str | None:
    """Return the first field that differs, with both values; None: the texts are equal."""
    if canonical(recorded) == canonical(replayed):
        return None
    return _differs("", _fields(recorded), _fields(replayed)) or "its text"


def _fields(verdict: Verdict) -> dict[str, Any]:
    fields = asdict(verdict)
    del fields["timings"]
    fields["decision"] = verdict.decision.value
    return fields


def _differs(where: str, recorded: object, replayed: object) -> str | None:
    if isinstance(recorded, dict) and isinstance(replayed, dict):
        pairs = [(f"{where}.{key}".lstrip("."), recorded[key], replayed[key]) for key in recorded]
    elif (
        isinstance(recorded, tuple)
        and isinstance(replayed, tuple)
        and len(recorded) == len(replayed)
    ):
        both = zip(recorded, replayed, strict=True)
        pairs = [(f"{where}[{i}]", one, other) for i, (one, other) in enumerate(both)]
    elif isinstance(recorded, tuple) and isinstance(replayed, tuple):
        return f"{where}: {len(replayed)}, recorded {len(recorded)}"
    else:
        same = json.dumps(recorded) == json.dumps(replayed)
        return None if same else f"{where}: {replayed!r}, recorded {recorded!r}"
    differences = (_differs(*pair) for pair in pairs)
    return next((each for each in differences if each is not None), None)
