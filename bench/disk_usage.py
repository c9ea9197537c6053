"""Measure the bytes that a station writes to its disk: ``python -m bench.disk_usage``.

Journal, pictures, the uplink's position and updates write to an ext4 file system of their own. It
lies on a loop device, which needs root. The statistics of the device count every sector, those of
the file system's own journal included. The figures are in docs/benchmarks/disk.md, and are the
constants of edge/disk_usage/cost.py.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPResponse
from pathlib import Path
from typing import cast

from rich.console import Console
from rich.table import Table

from edge.config.updates import UpdatesConfig
from edge.config.uplink import UplinkConfig
from edge.events.event import ActuationAction, ActuationCause, Event, actuation_event, part_event
from edge.events.identity import JournalPosition
from edge.files import write_durably
from edge.journal.cursor import write_cursor
from edge.journal.writer import Journal
from edge.pictures.file_name import PictureName
from edge.pictures.keep_rules import KeepReason
from edge.pictures.picture_store import PictureStore
from edge.records import Box, Decision, Defect, Region, Timings, Verdict
from edge.updater.download import Download
from edge.updates.desired import DesiredBundle
from edge.updates.state import UpdateState, write_state

_SECTOR_BYTES = 512  # of /sys/block/*/stat, whatever the disk's own are
_TIMINGS = Timings(3312.4, 11.25, 0.0, 0.0, 4.75)


@dataclass(frozen=True, slots=True)
class LoopDisk:
    """A file system that no other program uses."""

    folder: Path
    device: str

    def written_bytes(self) -> int:
        """Return the bytes written since it was made, after flushing all pending writes."""
        subprocess.run(["sync", "-f", str(self.folder)], check=True)
        fields = Path(f"/sys/block/{self.device}/stat").read_text(encoding="ascii").split()
        return int(fields[6]) * _SECTOR_BYTES

    def flushes(self) -> int:
        """Return the number of flush requests, each of which waited for the disk."""
        fields = Path(f"/sys/block/{self.device}/stat").read_text(encoding="ascii").split()
        return int(fields[15])


@dataclass(frozen=True, slots=True)
class RecordCost:
    """The cost of one record, averaged over ``count`` records. payload_bytes: its own size."""

    record: str
    count: int
    payload_bytes: float
    disk_bytes: float
    flushes: float


@contextmanager
def loop_disk(size_mb: int) -> Iterator[LoopDisk]:
    """Mount an empty ext4 file system on a loop device. Needs root."""
    with tempfile.TemporaryDirectory() as at:
        image, folder = Path(at, "image"), Path(at, "disk")
        folder.mkdir()
        with image.open("wb") as file:
            file.truncate(size_mb << 20)
        # Blocks of 4 KiB as on a card (mkfs uses 1 KiB below 512 MB). Lazy initialisation would
        # write during the measurement.
        options = "lazy_itable_init=0,lazy_journal_init=0"
        subprocess.run(["mkfs.ext4", "-q", "-b", "4096", "-E", options, str(image)], check=True)
        subprocess.run(["mount", "-o", "loop,noatime", str(image), str(folder)], check=True)
        try:
            losetup = subprocess.run(
                ["findmnt", "-n", "-o", "SOURCE", str(folder)],
                check=True,
                capture_output=True,
                text=True,
            )
            yield LoopDisk(folder, Path(losetup.stdout.strip()).name)
        finally:
            subprocess.run(["umount", str(folder)], check=True)


def measure(
    disk: LoopDisk, what: str, count: int, payload_bytes: int, work: Callable[[], None]
) -> RecordCost:
    """Return the disk cost of the work, divided by ``count``."""
    bytes_before, flushes_before = disk.written_bytes(), disk.flushes()
    work()
    return RecordCost(
        what,
        count,
        payload_bytes / count,
        (disk.written_bytes() - bytes_before) / count,
        (disk.flushes() - flushes_before) / count,
    )


def clean_part(number: int) -> Event:
    """Return the event of a good part."""
    verdict = Verdict(number, Decision.PASS, "clean", (), 1.0546875, _TIMINGS, 1.0546875)
    return part_event("press-3", "textures-lean-1.0-0123456789ab", verdict, 1_000_000 * number)


def bad_part(number: int) -> tuple[Event, Event]:
    """Return the events of a rejected part: verdict and actuation."""
    region = Region(Box(120, 64, 180, 96), 1312, 7.734375, 5.1123046875)
    defects = (Defect(region, "scratch", 0.87109375, "Check the guide rail.", 0.02),)
    reason = "scratch: 1 of severity up to 7.7, the worst 1312 px"
    verdict = Verdict(number, Decision.REJECT, reason, defects, 7.734375, _TIMINGS, 7.5)
    due_ns = 1_000_000 * number
    return (
        part_event("press-3", "textures-lean-1.0-0123456789ab", verdict, due_ns),
        actuation_event(
            "press-3",
            part_id=number,
            due_ns=due_ns,
            at_ns=due_ns + 90,
            width_us=20_000,
            action=ActuationAction.EJECTED,
            cause=ActuationCause.VERDICT,
        ),
    )


def journal_cost(disk: LoopDisk, count: int, batch: int, *, rejects: bool) -> RecordCost:
    """Measure the journal, per part.

    batch: parts in one transaction. The actuation of a rejected part follows its verdict later, so
    it has a transaction of its own.
    """
    folder = disk.folder / f"journal-{batch}-{rejects}"
    folder.mkdir()
    events = [bad_part(n) if rejects else (clean_part(n),) for n in range(1, count + 1)]
    size = sum(len(event.model_dump_json()) for part in events for event in part)
    with Journal.open(
        folder / "journal.sqlite",
        station="press-3",
        max_bytes=256 << 20,
        cursor_path=folder / "uplink.json",
    ) as journal:

        def work() -> None:
            for begin in range(0, count, batch):
                parts = events[begin : begin + batch]
                for kind in range(len(parts[0])):
                    journal.append([part[kind] for part in parts])

        what = "rejected part" if rejects else "good part"
        return measure(disk, f"journal, {what}, {batch} at once", count, size, work)


def picture_cost(disk: LoopDisk, count: int, size: int) -> RecordCost:
    """Measure stored pictures of ``size`` bytes, per picture."""
    folder = disk.folder / f"album-{size}"
    album = PictureStore(folder, max_bytes=16 << 20, min_free_bytes=0)
    album.open()
    data = bytes(range(256)) * (size // 256)

    def work() -> None:
        for number in range(1, count + 1):
            album.store(PictureName(number, "01234567", number, KeepReason.REJECT), data)

    return measure(disk, f"picture of {size >> 10} KiB", count, count * size, work)


def cursor_cost(disk: LoopDisk, count: int) -> RecordCost:
    """Measure the positions that the uplink stores, per position."""
    path = disk.folder / "uplink.json"
    journal = "01234567-89ab-cdef-0123-456789abcdef"

    def work() -> None:
        for number in range(count):
            write_cursor(path, JournalPosition(journal, number))

    return measure(disk, "uplink's position", count, 75 * count, work)


class _LocalDownload(Download):
    """A download whose server answers with these bytes. Everything behind the network is real."""

    def __init__(self, data: bytes, folder: Path) -> None:
        digest = hashlib.sha256(data).hexdigest()
        bundle = DesiredBundle(
            name="b", version="1.0", sha256=digest, size_bytes=len(data), file=f"{digest}.outfeed"
        )
        super().__init__(
            bundle, folder, UpdatesConfig(min_free_mb=0), UplinkConfig(), lambda _: True
        )
        self._data = data

    def _load(self) -> bool:
        return self._receive(cast(HTTPResponse, io.BytesIO(self._data)), 0)


def bundle_cost(disk: LoopDisk, count: int, size: int) -> RecordCost:
    """Measure the download of a bundle of ``size`` bytes and its copy, per bundle."""
    folder = disk.folder / f"bundles-{size}"
    (folder / "updater").mkdir(parents=True)

    def work() -> None:
        for number in range(count):
            download = _LocalDownload(random.Random(number).randbytes(size), folder / "updater")
            download.run()
            write_durably(folder / f"{number}.outfeed", download.path.read_bytes())

    return measure(disk, f"bundle of {size >> 20} MiB", count, count * size, work)


def trial_state_cost(disk: LoopDisk, count: int) -> RecordCost:
    """Measure the states of a trial, per state."""
    path = disk.folder / "updates.json"
    size = len(UpdateState(revision=1).model_dump_json())

    def work() -> None:
        for number in range(1, count + 1):
            write_state(path, UpdateState(revision=number))

    return measure(disk, "state of a trial", count, size * count, work)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print one table. Blocks for some minutes on a slow disk."""
    parser = argparse.ArgumentParser(prog="python -m bench.disk_usage", description=__doc__)
    parser.add_argument("--parts", type=int, default=10_000)
    given = parser.parse_args(arguments)
    costs: list[RecordCost] = []
    with loop_disk(1024) as disk:
        for batch in (1, 2, 8, 64):
            costs.append(journal_cost(disk, given.parts, batch, rejects=False))
        costs.append(journal_cost(disk, given.parts // 4, 1, rejects=True))
        for size in (64 << 10, 1 << 20):
            costs.append(picture_cost(disk, 200, size))
        costs.append(cursor_cost(disk, 1000))
        costs.append(bundle_cost(disk, 10, 8 << 20))
        costs.append(trial_state_cost(disk, 300))
    table = Table(title="bytes written to the disk, for each record")
    for heading in ("record", "count", "stored", "written", "factor", "flushes"):
        table.add_column(heading, justify="left" if heading == "record" else "right")
    for cost in costs:
        table.add_row(
            cost.record,
            str(cost.count),
            f"{cost.payload_bytes:.0f}",
            f"{cost.disk_bytes:.0f}",
            f"{cost.disk_bytes / cost.payload_bytes:.1f}",
            f"{cost.flushes:.2f}",
        )
    Console().print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
