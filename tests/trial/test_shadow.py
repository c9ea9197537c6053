"""The process of the shadow, and the pictures of marked parts."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest

from edge.bundle import parse_bundle
from edge.bundle.manifest import ChainManifest
from edge.engines.registry import EngineChoice
from edge.errors import OutfeedError
from edge.records import Decision
from edge.station.shared_frames import SharedFrames
from edge.trial.admission import AdmittedBundle
from edge.trial.inspector import PRIORITY_VARIABLE
from edge.trial.live_shadow import marked_pictures
from edge.trial.shadow import ShadowProcess
from edge.updates.channel import Offered
from edge.updates.shadow import ShadowedPart
from tests.quarantine.marked_station import MarkedStation
from tests.support.bundles import CLEAN, HOLE, STAIN, bundle_bytes

P, R = Decision.PASS, Decision.REJECT


@pytest.fixture(autouse=True)
def _priority(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PRIORITY_VARIABLE, "normal")


def admitted(folder: Path, data: bytes) -> AdmittedBundle:
    path = folder / "new.outfeed"
    path.write_bytes(data)
    return AdmittedBundle(parse_bundle(data), EngineChoice(), path)


@pytest.fixture
def frames() -> SharedFrames:
    return SharedFrames(CLEAN.nbytes)


def results(
    process: ShadowProcess, count: int, seconds: float = 60
) -> list[tuple[Offered | Path, ShadowedPart]]:
    found: list[tuple[Offered | Path, ShadowedPart]] = []
    deadline_s = time.monotonic() + seconds
    while len(found) < count:
        found += process.results()
        assert time.monotonic() < deadline_s
        time.sleep(0.01)
    return found


def offer(frames: SharedFrames, pixels: np.ndarray, running: Decision = P) -> Offered:
    slot = frames.put(np.ascontiguousarray(pixels))
    assert slot is not None
    return Offered(slot=slot, part_id=1, shape=pixels.shape, decision=running, defect="hole")


def test_frames_and_pictures_are_inspected_in_order(tmp_path: Path, frames: SharedFrames) -> None:
    station = MarkedStation(tmp_path / "s")
    station.part(1, R, pixels=HOLE)
    (picture,) = station.pictures()
    station.close()
    process = ShadowProcess(
        admitted(tmp_path, bundle_bytes()), frames.descriptor, frames.slot_bytes
    )
    try:
        for request in (offer(frames, CLEAN), offer(frames, HOLE, R), picture):
            process.add(request)
        found = results(process, 3)
        assert [part.new for _, part in found] == [P, R, R]
        assert [part.running for _, part in found[:2]] == [P, R]
        assert process.is_idle
        assert all(0 < part.spent_ms < 5000 for _, part in found)
    finally:
        process.close()


def test_it_gives_way_to_everything_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PRIORITY_VARIABLE)
    process = ShadowProcess(admitted(tmp_path, bundle_bytes()))
    try:
        deadline_s = time.monotonic() + 60
        while os.sched_getscheduler(process.pid) != os.SCHED_IDLE:
            assert time.monotonic() < deadline_s
            time.sleep(0.05)
        assert os.getpriority(os.PRIO_PROCESS, process.pid) == 19
    finally:
        process.close()


def test_a_bundle_that_needs_too_much_memory_ends_its_own_process_only(
    tmp_path: Path, frames: SharedFrames
) -> None:
    process = ShadowProcess(
        admitted(tmp_path, bundle_bytes()), frames.descriptor, frames.slot_bytes, memory_mb=30
    )
    try:
        process.add(offer(frames, CLEAN))
        with pytest.raises(OutfeedError, match="the process of the shadow ended"):
            results(process, 1)
    finally:
        process.close()


def test_a_process_that_is_killed_is_an_error(tmp_path: Path, frames: SharedFrames) -> None:
    process = ShadowProcess(
        admitted(tmp_path, bundle_bytes()), frames.descriptor, frames.slot_bytes
    )
    try:
        process._process.kill()
        with pytest.raises(OutfeedError, match="signal 9"):
            results(process, 1)
    finally:
        process.close()


def test_a_frame_that_it_cannot_inspect_is_no_decision(
    tmp_path: Path, frames: SharedFrames
) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    process = ShadowProcess(
        admitted(tmp_path, bundle_bytes()), frames.descriptor, frames.slot_bytes
    )
    try:
        process.add(broken)
        ((_, part),) = results(process, 1)
        assert part.new is None
    finally:
        process.close()


def test_only_golden_frames_are_no_ability(tmp_path: Path, frames: SharedFrames) -> None:
    """A bundle whose golden frames agree with its own chain, and that finds nothing else."""
    data = bundle_bytes(chain=ChainManifest(threshold=11.95), frames={"golden/clean.png": CLEAN})
    process = ShadowProcess(admitted(tmp_path, data), frames.descriptor, frames.slot_bytes)
    try:
        process.add(offer(frames, STAIN, R))
        ((_, part),) = results(process, 1)
        assert (part.running, part.new) == (R, P)
    finally:
        process.close()


def test_marked_pictures_are_those_with_a_bad_last_mark(tmp_path: Path) -> None:
    station = MarkedStation(tmp_path / "s")
    for number in range(1, 6):
        station.part(number, R)
    station.mark(1, "true-reject")
    station.mark(2, "escape")
    station.mark(3, "false-reject")
    station.mark(4, "true-reject")
    station.mark(4, "false-reject")
    station.close()
    found = [path.name.split("-")[2] for path in marked_pictures(station.pictures_path)]
    assert sorted(found) == ["1", "2"]
    assert marked_pictures(tmp_path / "none") == []
