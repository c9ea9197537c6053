"""The page of every log event in the source of ``edge`` and ``central``.

A log line begins with the name of its event: ``_log.warning("camera_lost reason=%s", error)``.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tools.reference.markdown import generated, table

ROOT = Path(__file__).parents[2]
_LEVELS = ("debug", "info", "warning", "error", "critical", "exception")
_EVENT = re.compile(r"([a-z%][a-z0-9_%]*)(:? |$|:)(.*)", re.DOTALL)
_FIELD = re.compile(r"\b([a-z][a-z0-9_]*)=")
_INTRODUCTION = """\
Services log to standard error, which systemd keeps in its journal: `journalctl -u
outfeed-station`. Each line begins with the name of an event, followed by `key=value` pairs.
`outfeed run`, `outfeed uplink` and `outfeed-central` log from level INFO on, every other command
from WARNING on.
The option `--verbose` adds DEBUG, `--quiet` leaves ERROR and CRITICAL only. Nothing is logged
per frame above DEBUG. A level of *error with traceback* means that Python's traceback follows.

The message *after the name* explains the event where its fields do not. `%s` stands for a value.
"""


@dataclass(frozen=True, slots=True)
class LogEvent:
    """One log call: the event's name, its level, its keys, further text, and the module."""

    name: str
    level: str
    fields: tuple[str, ...]
    text: str
    module: str


def page() -> str:
    """Return the page as Markdown."""
    merged: dict[tuple[str, str, tuple[str, ...], str], set[str]] = {}
    for event in (*find_events(ROOT / "edge"), *find_events(ROOT / "central")):
        key = (event.name, event.level, event.fields, event.text)
        merged.setdefault(key, set()).add(event.module)
    rows = [
        [
            f"`{name}`",
            level,
            ", ".join(f"`{field}`" for field in fields),
            text,
            ", ".join(f"`{module}`" for module in sorted(modules)),
        ]
        for (name, level, fields, text), modules in sorted(merged.items())
    ]
    header = ["event", "level", "keys", "message after the name", "logged by"]
    return generated("Log events", _INTRODUCTION) + "\n" + table(header, rows)


def find_events(folder: Path) -> Iterator[LogEvent]:
    """Yield every log call with a constant message below the folder, by path and line."""
    for path in sorted(folder.rglob("*.py")):
        module = path.relative_to(folder.parent).as_posix()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and (event := _event(node, module)) is not None:
                yield event


def _event(call: ast.Call, module: str) -> LogEvent | None:
    function = call.func
    if not (
        isinstance(function, ast.Attribute)
        and function.attr in _LEVELS
        and isinstance(function.value, ast.Name)
        and function.value.id in ("log", "_log", "logger", "_logger")
        and call.args
        and isinstance(call.args[0], ast.Constant)
        and isinstance(call.args[0].value, str)
    ):
        return None
    message = call.args[0].value
    match = _EVENT.match(message)
    if match is None or ("_" not in match[1] and " " in message and "=" not in message):
        return None
    fields = tuple(_FIELD.findall(message))
    rest = re.sub(r"\b[a-z0-9_]+=%\S+ ?", "", match[3]).strip(" :;")
    level = "error with traceback" if function.attr == "exception" else function.attr
    return LogEvent(match[1], level, fields, "" if rest == "%s" else rest, module)
