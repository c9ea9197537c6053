"""Generated reference pages: configuration, commands, MQTT, recipes, log events and others.

``python -m tools.reference`` writes them, ``python -m tools.reference --check`` compares them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from tools.reference import (
    boards,
    bundle_format,
    central_roles,
    commands,
    configuration,
    log_events,
    make,
    mqtt,
    recipes,
)

ROOT = Path(__file__).parents[2]
PAGES: Mapping[str, Callable[[], str]] = {
    "docs/reference/configuration.md": configuration.page,
    "docs/reference/central-configuration.md": configuration.central_page,
    "docs/reference/commands.md": commands.page,
    "docs/reference/central-roles.md": central_roles.page,
    "docs/reference/bundle-format.md": bundle_format.page,
    "docs/reference/make.md": make.page,
    "docs/reference/mqtt.md": mqtt.page,
    "docs/reference/asyncapi.yaml": mqtt.asyncapi,
    "docs/reference/recipes.md": recipes.page,
    "docs/reference/boards.md": boards.page,
    "docs/reference/log-events.md": log_events.page,
}


def outdated_pages() -> list[str]:
    """Return the generated files whose text in the tree is not what the code gives."""
    return [
        name
        for name, make_text in PAGES.items()
        if not (ROOT / name).is_file() or (ROOT / name).read_text(encoding="utf-8") != make_text()
    ]


def write_pages() -> None:
    """Write every generated file that differs."""
    for name in outdated_pages():
        (ROOT / name).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / name).write_text(PAGES[name](), encoding="utf-8")
        print(f"written: {name}")
