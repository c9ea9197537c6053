"""A plant with certificates, a server of bundles, and a station that may download from it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from edge.config.station import StationConfig, load_config
from edge.config.updates import UpdatesConfig
from tests.provision.conftest import Plant, plant
from tests.support.bundle_server import BundleServer

__all__ = ["plant"]


@pytest.fixture
def server(plant: Plant) -> Iterator[BundleServer]:
    one = BundleServer(plant.folder)
    yield one
    one.close()


@pytest.fixture
def station(plant: Plant, server: BundleServer, tmp_path: Path) -> Callable[..., StationConfig]:
    """Return the configuration of a station with these keys of [updates]."""

    def make(**updates: Any) -> StationConfig:
        config = load_config(plant.folder / "press-3" / "station.toml")
        state = tmp_path / "state"
        state.mkdir(exist_ok=True)
        (state / "updater").mkdir(exist_ok=True)
        section = UpdatesConfig(
            **{
                "server": f"https://127.0.0.1:{server.port}",
                "retry_max_s": 0.1,
                "min_free_mb": 0,
                "max_kb_per_s": 100_000,
                **updates,
            }
        )
        uplink = config.uplink.model_copy(update={"state_dir": None})
        changes = {"state_dir": state, "updates": section, "uplink": uplink}
        return config.model_copy(update=changes)

    return make
