"""Quarantines for the tiny run: good parts that carry a new printed ring, and faint pits."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.inbox import MarkKind
from edge.quarantine import QuarantineIndex
from edge.quarantine.collect import collect
from edge.quarantine.index import write_index
from edge.quarantine.release import release, undoubted_entries
from edge.records import Decision
from tests.quarantine.marked_station import MarkedStation
from tests.support.tinyrun import SIDE_PX


def surface(number: int) -> NDArray[np.uint8]:
    """As the tiny run's: even grey with noise."""
    rng = np.random.default_rng([9, number])
    return rng.normal(128, 3, (SIDE_PX, SIDE_PX)).clip(0, 255).astype(np.uint8)


def place(number: int) -> tuple[int, int]:
    x, y = np.random.default_rng([10, number]).integers(20, SIDE_PX - 20, 2).tolist()
    return x, y


def ringed(number: int, grey: int = 60) -> NDArray[np.uint8]:
    """A good part with a printed ring, which the tiny run has never seen."""
    pixels = surface(number)
    cv2.circle(pixels, place(number), 9, grey, 2)
    return pixels


def pitted(number: int, grey: int = 10) -> NDArray[np.uint8]:
    """A bad part; a pit of a grey near 128 is faint."""
    pixels = surface(number)
    cv2.circle(pixels, place(number), 7, grey, -1)
    return pixels


def quarantine(
    folder: Path,
    parts: Iterable[tuple[NDArray[np.uint8], MarkKind]],
    *,
    released: bool = True,
) -> Path:
    """A quarantine of these parts, numbered from 1, as a station and an engineer make it."""
    station = MarkedStation(folder)
    for number, (pixels, kind) in enumerate(parts, start=1):
        decision = Decision.PASS if kind == "escape" else Decision.REJECT
        station.part(number, decision, pixels=pixels)
        station.mark(number, kind)
    found: QuarantineIndex = collect(
        station.journal_path, station.pictures_path, folder / "q"
    ).index
    station.close()
    if released:
        done = release(found, undoubted_entries(found), by="Ada", utc="2026-01-01T00:00:00Z")
        write_index(folder / "q", done)
    return folder / "q"
