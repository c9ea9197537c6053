"""A station's journal and album with what people marked, written by the station's own code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.events.event import mark_event, part_event
from edge.inbox import Mark, MarkKind, new_mark
from edge.journal.writer import Journal
from edge.pictures.album import Album
from edge.pictures.buffered_frame import BufferedFrame, KeepReason
from edge.pictures.writer import ImageWriter
from edge.records import Decision
from tests.pictures.buffered_frames import ORIGIN, frame, verdict


class House:
    """Parts go into the journal; those that are kept into the album too."""

    def __init__(self, folder: Path) -> None:
        self.state = folder / "state"
        self.state.mkdir(parents=True)
        self.journal_path, self.album = self.state / "journal.sqlite", self.state / "pictures"
        self.journal = Journal.open(
            self.journal_path,
            station="press-3",
            max_bytes=1 << 24,
            cursor_path=self.state / "uplink.json",
        )
        album = Album(self.album, max_bytes=10 << 20, min_free_bytes=0)
        self.scribe = ImageWriter(
            album,
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
        kept: bool = True,
        pixels: NDArray[np.uint8] | None = None,
    ) -> None:
        """pixels: in place of noise that no other part has."""
        said = verdict(number, decision)
        self.journal.append([part_event("press-3", ORIGIN.bundle, said, 1000 * number)])
        if kept:
            seen = frame(number)
            seen = seen if pixels is None else replace(seen, pixels=pixels)
            shot = BufferedFrame(seen, said, said)
            assert isinstance(self.scribe.keep(shot, KeepReason.REJECT), str)

    def mark(self, number: int, kind: MarkKind, note: str = "") -> Mark:
        mark = new_mark(number, kind, note)
        self.journal.append([mark_event("press-3", mark, self.scribe.mark(mark))])
        return mark

    def pictures(self) -> Sequence[Path]:
        return sorted(self.album.iterdir())

    def close(self) -> None:
        self.journal.close()
