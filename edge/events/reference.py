"""Writes docs/topics.md from the models: ``python -m edge.events.reference > docs/topics.md``."""

from __future__ import annotations

import inspect
import json
from typing import Any

from pydantic import BaseModel

from edge.events.condition import DriftEvent, SentinelEvent
from edge.events.event import ActuationEvent, GapEvent, MarkEvent, PartEvent, StatusEvent
from edge.events.identity import Identity, wire_schema
from edge.events.start import StartEvent
from edge.events.topics import Topics

_JOURNALLED: tuple[type[BaseModel], ...] = (
    StartEvent,
    PartEvent,
    ActuationEvent,
    MarkEvent,
    DriftEvent,
    SentinelEvent,
    GapEvent,
)

_INTRODUCTION = """\
# Topics and payloads

<!-- Written by `python -m edge.events.reference > docs/topics.md`: do not edit. -->

| topic | what | QoS | retained |
|---|---|---|---|
| `{events}` | everything that happens, in the order of the journal | 1 | no |
| `{status}` | online or offline; the last will says offline | 1 | yes |

`outfeed/v1` is `uplink.topic_prefix` of station.toml. Payloads are one JSON object in UTF-8.
Numbers are finite; times are explained by their names: `*_ns` is the monotonic clock of the boot
`boot_id` and compares only within that boot, `*_us` are microseconds.

For receivers:

- The station is the one that the topic names, which the broker's access list guards. Refuse a
  payload that names another.
- Events come at least once. Drop a repeat: an event with an `event_id` that you have seen and the
  same content. On MQTT 5 the `event_id` is also a user property. The same `event_id` with another
  content is a fault: keep both and report it. One exception: a `{gap}` event has the `event_id`
  or the `sequence` of the last event that it stands for, which may have come.
- `sequence` grows by one per event of a `journal`, over all its runs. A hole is a loss: a `{gap}`
  event at its end explains it where the station knows of it, otherwise it happened on the way.
  After a refusal by the broker (quota, access list) a later event can overtake an earlier one.
  Where a broker never takes an event, for instance one above its Maximum Packet Size, a `{gap}`
  event with its identity stands in its place.
- A new `run` is drawn at each start of a station. The same `journal` and `sequence` from two runs
  mean that two stations write the journal (a card was copied), or that it was restored from a
  backup: keep both events and report it.
- A new `journal` begins at 1: the disk was replaced, damaged, cleared or restored from a backup.
- The first event of a run is an `outfeed.start/1`, which accounts for the run before it.
- Ignore keys you do not know, and types you do not know. A key is only ever added to a type; what
  changes the meaning of one makes a new number behind the slash.

`edge/receiver/receiver.py` and `edge/receiver/subscriber.py` do all of this in code that may be
copied.
"""


def reference() -> str:
    """The whole document as Markdown."""
    topics = Topics("<station>")
    parts = [_INTRODUCTION.format(events=topics.events, status=topics.status, gap=_name(GapEvent))]
    parts.append("## Identity: in front of every event\n\n" + _fields(Identity.model_json_schema()))
    models: list[type[BaseModel]] = [*_JOURNALLED, StatusEvent]
    for model in models:
        schema = model.model_json_schema(mode="serialization")
        text = f"## {_name(model)}\n\n{inspect.getdoc(model)}\n\n{_fields(schema)}"
        for name, part in schema.get("$defs", {}).items():
            if "enum" in part:
                text += f"\n`{name}`: {_type(part)}\n"
            else:
                text += f"\n`{name}`: {part['description']}\n\n{_fields(part)}"
        whole = wire_schema(model) if model in _JOURNALLED else schema
        text += "\n<details><summary>JSON Schema</summary>\n\n"
        text += f"```json\n{_json(whole)}\n```\n\n</details>\n"
        parts.append(text)
    return "\n".join(parts)


def _name(model: type[BaseModel]) -> str:
    return str(model.model_fields["type"].default)


def _fields(schema: dict[str, Any]) -> str:
    lines = ["| key | type | meaning |", "|---|---|---|"]
    for key, field in schema["properties"].items():
        lines.append(f"| `{key}` | {_type(field)} | {field.get('description', '')} |")
    return "\n".join(lines) + "\n"


def _type(field: dict[str, Any]) -> str:
    if "const" in field:
        return f"`{field['const']}`"
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    if "$ref" in field:
        return f"`{field['$ref'].rsplit('/', 1)[1]}`"
    if "anyOf" in field:
        return " or ".join(_type(choice) for choice in field["anyOf"])
    if "prefixItems" in field:
        return "[" + ", ".join(_type(item) for item in field["prefixItems"]) + "]"
    if field.get("type") == "array":
        return f"list of {_type(field['items'])}"
    return str(field.get("type", ""))


def _json(schema: dict[str, Any]) -> str:
    return json.dumps(schema, indent=2, ensure_ascii=False)


if __name__ == "__main__":
    print(reference(), end="")
