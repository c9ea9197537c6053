"""Fingerprints of the parts of a station on which the figures of a commissioning depend."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from edge.bundle import Bundle
from edge.config.station import StationConfig
from edge.engines.selection import processor

# Keys that do not affect any measured figure.
_ASIDE = {
    "trigger": {"parts", "seed"},
    "output": {"record"},
    "line": {"purge_at_start", "require_commission", "travel_ms", "travel_counts", "pulse_ms"},
}
_SECTIONS = ("camera", "trigger", "engine", "output", "encoder", "ejector_eye", "line")


def fingerprints(config: StationConfig, bundle: Bundle) -> dict[str, str]:
    """Return a digest of 12 hex digits for each part of the station, by name.

    The names are the sections of station.toml, and travel, pulse, bundle and machine. Travel and
    pulse belong to [line], but have their own digest because steps measure them. The digest of
    "engine" includes the engine that ``outfeed bench --select`` has chosen; this reads its file.
    """
    values: dict[str, Any] = {}
    for name in _SECTIONS:
        section = getattr(config, name)
        values[name] = None if section is None else section.model_dump(mode="json")
        for key in _ASIDE.get(name, ()):
            values[name].pop(key, None)
    values["engine"]["chosen"] = _chosen(config)
    values["travel"] = [config.line.travel_ms, config.line.travel_counts]
    values["pulse"] = config.line.pulse_ms
    values["bundle"] = bundle.digest
    values["machine"] = processor()
    return {name: _digest(value) for name, value in values.items()}


def bundle_fingerprint(digest: str) -> str:
    """Return the fingerprint of a bundle with this digest."""
    return _digest(digest)


def changed_names(then: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Return the names whose digest differs, in the order of ``then``."""
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
