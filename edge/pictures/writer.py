"""What is written to the album, and what it costs."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone

from edge.clock import boot_id, utc_now
from edge.inbox import Mark
from edge.pictures.album import Album, SkippedPicture, cost_bytes
from edge.pictures.buffered_frame import BufferedFrame, KeepReason
from edge.pictures.file_name import PictureName
from edge.pictures.png import attach, compress, picture_text
from edge.pictures.provenance import Provenance
from edge.pictures.record import PictureRecord, digest_of, parse_record, record_text
from edge.pictures.write_limit import WriteLimit


class ImageWriter:
    """Turns shots into pictures of the album, within what may be written a day. What was left of
    that stands in the last picture's record, so a restart neither forgets it nor costs a write.

    One thread; every method blocks on the disk and raises PictureError where that refuses.
    """

    def __init__(
        self,
        album: Album,
        *,
        origin: Provenance,
        station: str,
        journal: Callable[[], str],
        keep_bundle: Callable[[], None],
        bytes_per_day: int,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """journal: its uuid. keep_bundle: sees to it that what judged can be found again."""
        self._album = album
        self._origin = origin
        self._station = station
        self._journal = journal
        self._keep_bundle = keep_bundle
        self._bytes_per_day = bytes_per_day
        self._now_s = now_s
        self._allowance: WriteLimit | None = None
        self._last_cost = 0

    def keep(
        self, shot: BufferedFrame, reason: KeepReason, mark: Mark | None = None
    ) -> str | SkippedPicture | None:
        """Write one: its name, or why not; None where it is there already. A mark's picture is
        written even where the day's bytes are used up."""
        journal, part_id = self._journal(), shot.frame.part_id
        allowance = self._ready()
        if self._album.find(journal, part_id) is not None:
            return None
        if (why := self._album.fault(0)) is not None:
            return why
        if mark is None and allowance.left(self._now_s()) < self._last_cost // 2:
            return SkippedPicture.PER_DAY  # known before the work of encoding
        name = PictureName(self._album.next_number, journal[:8], part_id, reason)
        why = self._write(name, shot, mark, allowance)
        return str(name) if why is None else why

    def mark(self, mark: Mark) -> str | None:
        """Add a mark to the part's picture; its name, None where it has none."""
        allowance = self._ready()
        name = self._album.find(self._journal(), mark.part_id)
        if name is None:
            return None
        data = self._album.load(name)
        record = parse_record(picture_text(data, name=str(name)), name=str(name))
        if mark.id not in {each.id for each in record.marks}:
            text = record_text(replace(record, marks=(*record.marks, mark)))
            written = self._album.replace_text(name, data, text)
            allowance.overdraw(cost_bytes(written), self._now_s())
        return str(name)

    def give_way(self) -> int:
        """Where the disk is nearly full: remove old pictures; how many went."""
        self._ready()
        return self._album.give_way()

    def _write(
        self, name: PictureName, shot: BufferedFrame, mark: Mark | None, allowance: WriteLimit
    ) -> SkippedPicture | None:
        """None: it is written."""
        picture = compress(shot.frame.pixels)
        # After that, as the chain of a late part may have answered meanwhile.
        marks = () if mark is None else (mark,)
        record = self._record(name, shot, marks, round(allowance.left(self._now_s())))
        cost = cost_bytes(len(picture) + len(record_text(record)))
        record = replace(record, left_bytes=record.left_bytes - cost)
        data = attach(picture, record_text(record))
        if (why := self._album.fault(len(data))) is not None:
            return why
        self._last_cost = cost
        if mark is not None:
            allowance.overdraw(cost, self._now_s())
        elif not allowance.spend(cost, self._now_s()):
            return SkippedPicture.PER_DAY
        self._album.store(name, data)
        return None

    def _record(
        self, name: PictureName, shot: BufferedFrame, marks: tuple[Mark, ...], left_bytes: int
    ) -> PictureRecord:
        frame = shot.frame
        return PictureRecord(
            number=name.number,
            station=self._station,
            journal=self._journal(),
            boot_id=boot_id(),
            utc=utc_now(),
            part_id=frame.part_id,
            sequence=frame.sequence,
            triggered_ns=frame.triggered_ns,
            exposed_ns=frame.exposed_ns,
            kept=name.reason,
            pixels_sha256=digest_of(frame.pixels),
            verdict=shot.verdict,
            said=shot.said,
            origin=self._origin,
            left_bytes=left_bytes,
            marks=marks,
        )

    def _ready(self) -> WriteLimit:
        """The album is open and the bundle is kept, both tried again until they are."""
        self._album.open()
        if self._allowance is None:
            self._keep_bundle()
            last, now_s = self._album.newest_record(), self._now_s()
            self._allowance = WriteLimit(
                self._bytes_per_day,
                now_s=now_s - (0.0 if last is None else _since_s(last.utc)),
                left_bytes=None if last is None else last.left_bytes,
            )
        return self._allowance


def _since_s(utc: str) -> float:
    """How long ago that was by the wall clock, never negative; 0 where it is no time."""
    try:
        then = datetime.fromisoformat(utc.replace("Z", "+00:00"))
    except ValueError:
        return 0.0
    return max(0.0, (datetime.now(timezone.utc) - then).total_seconds())
