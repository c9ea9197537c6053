"""A journal and a picture store with marked parts, written by the code of the station."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.events.event import mark_event, part_event
from edge.inbox import Mark, MarkKind, new_mark
from edge.journal.writer import Journal
from edge.pictures.keep_rules import KeepReason
from edge.pictures.picture_store import PictureStore
from edge.pictures.ring import BufferedFrame
from edge.pictures.writer import ImageWriter
from edge.records import Decision
from tests.pictures.buffered_frames import ORIGIN, frame, verdict


class MarkedStation:
    """Writes parts to the journal, and those with a picture to the picture store too."""

    def __init__(self, folder: Path) -> None:
        self.state = folder / "state"
        self.state.mkdir(parents=True)
        self.journal_path, self.pictures_path = (
            self.state / "journal.sqlite",
            self.state / "pictures",
        )
        self.journal = Journal.open(
            self.journal_path,
            station="press-3",
            max_bytes=1 << 24,
            cursor_path=self.state / "uplink.json",
        )
        store = PictureStore(self.pictures_path, max_bytes=10 << 20, min_free_bytes=0)
        self.image_writer = ImageWriter(
            store,
            origin=ORIGIN,
            station="press-3",
            journal=lambda: self.journal.uuid,
            keep_bundle=lambda: None,
            bytes_per_day=10 << 20,
        )

    def part(
        self,
        number: int,
        decision: Decision,
        *,
        with_picture: bool = True,
        pixels: NDArray[np.uint8] | None = None,
    ) -> None:
        """Add a part. pixels: the default is noise that no other part has."""
        final = verdict(number, decision)
        self.journal.append([part_event("press-3", ORIGIN.bundle, final, 1000 * number)])
        if with_picture:
            inspected = frame(number)
            inspected = inspected if pixels is None else replace(inspected, pixels=pixels)
            buffered = BufferedFrame(inspected, final, final)
            assert isinstance(self.image_writer.write(buffered, KeepReason.REJECT), str)

    def mark(self, number: int, kind: MarkKind, note: str = "") -> Mark:
        mark = new_mark(number, kind, note)
        self.journal.append([mark_event("press-3", mark, self.image_writer.add_mark(mark))])
        return mark

    def pictures(self) -> Sequence[Path]:
        return sorted(self.pictures_path.iterdir())

    def close(self) -> None:
        self.journal.close()
