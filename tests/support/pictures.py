"""Image writers and recorders that keep no file."""

from __future__ import annotations

import threading

from edge.errors import PictureError
from edge.inbox import Mark
from edge.pictures.album import SkippedPicture
from edge.pictures.buffered_frame import BufferedFrame, KeepReason
from edge.records import Frame, Verdict
from tests.support.station import PIXELS


class FakeScribe:
    """Keeps shots in a list; hangs, refuses or says no as the test wants. No disk."""

    def __init__(self) -> None:
        self.open, self.asked = threading.Event(), threading.Event()
        self.open.set()
        self.kept: list[tuple[int, KeepReason]] = []
        self.answers: list[SkippedPicture | PictureError] = []
        self.marked: list[int] = []
        self.gone = 0

    def keep(
        self, shot: BufferedFrame, reason: KeepReason, mark: Mark | None = None
    ) -> str | SkippedPicture | None:
        self.asked.set()
        self.open.wait(30)
        if self.answers:
            answer = self.answers.pop(0)
            if isinstance(answer, PictureError):
                raise answer
            return answer
        self.kept.append((shot.frame.part_id, reason))
        return f"{shot.frame.part_id}.png"

    def mark(self, mark: Mark) -> str | None:
        there = mark.part_id in {part for part, _ in self.kept}
        if there:
            self.marked.append(mark.part_id)
        return f"{mark.part_id}.png" if there else None

    def give_way(self) -> int:
        gone, self.gone = self.gone, 0
        return gone


class RecordedKeeper:
    def __init__(self) -> None:
        self.told: list[tuple] = []
        self.on_mark = None
        self.counts = {"reject": 3}

    def start(self, on_mark) -> None:
        self.on_mark = on_mark
        self.told.append(("start",))

    def record_frame(self, frame: Frame) -> None:
        assert frame.pixels is PIXELS
        self.told.append(("frame", frame.part_id))

    def record_inspection(self, verdict: Verdict) -> None:
        self.told.append(("inspection", verdict.part_id, verdict.decision))

    def record_verdict(self, verdict: Verdict) -> None:
        self.told.append(("verdict", verdict.part_id, verdict.decision))

    def dump(self, timeout_s: float) -> None:
        self.told.append(("dump",))

    def close(self, timeout_s: float) -> None:
        self.told.append(("close",))
