"""A plant with a server of bundles, and the folder of a station."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from edge.trial.inspector import PRIORITY_VARIABLE
from tests.provision.conftest import Plant, plant
from tests.support.bundle_server import BundleServer
from tests.support.updates import Line

__all__ = ["plant"]


@pytest.fixture
def line(
    plant: Plant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Line]]:
    """Return the folder of a station, with these values in its configuration."""
    monkeypatch.setenv(PRIORITY_VARIABLE, "normal")
    servers: list[BundleServer] = []

    def make(**keys: Any) -> Line:
        server = BundleServer(plant.folder)
        servers.append(server)
        return Line(tmp_path, plant, server, **keys)

    yield make
    for each in servers:
        each.close()
