"""A verdict as bytes: two verdicts are the same if these are."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from edge.records import Verdict


def canonical(verdict: Verdict) -> str:
    """JSON without spaces, keys sorted, every number as the shortest text that gives the same bits
    again. Without timings, which no replay repeats."""
    return json.dumps(_told(verdict), sort_keys=True, separators=(",", ":"))


def first_difference(recorded: Verdict, seen: Verdict) -> str | None:
    """The first field that differs, in the order of a verdict, with both values; None: no byte
    does."""
    if canonical(recorded) == canonical(seen):
        return None
    return _differs("", _told(recorded), _told(seen)) or "its text"


def _told(verdict: Verdict) -> dict[str, Any]:
    told = asdict(verdict)
    del told["timings"]
    told["decision"] = verdict.decision.value
    return told


def _differs(where: str, recorded: object, seen: object) -> str | None:
    if isinstance(recorded, dict) and isinstance(seen, dict):
        pairs = [(f"{where}.{key}".lstrip("."), recorded[key], seen[key]) for key in recorded]
    elif isinstance(recorded, tuple) and isinstance(seen, tuple) and len(recorded) == len(seen):
        both = zip(recorded, seen, strict=True)
        pairs = [(f"{where}[{i}]", one, other) for i, (one, other) in enumerate(both)]
    elif isinstance(recorded, tuple) and isinstance(seen, tuple):
        return f"{where}: {len(seen)}, recorded {len(recorded)}"
    else:
        same = json.dumps(recorded) == json.dumps(seen)
        return None if same else f"{where}: {seen!r}, recorded {recorded!r}"
    found = (_differs(*pair) for pair in pairs)
    return next((each for each in found if each is not None), None)
