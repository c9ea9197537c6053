"""The generated reference pages are those that the code gives."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("torch", reason="torch is not installed: pip install torch")
pytest.importorskip("yaml", reason="PyYAML is not installed: pip install outfeed[docs]")

import yaml

from edge.config.station import StationConfig
from tools import reference
from tools.reference import log_events, mqtt


def test_the_pages_in_the_tree_are_up_to_date() -> None:
    assert reference.outdated_pages() == [], "run: python -m tools.reference"


def test_every_section_of_the_configuration_has_its_table() -> None:
    page = reference.PAGES["docs/reference/configuration.md"]()
    for name in StationConfig.model_fields:
        assert f"## [{name}]" in page or f"| `{name}` |" in page


def test_every_event_is_described_for_people_and_for_programs() -> None:
    page = reference.PAGES["docs/reference/mqtt.md"]()
    document = yaml.safe_load(mqtt.asyncapi())
    for model in mqtt.all_events():
        name = str(model.model_fields["type"].default)
        assert f"## {name}\n" in page
        assert document["components"]["messages"][model.__name__]["name"] == name
    assert list(document["channels"]["events"]["messages"]) == [
        model.__name__ for model in mqtt.journalled_events()
    ]


def test_every_reference_of_the_asyncapi_document_leads_somewhere() -> None:
    document = yaml.safe_load(mqtt.asyncapi())
    targets = set(_references(document))
    assert len(targets) > 10
    for target in targets:
        node = document
        for key in target.removeprefix("#/").split("/"):
            assert key in node, target
            node = node[key]


def test_log_events_are_found_by_name_with_level_and_keys() -> None:
    events = list(log_events.find_events(log_events.ROOT / "edge"))
    assert len(events) > 80
    lost = [event for event in events if event.name == "camera_lost"]
    assert {(event.level, event.fields) for event in lost} == {("error", ("reason",))}


def _references(value: Any) -> list[str]:
    if isinstance(value, dict):
        references = [one for each in value.values() for one in _references(each)]
        return [*references, value["$ref"]] if "$ref" in value else references
    if isinstance(value, list):
        return [one for each in value for one in _references(each)]
    return []
