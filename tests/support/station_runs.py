"""The events of a run of the command, and waiting for it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edge.events.identity import parse_payload
from edge.journal.reader import JournalReader


def events(folder: Path) -> list[Any]:
    with JournalReader(folder / "state/journal.sqlite") as reader:
        return [parse_payload(stored.payload)[1] for stored in reader.read(None, 100_000)]


def wait_for(condition: Callable[[], object], what: str) -> None:
    deadline_s = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline_s, what
        time.sleep(0.02)
