"""The page of MQTT topics and payloads, and the same as an AsyncAPI document, from the models."""

from __future__ import annotations

import inspect
import json
from typing import Any, get_args

import yaml
from pydantic import BaseModel

from central.collector.lot_statements import LotTopics
from central.store.lot_messages import LotAnswer, LotStatement
from edge import __version__
from edge.commands.message import CommandBody, CommandsMessage
from edge.events.command import CommandEvent
from edge.events.committed import CommittedStatement
from edge.events.event import AnyEvent, GapEvent, StatusEvent
from edge.events.identity import EventIdentity, wire_schema
from edge.events.payload import DEFAULT_PREFIX, Topics
from edge.events.system_update import SystemUpdateEvent
from edge.events.update import UpdateEvent
from edge.updates.desired import DesiredBody, SignedDesired
from tools.reference.markdown import generated, table, type_text

_LOT_TOPICS = LotTopics(DEFAULT_PREFIX)
_INTRODUCTION = """\
Each station publishes on two topics, and reads three others. The same description for programs, as
an AsyncAPI 3.0 document, is [asyncapi.yaml](asyncapi.yaml).

| topic | content | QoS | retained |
| --- | --- | --- | --- |
| `{events}` | every event, in the order of the journal | 1 | no |
| `{status}` | online or offline; the last will is offline | 1 | yes |
| `{committed}` | from a central system: the events that its database has | 1 | yes |
| `{commands}` | to the station: commands that operators have signed | 1 | yes |
| `{desired}` | to the station: the bundle that it is to run, signed by operators | 1 | yes |

A line controller publishes on one topic and reads another one (see below).

| topic | content | QoS | retained |
| --- | --- | --- | --- |
| `{lots}` | from a line controller: the lot that the line works on | 1 | no |
| `{answers}` | from the central system: the answer to each statement | 1 | no |

`outfeed/v1` is the key `uplink.topic_prefix` of station.toml. A payload is one JSON object in
UTF-8. Numbers are finite. The ending of a name gives the unit: `*_ns` is nanoseconds of the
monotonic clock of the boot `boot_id`, and compares only within that boot; `*_us` is microseconds.

## Rules for receivers

- **Station.** The topic names the station, and the access list of the broker protects the topic.
  Refuse a payload that names another station.
- **Repeats.** Events are delivered at least once. Drop a repeat: an event with an `event_id` that
  you have received before, and the same content. On MQTT 5 the `event_id` is also a user property.
  The same `event_id` with other content is a fault: keep both and report it. There is one
  exception: a `{gap}` event has the `event_id` or the `sequence` of the last event that it stands
  for, and that event may have arrived.
- **Gaps.** `sequence` grows by one per event of a `journal`, over all its runs. A missing number is
  a lost event. A `{gap}` event explains the loss where the station knows of it. Otherwise the loss
  happened on the way. After the broker refused an event (quota, access list), a later event can
  overtake an earlier one. Where a broker never takes an event, for instance one above its Maximum
  Packet Size, a `{gap}` event with its identity stands in its place.
- **Runs.** Each start of a station draws a new `run`. The same `journal` and `sequence` from two
  runs mean that two stations write the journal, because a card was copied, or that the journal was
  restored from a backup. Keep both events and report it.
- **Journals.** A new `journal` begins at 1. It means that the disk was replaced, damaged, cleared
  or restored from a backup.
- **Starts.** The first event of a run is an `outfeed.start/1`. It accounts for the run before.
- **Versions.** Ignore keys and types that you do not know. Keys are only ever added to a type. A
  change of meaning gets a new number behind the slash.

## Acknowledgement by a central system

A broker that confirms an event can still lose it. A central system that publishes `{statement}`
makes delivery certain: the station then sends every event again that the database does not have.

- **Order.** Commit events to the database, acknowledge them to the broker, then publish the
  statement. State only what is committed.
- **When.** After each commit, and after each repeat of a known event, at most once a second for a
  journal; when the central system has connected; and when the `status` of a station names a
  journal, also one of which nothing is known (`complete_to` 0, `known_to` 0).
- **Gap events.** A `{gap}` event accounts for every number from `first` to `last`.
- **Copies.** Where two runs share a sequence number, `complete_to` stays below it, and `ranges`
  name the run.
- **What the station does.** A number that is missing below `known_to` for 10 s is sent again, after
  new events and at most `uplink.resend_rate_hz` times a second. If the newest confirmed event stays
  unstated, that event alone is sent again, after 30 s and then ever more rarely, up to 10 min.
  Where the journal no longer has an event, a `{gap}` event names the numbers.
- **Access list.** Only central systems may publish statements, because a station relies on them.

## Lots by a line controller

A line controller states with `{lot}` that stations of its line begin or end a lot. Plant and line
in the topic are those of the central system (`outfeed-central line list`). The rules are those of
the page and of the API: a new lot ends the one before, and no moment of a station belongs to two
lots.

- **Answer.** The central system answers each statement with `{lot_answer}`, after its commit. An
  answer can be lost with the connection. Repeat the statement, unchanged, until it is answered.
- **Repeats.** A repeat has the same `message_id` and the same contents. It is answered with
  `repeated`, and changes nothing.
- **Contradictions.** The same `message_id` with other contents is refused.
- **Late statements.** `at` is the time at the line, so a late statement is stored at its own time.
  It is refused where a station has another lot then. State `until` where the next lot has begun
  already.
- **Refusals.** Nothing is changed, and `reason` is one line. A refused statement may be repeated:
  it is examined again. The page of lots lists the latest statements with their outcomes.
- **Access list.** The broker protects the topic. A controller may publish for its own line only.

## Commands

A station with `commands.accept` in station.toml reads `{commands_type}` on its topic of commands.
Neither the broker nor the publisher is trusted: the station itself checks each signature.

- **Text.** The key `body` of a command is the signed text: the JSON of a `{body_type}`, at most
  2,048 characters. It has no unknown keys.
- **Signature.** Ed25519 (RFC 8032) over the bytes `outfeed command 1`, a line feed, and the text in
  UTF-8. `trust.operator_keys` of the station names the key.
- **Id.** The first 32 hexadecimal digits of the SHA-256 over `outfeed command 1`, a line feed, the
  32 bytes of the key, the 64 bytes of the signature, and the text.
- **Binding.** A command names the station, its journal, and one of its runs. A copied storage card
  does not know the runs that the other station drew after the copy.
- **Order.** `counter` is the time of the signature. For each key, a command below one that the
  station has seen is refused.
- **Answers.** Each command gets `{answer}` events: `accepted`, then `done` or `failed`; or
  `refused`, with the reason. A repeat of an answered command is refused once, and not at all in the
  first minute. At most 16 messages that no operator has signed get an answer at once, then one a
  minute; the key `more` counts the others.
- **Size.** A message has at most 48 KiB and 16 commands. A broker with MQTT 5 drops one above
  68 KiB before the station.
- **Kinds.** `mark`, `resend` and `picture`. No kind sets an output, a threshold, a rule or the
  configuration.

See [send commands to stations](../how-to/central-commands.md).

## The desired state

A station with `updates.server` in station.toml reads `{desired_type}` on its topic of the desired
state. It names the bundle that the station is to run, or asks it to stay with the accepted one.
Neither the broker, the publisher nor the server of bundles is trusted.

- **Text.** The key `body` is the signed text: the JSON of a `{desired_body}`, at most 4,096
  characters. It has no unknown keys.
- **Signatures.** One to four, each Ed25519 (RFC 8032) over the bytes `outfeed desired 1`, a line
  feed, and the text in UTF-8. `updates.signers` of the keys in `trust.operator_keys` have to be
  among them.
- **Id.** The first 32 hexadecimal digits of the SHA-256 over `outfeed desired 1`, a line feed, and
  the text.
- **Order.** `revision` is the time of the signature. A station refuses one that is not above the
  latest it has followed, over all keys, and one more than 5 min in the future.
- **Repeats.** The same text again changes nothing. An empty message changes nothing either.
- **Server.** `GET /bundles/v1/FILE`, over HTTPS with certificates of both sides, and with ranges
  (RFC 9110, section 14). Redirects are not followed.
- **States.** Each change is a `{update}` event. An update is complete only with the state
  `accepted`. Refusals of messages that no operator signed are limited as for commands.

See [update bundles over the network](../how-to/update-bundles.md).

## The system

A unit with an image states the version and slot of its system in its status (`system`). Each change
of an update of the system is a `{system_update}` event. Central systems do not start such updates.

See [update the system of a unit](../how-to/update-the-system.md).

## In Python

`edge.receiver` does all of the acknowledgement, with the argument `states_as`. A central system in
Python installs the package (`pip install outfeed`) and writes `from edge.receiver import
Subscriber`. See [connect MQTT](../how-to/connect-mqtt.md).
"""


def page() -> str:
    """Return the page as Markdown."""
    topics = Topics("<station>")
    introduction = _INTRODUCTION.format(
        events=topics.events,
        status=topics.status,
        committed=topics.committed("<journal>"),
        commands=topics.commands,
        desired=topics.desired,
        desired_type=_type_name(SignedDesired),
        desired_body=_type_name(DesiredBody),
        update=_type_name(UpdateEvent),
        system_update=_type_name(SystemUpdateEvent),
        commands_type=_type_name(CommandsMessage),
        body_type=_type_name(CommandBody),
        answer=_type_name(CommandEvent),
        gap=_type_name(GapEvent),
        statement=_type_name(CommittedStatement),
        lots=_LOT_TOPICS.of_line("<plant>", "<line>"),
        answers=_LOT_TOPICS.answers("<plant>", "<line>"),
        lot=_type_name(LotStatement),
        lot_answer=_type_name(LotAnswer),
    )
    parts = [generated("MQTT topics and payloads", introduction)]
    parts.append("## Identity: at the head of every event\n\n" + _fields(_schema(EventIdentity)))
    for model in all_events():
        schema = _schema(model)
        text = f"## {_type_name(model)}\n\n{inspect.getdoc(model)}\n\n{_fields(schema)}"
        for name, part in schema.get("$defs", {}).items():
            if "enum" in part:
                text += f"\n`{name}`: {type_text(part, {})}\n\n{part['description']}\n"
            else:
                text += f"\n`{name}`: {part['description']}\n\n{_fields(part)}"
        text += "\n<details><summary>JSON Schema</summary>\n\n"
        text += f"```json\n{json.dumps(_published(model), indent=2, ensure_ascii=False)}\n```\n\n"
        parts.append(f"{text}</details>\n")
    return "\n".join(parts)


def asyncapi() -> str:
    """Return the AsyncAPI 3.0 document as YAML."""
    topics = Topics("{station}")
    schemas: dict[str, Any] = {}
    messages: dict[str, Any] = {}
    for model in all_events():
        schema = _published(model)
        schemas |= {name: _lifted(part) for name, part in schema.pop("$defs", {}).items()}
        schemas[model.__name__] = _lifted(schema)
        messages[model.__name__] = {
            "name": _type_name(model),
            "summary": " ".join(str(inspect.getdoc(model)).split("\n\n")[0].split()),
            "contentType": "application/json",
            "payload": {"$ref": f"#/components/schemas/{model.__name__}"},
        }
    events = [model.__name__ for model in journalled_events()]
    document = {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Outfeed station",
            "version": __version__,
            "description": "Events and status of stations that inspect parts on production lines.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {
            "events": _channel(topics.events, "Every event, in the order of the journal.", events),
            "status": _channel(topics.status, "Online or offline, retained.", ["StatusEvent"]),
            "committed": _channel(
                topics.committed("{journal}"),
                "What the database of a central system has, retained.",
                ["CommittedStatement"],
                journal="UUID of a journal of the station.",
            ),
            **_line_channels(),
            "desired": _channel(
                topics.desired,
                "The bundle that the station is to run, signed by operators, retained.",
                ["SignedDesired"],
            ),
            "commands": _channel(
                topics.commands,
                "Commands that operators have signed, retained.",
                ["CommandsMessage"],
            ),
        },
        "operations": {
            "sendEvents": _operation("events", retain=False),
            "sendStatus": _operation("status", retain=True),
            "receiveCommitted": _operation("committed", retain=True, action="receive"),
            "sendLots": _operation("lots", retain=False),
            "receiveLotAnswers": _operation("lotAnswers", retain=False, action="receive"),
            "receiveDesired": _operation("desired", retain=True, action="receive"),
            "receiveCommands": _operation("commands", retain=True, action="receive"),
        },
        "components": {"messages": messages, "schemas": dict(sorted(schemas.items()))},
    }
    text: str = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=100)
    return f"# Generated by `python -m tools.reference`: do not edit.\n{text}"


def journalled_events() -> tuple[type[BaseModel], ...]:
    """Return the models of all events on the topic of events."""
    union = get_args(AnyEvent)[0]
    return tuple(get_args(union))


def all_events() -> tuple[type[BaseModel], ...]:
    """Return the models of all payloads: events, status, statement, commands and desired
    state with their texts, and those about lots."""
    others = (CommandsMessage, CommandBody, SignedDesired, DesiredBody, LotStatement, LotAnswer)
    return (*journalled_events(), StatusEvent, CommittedStatement, *others)


def _channel(
    address: str, description: str, messages: list[str], **parameters: str
) -> dict[str, Any]:
    named = {"station": "The key id of station.toml.", **parameters}
    return {
        "address": address,
        "description": description,
        "parameters": {name: {"description": text} for name, text in named.items()},
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
    }


def _line_channels() -> dict[str, Any]:
    """Return the channels of line controllers."""
    return {
        "lots": _line_channel(
            _LOT_TOPICS.of_line("{plant}", "{line}"),
            "From a line controller: the lot that its line works on.",
            "LotStatement",
        ),
        "lotAnswers": _line_channel(
            _LOT_TOPICS.answers("{plant}", "{line}"),
            "From a central system: the answer to each statement on lots.",
            "LotAnswer",
        ),
    }


def _line_channel(address: str, description: str, message: str) -> dict[str, Any]:
    return {
        "address": address,
        "description": description,
        "parameters": {
            "plant": {"description": "A plant of the central system."},
            "line": {"description": "A line of the plant."},
        },
        "messages": {message: {"$ref": f"#/components/messages/{message}"}},
    }


def _operation(channel: str, *, retain: bool, action: str = "send") -> dict[str, Any]:
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{channel}"},
        "bindings": {"mqtt": {"qos": 1, "retain": retain, "bindingVersion": "0.2.0"}},
    }


def _published(model: type[BaseModel]) -> dict[str, Any]:
    is_event = model in journalled_events()
    return wire_schema(model) if is_event else _schema(model)


def _schema(model: type[BaseModel]) -> dict[str, Any]:
    return model.model_json_schema(mode="serialization")


def _lifted(value: Any) -> Any:
    """Return a schema whose references lead to the schemas of the whole document."""
    if isinstance(value, dict):
        return {key: _lifted(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_lifted(one) for one in value]
    if isinstance(value, str) and value.startswith("#/$defs/"):
        return value.replace("#/$defs/", "#/components/schemas/")
    return value


def _type_name(model: type[BaseModel]) -> str:
    return str(model.model_fields["type"].default)


def _fields(schema: dict[str, Any]) -> str:
    rows = [
        [f"`{key}`", _type(field), str(field.get("description", ""))]
        for key, field in schema["properties"].items()
    ]
    return table(["key", "type", "meaning"], rows)


def _type(field: dict[str, Any]) -> str:
    """Return the type of a key; the name of another table where the value is an object."""
    if "$ref" in field:
        return f"`{field['$ref'].rsplit('/', 1)[1]}`"
    for choices in ("anyOf", "oneOf"):
        if choices in field:
            return " or ".join(_type(choice) for choice in field[choices])
    if "prefixItems" in field:
        return "[" + ", ".join(_type(item) for item in field["prefixItems"]) + "]"
    if field.get("type") == "array":
        return f"list of {_type(field['items'])}"
    if field.get("type") == "null":
        return "null"
    return type_text(field, {})
