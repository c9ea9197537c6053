"""A plant: its authority, a broker, a central system, two stations, as the command makes them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from edge.__main__ import main
from tests.support.keys import TRUST


@dataclass(frozen=True)
class Plant:
    folder: Path

    @property
    def authority(self) -> Path:
        return self.folder / "authority"

    def call(self, *words: object) -> int:
        return main(["provision", *(str(word) for word in words)])

    def station(self, name: str, *more: object) -> Path:
        """The folder of a new station."""
        out = self.folder / name
        known = ("--authority", self.authority, "--out", out, "--trust", TRUST)
        assert self.call("station", name, "--broker", "127.0.0.1", *known, *more) == 0
        return out


@pytest.fixture(scope="session")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Plant:
    made = Plant(tmp_path_factory.mktemp("plant"))
    assert made.call("authority", "--out", made.authority) == 0
    known = ("--authority", made.authority)
    broker, central = made.folder / "broker", made.folder / "central"
    assert made.call("broker", "127.0.0.1", "localhost", *known, "--out", broker) == 0
    assert made.call("central", *known, "--out", central) == 0
    made.station("press-3")
    made.station("press-4")
    return made
