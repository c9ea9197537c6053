"""A station on a disk that is full or read-only: pictures stop first, verdicts go on."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.__main__ import main
from edge.events.event import PartEvent
from edge.events.identity import parse_payload
from edge.journal.reader import JournalReader
from edge.pictures.file_name import list_pictures
from tests.cli.conftest import Outfeed, tmpfs
from tests.support.bundles import HOLE
from tests.support.station_runs import wait_for

SMALL = "[journal]\nmax_mb = 1\n[pictures]\nmin_free_mb = 2\nring_mb = 8\n"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 6 MiB, where the station's state goes."""
    yield from tmpfs(tmp_path / "state", mib=6)


def heavy_frames(folder: Path) -> None:
    """Every part shows a hole, on a surface that no compressor makes smaller: 0.7 MB each."""
    for number in range(12):
        noise = np.random.default_rng(number).integers(120, 200, (1000, 1000), np.uint8)
        noise[100 : 100 + HOLE.shape[0], 100 : 100 + HOLE.shape[1]] = HOLE
        cv2.imwrite(str(folder / f"frames/{number:02d}.png"), noise)


def parts(disk: Path) -> list[PartEvent]:
    with JournalReader(disk / "journal.sqlite") as reader:
        events = [parse_payload(stored.payload)[1] for stored in reader.read(None, 100_000)]
    return [event for event in events if isinstance(event, PartEvent)]


def test_pictures_leave_space_for_the_journal(
    outfeed: Outfeed, configure: Callable[..., Path], disk: Path
) -> None:
    path = configure(SMALL)
    heavy_frames(path.parent)
    path.write_text(path.read_text().replace("rate_hz = 100.0", "rate_hz = 5.0"))
    result = outfeed("run", "--config", path)
    assert result.status == 0
    assert sorted(part.part_id for part in parts(disk)) == list(range(1, 13))
    kept = list_pictures(disk / "pictures")
    assert 2 <= len(kept) <= 6  # 4 MiB of them at 0.7 MB
    assert "no space" in result.out
    refused = [line for line in result.err.splitlines() if " pictures_refused " in line]
    assert len(refused) == 1
    assert "has only its reserve free (min_free_mb)" in refused[0]
    assert outfeed("replay", "--config", path, "--all").status == 0


def test_a_disk_that_fails_in_the_middle(configure: Callable[..., Path], tmp_path: Path) -> None:
    """ext4 stops writing, as after an error of the card: inspection goes on without a disk, ends in
    order, and what was on the disk is on it."""
    (tmp_path / "state").mkdir()
    image = tmp_path / "image"
    with image.open("wb") as file:
        file.truncate(64 << 20)
    made = subprocess.run(["mkfs.ext4", "-q", str(image)], capture_output=True, check=False)
    mount = ["mount", "-o", "loop", str(image), str(tmp_path / "state")]
    if made.returncode or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount, and not everywhere")
    try:
        path, log = configure(SMALL, loop="true"), tmp_path / "log"
        with log.open("wb") as file:
            command = [sys.executable, "-m", "edge", "run", "--config", str(path)]
            process = subprocess.Popen(command, stdout=file, stderr=file)
        try:
            disk = tmp_path / "state"
            wait_for(
                lambda: process.poll() is None and len(list_pictures(disk / "pictures")) > 3,
                "pictures",
            )
            before = {part.part_id for part in parts(disk)}
            subprocess.run(["mount", "-o", "remount,abort", str(disk)], check=True)
            wait_for(lambda: "pictures_refused" in log.read_text(), "the pictures' complaint")
            wait_for(lambda: "journal_refuses" in log.read_text(), "the journal's complaint")
            process.terminate()
            assert process.wait(40) == 0
        finally:
            process.kill()
            process.wait()
        refused = [line for line in log.read_text().splitlines() if "pictures_refused" in line]
        assert len(refused) == 1
        # EIO for what was under way, EROFS for what came later.
        assert refused[0].endswith(("read-only file system", "input/output error")), refused
        subprocess.run(["umount", str(disk)], check=True)
        subprocess.run(mount, check=True)
        assert before <= {part.part_id for part in parts(disk)}
        assert main(["replay", "--config", str(path), "--all"]) == 0
    finally:
        subprocess.run(["umount", "-l", str(tmp_path / "state")], check=False)
