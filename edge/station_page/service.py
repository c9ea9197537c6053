"""The content of the page: it joins journal, condition, pictures and guidance, and takes marks."""

from __future__ import annotations

import hashlib
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from edge.config.station import StationConfig
from edge.errors import OutfeedError
from edge.events.event import MarkEvent
from edge.inbox import MAX_NOTE_CHARS, PAGE_KINDS, Inbox, Mark, MarkKind, new_mark
from edge.station_page.condition import ConditionReader, StationCondition
from edge.station_page.figures import ShownPart, shift_begin
from edge.station_page.follower import JournalFollower
from edge.station_page.guidance import BundleGuidance
from edge.station_page.line_view import SHOWN_REJECTS, live_part
from edge.station_page.pictures import PagePictures
from edge.station_page.snapshot import PageSnapshot, PartView, PeriodView
from edge.validation_messages import printable

_RENDER_S = 0.5
_CONDITION_S = 2.0
_HOUR_S = 3600.0
_MOST_PART = (1 << 63) - 1
_ID = re.compile(r"[0-9a-f]{32}")


class MarkRefusedError(OutfeedError):
    """A mark from the page is not as expected. The text is for the person."""


@dataclass(frozen=True, slots=True)
class LivePart:
    """The live part of the page. tag: changes with the text."""

    text: str
    tag: str


class PageService:
    """The content of the page for all browsers.

    Synchronization: any thread may call. One call at a time reads the files of the station, and
    its result serves all browsers for half a second, so the work does not grow with their number.
    """

    def __init__(self, config: StationConfig, now_s: Callable[[], float] = time.time) -> None:
        """now_s: the wall clock. Starts nothing."""
        self.station = config.id
        self.pictures = PagePictures(config.paths.pictures)
        self._now_s = now_s
        self._shifts = config.page.shifts
        self._marks = Inbox(config.paths.page_marks) if config.page.marking else None
        self.follower = JournalFollower(config.paths.journal, self._since_s, self._on_mark)
        self._conditions = ConditionReader(config.paths)
        self._guidance = BundleGuidance(config.bundle)
        self._lock = threading.Lock()
        self._condition: tuple[float, StationCondition] | None = None
        self._live: tuple[float, LivePart] | None = None

    @property
    def can_mark(self) -> bool:
        """Return whether the configuration allows marks from the page."""
        return self._marks is not None

    def live(self) -> LivePart:
        """Return the present live part. Blocks for files."""
        with self._lock:
            known = self._live
            if known is not None and time.monotonic() - known[0] < _RENDER_S:
                return known[1]
            now_s = self._now_s()
            text = live_part(self._snapshot(now_s), now_s)
            made = LivePart(text, hashlib.sha256(text.encode()).hexdigest()[:32])
            self._live = time.monotonic(), made
            return made

    def part(self, part_id: int) -> PartView | None:
        """Return one of the last parts; None for another one. Blocks for files."""
        with self._lock:
            with self.follower.lock:
                shown = self.follower.figures.find(part_id)
            return None if shown is None else self._view(shown)

    def parts(self) -> tuple[ShownPart, ...]:
        """Return the last parts, the newest first."""
        with self.follower.lock:
            return tuple(self.follower.figures.parts)

    def now_s(self) -> float:
        """Return the wall clock in seconds since 1970."""
        return self._now_s()

    def mark(self, person: str, part: str, kind: str, note: str) -> int:
        """Leave a mark for the station, and return the number of the part.

        Blocks for an fsync. Raises MarkRefusedError and InboxError.
        """
        if self._marks is None:
            raise MarkRefusedError("page.marking is false: this page takes no marks")
        chosen = _kind(kind)
        with self.follower.lock:
            newest = self.follower.figures.newest_part
        number = _number(part)
        if newest and number > newest:
            raise MarkRefusedError(f"part {number} does not exist; the last one is {newest}")
        text = f"{person}: {printable(' '.join(note.split()))}" if note.strip() else person
        if len(text) > MAX_NOTE_CHARS:
            raise MarkRefusedError(f"the note is too long: {len(text)} of {MAX_NOTE_CHARS}")
        self._marks.post(new_mark(number, chosen, text))
        return number

    def _since_s(self) -> float:
        now_s = self._now_s()
        return min(shift_begin(self._shifts, now_s), now_s - _HOUR_S)

    def _on_mark(self, event: MarkEvent) -> None:
        """Remove the file of a mark that the journal has."""
        if self._marks is not None and _ID.fullmatch(event.mark_id):
            self._marks.remove(
                Mark(event.mark_id, event.part_id, event.mark, event.note, event.marked_utc)
            )

    def _snapshot(self, now_s: float) -> PageSnapshot:
        follower = self.follower
        condition = self._condition_now()
        begin_s = shift_begin(self._shifts, now_s)
        last = int(now_s // 60) + 1  # an event of this moment may be of the next minute
        with follower.lock:
            figures = follower.figures
            shift = figures.counts(int(begin_s // 60), last)
            hour = figures.counts(last - 60, last)
            rejects = tuple(figures.rejects[:SHOWN_REJECTS])
            started, bundle = figures.started, figures.bundle
            newest_part, newest_utc, loss = (
                figures.newest_part,
                figures.newest_utc,
                figures.last_loss,
            )
        return PageSnapshot(
            station=self.station,
            condition=condition,
            fault=follower.fault,
            behind=follower.behind,
            started=started,
            bundle=bundle,
            newest_part=newest_part,
            newest_utc=newest_utc,
            shift=PeriodView(begin_s, shift, follower.is_whole),
            hour=PeriodView(now_s - _HOUR_S, hour, follower.is_whole),
            rejects=tuple(self._view(each) for each in rejects),
            waiting=self._waiting(condition),
            loss=loss,
            waiting_marks=0 if self._marks is None else len(self._marks.waiting()),
        )

    def _waiting(self, condition: StationCondition) -> int | None:
        newest, delivered = self.follower.newest, condition.delivery.delivered
        if newest is None or delivered is None:
            return None
        return max(0, newest.published - delivered)

    def _condition_now(self) -> StationCondition:
        known = self._condition
        if known is None or time.monotonic() - known[0] > _CONDITION_S:
            read = self._conditions.read(self.follower.newest)
            known = self._condition = (time.monotonic(), read)
        return known[1]

    def _view(self, shown: ShownPart) -> PartView:
        event = shown.event
        texts = {
            each.kind: self._guidance.text(event.bundle, each.kind, each.guidance)
            for each in event.defects
        }
        guidance = tuple((kind, text) for kind, text in texts.items() if text)
        return PartView(shown, self.pictures.find(shown.journal, event.part_id), guidance)


def _kind(text: str) -> MarkKind:
    for kind in PAGE_KINDS:
        if kind == text:
            return kind
    raise MarkRefusedError(f"kind: expected {', '.join(PAGE_KINDS)}")


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 19):
        raise MarkRefusedError("part: expected the number of a part")
    number = int(text)
    if not 1 <= number <= _MOST_PART:
        raise MarkRefusedError("part: expected a number from 1 on")
    return number
