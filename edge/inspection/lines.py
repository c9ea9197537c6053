"""results.jsonl: one JSON object per inspected frame, one line each."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import TracebackType

from edge.errors import OutfeedError
from edge.records import Defect, Verdict


def result_line(file: str, verdict: Verdict, *, timings: bool = True) -> str:
    """The line of one verdict, without its end. Without timings it depends on nothing but the
    picture and the bundle. ASCII: other characters are escaped, so any file name fits."""
    record: dict[str, object] = {
        "file": file,
        "decision": verdict.decision.value,
        "reason": verdict.reason,
        "score": round(verdict.score, 6),
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
    """Lines to ``PATH.part``, which becomes ``PATH`` when the run is complete.

    Every line is one write to the file before the next frame is looked at: a killed run has lost
    nothing that was done, and it lies in PATH.part; PATH itself is never half a run. A line that
    the disk took in part is cut off again. Power loss may cost the last seconds: there is one
    fsync, at the end, as one per line would cost more than the inspection.
    """

    def __init__(self, path: Path) -> None:
        """Begins PATH.part anew. Raises OutfeedError for a folder that cannot be written."""
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
        """Append one line, whole or not at all. Raises OutfeedError."""
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
        """Without an error the file gets its name; with one the part stays where it is."""
        try:
            if error is None:
                os.fsync(self._fd)
        finally:
            os.close(self._fd)
        if error is None:
            self.part.replace(self.path)
