"""The file results.jsonl: one JSON object per inspected frame, one per line."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import TracebackType

from edge.errors import OutfeedError
from edge.records import Defect, Verdict


def result_line(file: str, verdict: Verdict, *, timings: bool = True) -> str:
    """Return the line of one verdict, without a line end.

    Without timings it depends only on the picture and the bundle. It is ASCII with other characters
    escaped, so every file name can be written.
    """
    record: dict[str, object] = {
        "file": file,
        "decision": verdict.decision.value,
        "reason": verdict.reason,
        "score": round(verdict.score, 6),
        **({} if verdict.part_score is None else {"part_score": round(verdict.part_score, 6)}),
        "defects": [_defect(defect) for defect in verdict.defects],
    }
    if timings and verdict.timings is not None:
        steps = verdict.timings
        record["timings_us"] = {
            "detect": round(steps.detect_us, 1),
            "filter": round(steps.filter_us, 1),
            "components": round(steps.components_us, 1),
            "classify": round(steps.classify_us, 1),
            "decide": round(steps.decide_us, 1),
            "total": round(steps.total_us, 1),
        }
    return json.dumps(record)


def _defect(defect: Defect) -> dict[str, object]:
    region, box = defect.region, defect.region.box
    return {
        "box": [box.left, box.top, box.right, box.bottom],
        "kind": defect.kind,
        "confidence": round(defect.confidence, 6),
        "peak_severity": round(region.peak_severity, 6),
        "area_px": region.area_px,
    }


class LineFile:
    """A file of lines. It is written as ``PATH.part`` and becomes ``PATH`` at the end of the run.

    Every line is written before the next frame is inspected. So after a crash PATH.part holds every
    result, and PATH is never incomplete. A line that was written in part is removed again. A power
    loss may cost the last seconds: there is one fsync at the end, because one per line would take
    longer than the inspection.
    """

    def __init__(self, path: Path) -> None:
        """Create PATH.part, or empty it. Raises OutfeedError where that fails."""
        self.path = path
        self.part = path.with_name(path.name + ".part")
        if path.is_dir():
            raise OutfeedError(f"{path}: is a folder, expected a file to write")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._fd = os.open(self.part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        except OSError as error:
            raise OutfeedError(f"{self.part}: cannot be written: {error.strerror}") from error
        self._size = 0

    def write(self, line: str) -> None:
        """Append one line completely, or not at all. Raises OutfeedError."""
        data = line.encode("ascii") + b"\n"
        try:
            written = os.write(self._fd, data)
            if written < len(data):
                os.ftruncate(self._fd, self._size)
                raise OutfeedError(f"{self.part}: cannot be written: no space for a line")
        except OSError as error:
            raise OutfeedError(f"{self.part}: cannot be written: {error.strerror}") from error
        self._size += written

    def __enter__(self) -> LineFile:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Rename PATH.part to PATH, unless an error was raised."""
        try:
            if error is None:
                os.fsync(self._fd)
        finally:
            os.close(self._fd)
        if error is None:
            self.part.replace(self.path)
