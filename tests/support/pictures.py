"""Image writers and recorders without files."""

from __future__ import annotations

import threading

from edge.errors import PictureError
from edge.inbox import Mark
from edge.pictures.keep_rules import KeepReason
from edge.pictures.picture_store import SkippedPicture
from edge.pictures.ring import BufferedFrame
from edge.records import Frame, Verdict
from tests.support.station import PIXELS


class FakeImageWriter:
    """Records the writes in a list. Hangs, fails or skips pictures as the test wants. No disk."""

    def __init__(self) -> None:
        self.open, self.was_called = threading.Event(), threading.Event()
        self.open.set()
        self.written: list[tuple[int, KeepReason]] = []
        self.answers: list[SkippedPicture | PictureError] = []
        self.marked: list[int] = []
        self.removable = 0

    def write(
        self, buffered: BufferedFrame, reason: KeepReason, mark: Mark | None = None
    ) -> str | SkippedPicture | None:
        self.was_called.set()
        self.open.wait(30)
        if self.answers:
            answer = self.answers.pop(0)
            if isinstance(answer, PictureError):
                raise answer
            return answer
        self.written.append((buffered.frame.part_id, reason))
        return f"{buffered.frame.part_id}.png"

    def add_mark(self, mark: Mark) -> str | None:
        has_picture = mark.part_id in {part for part, _ in self.written}
        if has_picture:
            self.marked.append(mark.part_id)
        return f"{mark.part_id}.png" if has_picture else None

    def make_space(self) -> int:
        removed, self.removable = self.removable, 0
        return removed


class FakeImageRecorder:
    """Records the calls of the station in a list."""

    def __init__(self) -> None:
        self.calls: list[tuple] = []
        self.on_mark = None
        self.counts = {"reject": 3}

    def start(self, on_mark) -> None:
        self.on_mark = on_mark
        self.calls.append(("start",))

    def record_frame(self, frame: Frame) -> None:
        assert frame.pixels is PIXELS
        self.calls.append(("frame", frame.part_id))

    def record_inspection(self, verdict: Verdict) -> None:
        self.calls.append(("inspection", verdict.part_id, verdict.decision))

    def record_verdict(self, verdict: Verdict) -> None:
        self.calls.append(("verdict", verdict.part_id, verdict.decision))

    def dump(self, timeout_s: float) -> None:
        self.calls.append(("dump",))

    def close(self, timeout_s: float) -> None:
        self.calls.append(("close",))
