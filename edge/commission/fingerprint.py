"""What a commissioning holds for: the parts of a station that its figures depend on, as digests."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from edge.bundle import Bundle
from edge.config.station import StationConfig
from edge.engines.selection import processor

# Keys that change nothing of what was measured.
_ASIDE = {
    "trigger": {"parts", "seed"},
    "output": {"record"},
    "line": {"purge_at_start", "require_commission", "travel_ms", "travel_counts", "pulse_ms"},
}
_SECTIONS = ("camera", "trigger", "engine", "output", "encoder", "ejector_eye", "line")


def subject(config: StationConfig, bundle: Bundle) -> dict[str, str]:
    """Name → digest, 12 hex digits. Reads what ``outfeed bench --select`` chose. Names: sections of
    station.toml, and travel, pulse, bundle and machine; the first two are of [line], and apart from
    it because steps measure them."""
    found: dict[str, Any] = {}
    for name in _SECTIONS:
        section = getattr(config, name)
        found[name] = None if section is None else section.model_dump(mode="json")
        for key in _ASIDE.get(name, ()):
            found[name].pop(key, None)
    found["engine"]["chosen"] = _chosen(config)
    found["travel"] = [config.line.travel_ms, config.line.travel_counts]
    found["pulse"] = config.line.pulse_ms
    found["bundle"] = bundle.digest
    found["machine"] = processor()
    return {name: _digest(value) for name, value in found.items()}


def changed(then: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Names of what is not as it was, in order."""
    return [name for name, digest in then.items() if now.get(name) != digest]


def _chosen(config: StationConfig) -> str:
    if config.engine.kind != "auto":
        return ""
    try:
        return config.paths.engine.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _digest(value: object) -> str:
    text = json.dumps(value, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
