"""The proposals of a network, which inspects pictures without a label on a thread of its own."""

from __future__ import annotations

import logging
from collections import OrderedDict, deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from threading import Condition, Thread

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.bundle import ChainManifest
from edge.chain.decide import LIMIT, rejects_from
from edge.chain.inspector import Inspection, Inspector
from edge.errors import OutfeedError
from edge.labelling.runs import encode_runs
from edge.records import Decision, Frame, SeverityMap

_log = logging.getLogger(__name__)

KEPT = 100  # proposals with their severity maps; the scores of all pictures are kept
_OUTLINE_PX = 1.0  # distance of an outline from the region, so that few points are to be moved
_JOIN_S = 30.0


@dataclass(frozen=True, slots=True)
class ProposedDefect:
    """A defect above T. runs: its pixels (edge/labelling/runs.py). outline: the largest outline,
    points as x, y in pixels. severity: its peak, 0 to 12. confidence: 0 to 1."""

    kind: str
    confidence: float
    severity: float
    runs: list[int]
    outline: list[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class NetworkProposal:
    """The result for one picture. score: of the verdict, 0 to 12. doubt: the distance of the score
    from the limit; the smallest is the least sure. severity: uint8 H×W, 20 for each step of the
    scale 0 to 12. fault: the reason why there is no result, or ''."""

    score: float
    doubt: float
    decision: Decision
    reason: str
    defects: tuple[ProposedDefect, ...]
    severity: NDArray[np.uint8] | None
    fault: str = ""


def limit_of(chain: ChainManifest) -> float:
    """Return the score from which a part is rejected, on the scale of the verdict's score."""
    return LIMIT if chain.part_threshold is not None else rejects_from(chain)


class Proposer:
    """Inspects pictures in the background: first the one that a person opens, then the others.

    Synchronization: one thread uses the inspector. Any thread may call the methods.
    """

    def __init__(
        self,
        inspector: Inspector,
        limit: float,
        read: Callable[[str], NDArray[np.uint8]],
        names: Sequence[str],
    ) -> None:
        """read: the pixels of a picture by its name. names: the pictures to inspect, in order."""
        self._inspector = inspector
        self._limit = limit
        self._read = read
        self._waiting: deque[str] = deque(names)
        self._wanted: deque[str] = deque()
        self._doubts: dict[str, float] = {}
        self._kept: OrderedDict[str, NetworkProposal] = OrderedDict()
        self._changed = Condition()
        self._ends = False
        self._thread = Thread(target=self._work, name="proposals", daemon=True)

    def add(self, names: Sequence[str]) -> None:
        """Inspect further pictures, after those that wait. Does not block."""
        with self._changed:
            self._waiting.extend(names)
            self._changed.notify_all()

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def close(self) -> None:
        """End the thread after the picture that it inspects. Blocks until then."""
        with self._changed:
            self._ends = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(_JOIN_S)

    def get(self, name: str) -> NetworkProposal | None:
        """Return the proposal of a picture; None while it is being made, which this call asks for.

        Does not block.
        """
        with self._changed:
            found = self._kept.get(name)
            if found is None and name not in self._wanted:
                self._wanted.append(name)
                self._changed.notify_all()
            return found

    def wait(self, name: str, timeout_s: float) -> NetworkProposal | None:
        """Return the proposal of a picture as soon as it is made; None after the timeout."""
        self.get(name)
        with self._changed:
            self._changed.wait_for(lambda: name in self._kept or self._ends, timeout_s)
            return self._kept.get(name)

    def by_doubt(self, names: Collection[str]) -> list[str]:
        """Return the names with the least sure picture first; those without a score come last."""
        with self._changed:
            doubts = dict(self._doubts)
        return sorted(names, key=lambda name: (doubts.get(name, float("inf")),))

    @property
    def inspected(self) -> int:
        """The number of pictures with a score."""
        with self._changed:
            return len(self._doubts)

    def _work(self) -> None:
        while (name := self._next()) is not None:
            proposal = self._propose(name)
            with self._changed:
                self._doubts[name] = proposal.doubt
                self._kept[name] = proposal
                self._kept.move_to_end(name)
                while len(self._kept) > KEPT:
                    self._kept.popitem(last=False)
                self._changed.notify_all()

    def _next(self) -> str | None:
        """Return the next picture; wait where there is none. None: the thread is to end."""
        with self._changed:
            while not self._ends:
                if self._wanted:
                    return self._wanted.popleft()
                while self._waiting:
                    name = self._waiting.popleft()
                    if name not in self._doubts:
                        return name
                self._changed.wait()
            return None

    def _propose(self, name: str) -> NetworkProposal:
        try:
            pixels = self._read(name)
            found = self._inspector.examine(Frame(0, 0, 0, 0, pixels))
        except OutfeedError as error:
            _log.debug("proposal_missing picture=%s reason=%s", name, error)
            return NetworkProposal(0.0, float("inf"), Decision.UNKNOWN, "", (), None, str(error))
        height, width = pixels.shape[:2]
        verdict = found.verdict
        return NetworkProposal(
            verdict.score,
            abs(verdict.score - self._limit),
            verdict.decision,
            verdict.reason,
            _defects(found, height, width),
            severity_pixels(found.severity, height, width),
        )


def severity_pixels(severity: SeverityMap, height: int, width: int) -> NDArray[np.uint8]:
    """Return 20 times the severity, uint8 height×width, interpolated between cells."""
    cells = (severity.values.astype(np.float32) - severity.zero_point) * severity.scale * 20
    stride = severity.stride_px
    size = (cells.shape[1] * stride, cells.shape[0] * stride)
    fine = cv2.resize(cells, size, interpolation=cv2.INTER_LINEAR)[:height, :width]
    return np.clip(np.rint(fine), 0, 255).astype(np.uint8)


def _defects(found: Inspection, height: int, width: int) -> tuple[ProposedDefect, ...]:
    clusters = found.components
    if clusters is None:
        return ()
    defects = []
    for label, defect in zip(found.defect_labels, found.verdict.defects, strict=True):
        mask = np.zeros((height, width), np.bool_)
        rows, columns = clusters.labels.shape
        inside = np.asarray(clusters.labels == label)
        place = np.s_[clusters.top : clusters.top + rows, clusters.left : clusters.left + columns]
        mask[place] = inside
        defects.append(
            ProposedDefect(
                defect.kind,
                defect.confidence,
                defect.region.peak_severity,
                encode_runs(mask),
                _outline(mask),
            )
        )
    return tuple(defects)


def _outline(mask: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return the outline of the largest part of a mask as a polygon of few points."""
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    largest = max(contours, key=len)
    points = cv2.approxPolyDP(largest, _OUTLINE_PX, closed=True).reshape(-1, 2)
    return [(int(x), int(y)) for x, y in points]
