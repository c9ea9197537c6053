"""A plant with certificates, a receiver of pictures, and the folder of a station."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from central.config.station_server import PictureFolderConfig
from central.pictures.folder import PictureFolder
from central.pictures.receiver import PictureReceiver
from edge.config.station import StationConfig, load_config
from edge.config.upload import UploadConfig
from tests.provision.conftest import Plant, plant

__all__ = ["plant"]

JOURNAL = "0a1b2c3d"


class Receiving:
    """A running receiver and its folder."""

    def __init__(self, plant: Plant, root: Path, **settings: Any) -> None:
        own = {
            "path": root,
            "listen": "127.0.0.1",
            "port": 0,
            "tls_ca": plant.folder / "broker" / "ca.pem",
            "tls_cert": plant.folder / "broker" / "broker.pem",
            "tls_key": plant.folder / "broker" / "broker.key",
        }
        self.settings = PictureFolderConfig(**{**own, **settings})
        self.folder = PictureFolder(root, self.settings.max_bytes)
        self.receiver = PictureReceiver(self.settings, self.folder)
        self.port = self.receiver.port

    def names(self, station: str = "press-3") -> set[str]:
        return {path.name for path in (self.settings.path or Path()).glob(f"{station}/*/*/*.png")}


@pytest.fixture
def receiving(plant: Plant, tmp_path: Path) -> Iterator[Callable[..., Receiving]]:
    """Start receivers; they end with the test."""
    started: list[Receiving] = []

    def start(**settings: Any) -> Receiving:
        one = Receiving(plant, tmp_path / "central", **settings)
        one.receiver.start()
        started.append(one)
        return one

    yield start
    for one in started:
        one.receiver.close()


def station(plant: Plant, name: str, state: Path, port: int, **upload: Any) -> StationConfig:
    """Return a provisioned station that sends to this port of the loopback."""
    config = load_config(plant.folder / name / "station.toml")
    (state / "pictures").mkdir(parents=True, exist_ok=True)
    section = UploadConfig(
        **{
            "url": f"https://127.0.0.1:{port}",
            "retry_max_s": 0.2,
            "max_kb_per_s": 10_000,
            **upload,
        }
    )
    uplink = config.uplink.model_copy(update={"state_dir": None})
    return config.model_copy(update={"state_dir": state, "upload": section, "uplink": uplink})


def store(
    config: StationConfig, number: int, data: bytes, part: int = 7, kept: str = "reject"
) -> str:
    """Put a picture into the store of a station. The upload does not read its pixels."""
    name = f"{number:010d}-{JOURNAL}-{part}-{kept}.png"
    (config.paths.pictures / name).write_bytes(data)
    return name
