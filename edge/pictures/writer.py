"""The writer of pictures: it encodes frames and stores them, within the write limit."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone

from edge.clock import boot_id, utc_now
from edge.inbox import Mark
from edge.pictures.file_name import PictureName
from edge.pictures.keep_rules import KeepReason
from edge.pictures.picture_store import PictureStore, SkippedPicture, cost_bytes
from edge.pictures.png import attach, compress, picture_text
from edge.pictures.provenance import PictureOrigin, Provenance
from edge.pictures.record import PictureRecord, digest_of, parse_record, record_text
from edge.pictures.ring import BufferedFrame
from edge.pictures.write_limit import WriteLimit


class ImageWriter:
    """Writes buffered frames to the picture store, within the bytes that may be written in a day.

    The bytes that are left stand in the record of the last picture. So a restart knows them, and
    they need no write of their own.

    For one thread. Every method blocks on the disk, and raises PictureError if the disk reports an
    error.
    """

    def __init__(
        self,
        store: PictureStore,
        *,
        origin: Provenance,
        station: str,
        journal: Callable[[], str],
        keep_bundle: Callable[[], None],
        bytes_per_day: int,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """journal: returns the UUID of the journal. keep_bundle: copies the bundle beside the
        pictures, if it is not there yet. now_s: a monotonic clock.
        """
        self._store = store
        self._origin = origin
        self._station = station
        self._journal = journal
        self._keep_bundle = keep_bundle
        self._bytes_per_day = bytes_per_day
        self._now_s = now_s
        self._allowance: WriteLimit | None = None
        self._last_cost = 0
        self._kept: str | None = None  # digest of the last bundle of another origin

    def write(
        self, buffered: BufferedFrame, reason: KeepReason, mark: Mark | None = None
    ) -> str | SkippedPicture | None:
        """Write one picture. Return its name, or the reason why it was not written.

        Return None if the part has a picture already. The picture of a mark is written even if the
        write limit is reached.
        """
        journal, part_id = self._journal(), buffered.frame.part_id
        allowance = self._ready()
        if self._store.find(journal, part_id) is not None:
            return None
        self._keep(buffered.origin)
        if (skipped := self._store.skip_reason(0)) is not None:
            return skipped
        if mark is None and allowance.left(self._now_s()) < self._last_cost // 2:
            return SkippedPicture.PER_DAY  # saves the time of encoding
        name = PictureName(self._store.next_number, journal[:8], part_id, reason)
        skipped = self._encode_and_store(name, buffered, mark, allowance)
        return str(name) if skipped is None else skipped

    def add_mark(self, mark: Mark) -> str | None:
        """Add a mark to the part's picture. Return the name of the picture; None: there is none."""
        allowance = self._ready()
        name = self._store.find(self._journal(), mark.part_id)
        if name is None:
            return None
        data = self._store.load(name)
        record = parse_record(picture_text(data, name=str(name)), name=str(name))
        if mark.id not in {each.id for each in record.marks}:
            text = record_text(replace(record, marks=(*record.marks, mark)))
            written = self._store.replace_text(name, data, text)
            allowance.overdraw(cost_bytes(written), self._now_s())
        return str(name)

    def make_space(self) -> int:
        """Remove old pictures while the disk is nearly full. Return their number."""
        self._ready()
        return self._store.make_space()

    def _encode_and_store(
        self, name: PictureName, buffered: BufferedFrame, mark: Mark | None, allowance: WriteLimit
    ) -> SkippedPicture | None:
        """Return None after the picture was written."""
        picture = compress(buffered.frame.pixels)
        # Made after compression: the chain verdict on a late part may have arrived meanwhile.
        marks = () if mark is None else (mark,)
        record = self._record(name, buffered, marks, round(allowance.left(self._now_s())))
        cost = cost_bytes(len(picture) + len(record_text(record)))
        record = replace(record, left_bytes=record.left_bytes - cost)
        data = attach(picture, record_text(record))
        if (skipped := self._store.skip_reason(len(data))) is not None:
            return skipped
        self._last_cost = cost
        if mark is not None:
            allowance.overdraw(cost, self._now_s())
        elif not allowance.spend(cost, self._now_s()):
            return SkippedPicture.PER_DAY
        self._store.store(name, data)
        return None

    def _record(
        self, name: PictureName, buffered: BufferedFrame, marks: tuple[Mark, ...], left_bytes: int
    ) -> PictureRecord:
        frame = buffered.frame
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
            reason=name.reason,
            pixels_sha256=digest_of(frame.pixels),
            verdict=buffered.verdict,
            chain_verdict=buffered.chain_verdict,
            origin=self._origin if buffered.origin is None else buffered.origin.provenance,
            left_bytes=left_bytes,
            marks=marks,
        )

    def _keep(self, origin: PictureOrigin | None) -> None:
        """Copy the bundle of this origin, at its first picture."""
        if origin is not None and origin.provenance.bundle_digest != self._kept:
            origin.keep_bundle()
            self._kept = origin.provenance.bundle_digest

    def _ready(self) -> WriteLimit:
        """Open the store, and at first copy the bundle. Return the write limit.

        After an error the next call tries both again.
        """
        self._store.open()
        if self._allowance is None:
            self._keep_bundle()
            last, now_s = self._store.newest_record(), self._now_s()
            self._allowance = WriteLimit(
                self._bytes_per_day,
                now_s=now_s - (0.0 if last is None else _since_s(last.utc)),
                left_bytes=None if last is None else last.left_bytes,
            )
        return self._allowance


def _since_s(utc: str) -> float:
    """Return the seconds since then by the wall clock, never negative; 0 for an invalid time."""
    try:
        then = datetime.fromisoformat(utc.replace("Z", "+00:00"))
    except ValueError:
        return 0.0
    return max(0.0, (datetime.now(timezone.utc) - then).total_seconds())
