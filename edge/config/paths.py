"""The files and folders of a station's state."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class StatePaths:
    """The files and folders below ``state_dir``, and those of the uplink.

    ``StationConfig.paths`` makes it from the configuration.
    """

    state_dir: Path

    uplink: Path
    """The folder that the uplink writes: ``uplink.state_dir``, by default ``state_dir``. The
    station only reads in it, and checks what it reads."""

    page: Path
    """The folder that the page writes: ``page.state_dir``, by default ``state_dir``. The station
    only reads in it."""

    updater: Path
    """The folder that the updater writes: ``updates.state_dir``. The station only reads in it."""

    @property
    def journal(self) -> Path:
        """Return the database of the journal."""
        return self.state_dir / "journal.sqlite"

    @property
    def journal_lock(self) -> Path:
        """Return the lock file that a running station holds."""
        return self.state_dir / "journal.lock"

    @property
    def part_numbers(self) -> Path:
        """Return the file in which the station reserves part numbers."""
        return self.state_dir / "parts.json"

    @property
    def pictures(self) -> Path:
        """Return the folder of the stored pictures."""
        return self.state_dir / "pictures"

    @property
    def bundles(self) -> Path:
        """Return the folder of the bundles with which stored pictures were inspected."""
        return self.state_dir / "bundles"

    @property
    def inbox(self) -> Path:
        """Return the folder of marks that the station has not read yet."""
        return self.state_dir / "inbox"

    @property
    def page_marks(self) -> Path:
        """Return the folder of marks from the page. The station only reads it."""
        return self.page / "page-marks"

    @property
    def accepted_bundles(self) -> Path:
        """Return the file of the bundle versions that the station has accepted."""
        return self.state_dir / "bundles.json"

    @property
    def proven_bundles(self) -> Path:
        """Return the file of the bundles that reproduced their golden frames in a child process."""
        return self.state_dir / "proven.json"

    @property
    def engine(self) -> Path:
        """Return the file in which ``outfeed bench --select`` records the fastest engine."""
        return self.state_dir / "engine.json"

    @property
    def commissioning(self) -> Path:
        """Return the record of ``outfeed commission``, which ``outfeed run`` reads."""
        return self.state_dir / "commission.json"

    @property
    def drift(self) -> Path:
        """Return the file of the drift baseline and the active alarms."""
        return self.state_dir / "drift.json"

    @property
    def self_test(self) -> Path:
        """Return the file of the last self-test's result."""
        return self.state_dir / "self_test.json"

    @property
    def commands(self) -> Path:
        """Return the file of the counters, answers and open orders of signed commands."""
        return self.state_dir / "commands.json"

    @property
    def orders(self) -> Path:
        """Return the file in which the station lists what accepted commands ask of uplink and
        upload."""
        return self.state_dir / "orders.json"

    @property
    def updates(self) -> Path:
        """Return the file of the latest desired state and its trial."""
        return self.state_dir / "updates.json"

    @property
    def active_bundle(self) -> Path:
        """Return the file that names the bundle which replaces the one of station.toml."""
        return self.state_dir / "active.json"

    @property
    def update_bundles(self) -> Path:
        """Return the folder of the bundles that came over the network."""
        return self.state_dir / "updates"

    @property
    def fetch(self) -> Path:
        """Return the file in which the station asks the updater for a bundle."""
        return self.state_dir / "fetch.json"

    @property
    def revert(self) -> Path:
        """Return the file with which `outfeed bundle revert` asks for the former bundle."""
        return self.state_dir / "revert.json"

    @property
    def received_desired(self) -> Path:
        """Return the folder of desired states that the uplink has received."""
        return self.uplink / "desired"

    @property
    def updater_report(self) -> Path:
        """Return the file in which the updater reports its progress."""
        return self.updater / "updater.json"

    @property
    def received_commands(self) -> Path:
        """Return the folder of messages with commands that the uplink has received."""
        return self.uplink / "commands"

    @property
    def uplink_reports(self) -> Path:
        """Return the file in which the uplink reports which orders it has carried out."""
        return self.uplink / "uplink.reports.json"

    @property
    def upload_reports(self) -> Path:
        """Return the file in which the upload reports which orders it has carried out."""
        return self.uplink / "upload.reports.json"

    @property
    def cursor(self) -> Path:
        """Return the file of the last published event."""
        return self.uplink / "uplink.json"

    @property
    def upload(self) -> Path:
        """Return the file of the pictures that were uploaded today."""
        return self.uplink / "upload.json"

    @property
    def uplink_lock(self) -> Path:
        """Return the lock file that a running uplink holds."""
        return self.uplink / "uplink.lock"
