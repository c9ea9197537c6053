"""An authority, and folders of identities as `outfeed provision station` writes them."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from edge.first_boot.folder import IdentityFolder
from edge.provision import Authority, StationKit, make_authority, make_station_kit
from tests.support.keys import TRUST


@dataclass(frozen=True)
class Identities:
    """One authority and what it has provisioned."""

    folder: Path
    authority: Authority

    def make(self, place: Path, name: str = "press-3", replaces: Path | None = None) -> Path:
        """The folder of an identity with a bundle of 50 kB."""
        bundle = self.folder / "tiles.outfeed"
        if not bundle.exists():
            bundle.write_bytes(bytes(range(256)) * 200)
        kit = StationKit(name, "broker.plant", (TRUST,), bundle=bundle, replaces=replaces)
        make_station_kit(place, self.authority, kit)
        return place


@pytest.fixture(scope="session")
def identities(tmp_path_factory: pytest.TempPathFactory) -> Identities:
    folder = tmp_path_factory.mktemp("identities")
    return Identities(folder, make_authority(folder / "authority"))


@pytest.fixture(scope="session")
def made(identities: Identities, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The identity of press-3; not to be changed."""
    return identities.make(tmp_path_factory.mktemp("made") / "press-3")


@pytest.fixture
def source(made: Path, tmp_path: Path) -> Path:
    """A copy of it, as on a stick."""
    return Path(shutil.copytree(made, tmp_path / "stick" / "press-3"))


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """The folder of a unit without an identity."""
    folder = tmp_path / "etc"
    folder.mkdir()
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    """The files of a folder by name."""
    return {each.name: each.read_bytes() for each in sorted(folder.iterdir()) if each.is_file()}


def read(path: Path) -> IdentityFolder:
    return IdentityFolder.read(path)
