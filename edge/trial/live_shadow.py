"""The shadow of a bundle on live parts and on the stored pictures of marked parts."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from edge.config.station import StationConfig
from edge.errors import OutfeedError
from edge.pictures.file_name import list_pictures
from edge.pictures.png import read_text
from edge.pictures.record import parse_record
from edge.records import Decision
from edge.trial.admission import AdmittedBundle
from edge.trial.link import StationLink
from edge.trial.shadow import ShadowProcess
from edge.update_notes import TrialFigures
from edge.updates.channel import Free, Offered, Shadow
from edge.updates.shadow import ShadowCount, raised
from edge.updates.state import TrialState

MAX_MARKED = 300
"""Marked pictures that a shadow inspects, the newest ones."""

_BAD = ("true-reject", "escape")
_GOOD = ("false-reject",)


class LiveShadow:
    """Has a new bundle inspect what the running one inspects. For one thread.

    It never drives an output, and the station never waits for it. First it inspects the stored
    pictures of parts that people marked as bad, then live parts, and at the end the pictures that
    were marked meanwhile.
    """

    def __init__(
        self, config: StationConfig, link: StationLink, admitted: AdmittedBundle, trial: TrialState
    ) -> None:
        """Ask the station for frames."""
        assert trial.body.bundle is not None
        self.sha256 = trial.body.bundle.sha256
        self.fault: str | None = None
        self.is_complete = False
        """True when the bundle has passed its shadow."""
        limits = raised(
            trial.body.shadow, config.updates.shadow_parts, config.updates.shadow_rejects
        )
        start = TrialFigures(
            parts=trial.figures.parts,
            rejects=trial.figures.rejects,
            new_rejects=trial.figures.new_rejects,
            lost_rejects=trial.figures.lost_rejects,
            bundle_rejects=trial.figures.bundle_rejects,
            unknown=trial.figures.unknown,
        )
        self._count = ShadowCount(start, limits, config.line.budget_ms)
        self._pictures = config.paths.pictures
        self._link = link
        self._admitted = admitted
        self._process: ShadowProcess | None = None
        self._descriptor = -1
        self._seen: set[str] = set()
        link.forget_frames()
        link.send(Shadow(is_on=True))

    @property
    def figures(self) -> TrialFigures:
        """Return the figures so far."""
        return self._count.closed()

    @property
    def pid(self) -> int | None:
        """Return the number of the process that inspects."""
        return None if self._process is None else self._process.pid

    def fileno(self) -> int | None:
        """Return the descriptor, to wait for results; None before the first frame."""
        return None if self._process is None else self._process.fileno()

    def turn(self) -> None:
        """Pass on new frames, and count the results. Raises OutfeedError where the process of the
        shadow has ended or hangs."""
        link = self._link
        if link.frames < 0:
            return
        if self._process is None or link.frames != self._descriptor:
            self._begin()
        assert self._process is not None
        for offered in link.take_offered():
            self._process.add(offered)
        for request, part in self._process.results():
            if isinstance(request, Offered):
                link.send(Free(slot=request.slot))
                if request.decision is not Decision.UNKNOWN:
                    self._count.add(part)
            else:
                self._count.add_marked(is_found=part.new is Decision.REJECT)
        self.fault = self._count.early_fault()
        if self.fault is not None or not self._count.is_complete:
            return
        if not self._add_marked() and self._process.is_idle:
            self.fault = self._count.fault()
            self.is_complete = self.fault is None

    def close(self) -> None:
        """End the process, and the offers of the station."""
        self._link.send(Shadow(is_on=False))
        self._link.forget_frames()
        if self._process is not None:
            self._process.close()
        self._process = None

    def _begin(self) -> None:
        if self._process is not None:
            self._process.close()
        link = self._link
        self._descriptor = link.frames
        self._process = ShadowProcess(self._admitted, link.frames, link.slot_bytes)
        self._seen.clear()
        self._add_marked()

    def _add_marked(self) -> bool:
        """Pass on the pictures of marked parts that were not inspected. Return whether any was."""
        assert self._process is not None
        found = False
        for path in marked_pictures(self._pictures):
            if path.name not in self._seen:
                self._seen.add(path.name)
                self._process.add(path)
                found = True
        return found


def marked_pictures(folder: Path) -> list[Path]:
    """Return the stored pictures of parts that people marked as bad, at most MAX_MARKED.

    The last mark about a part counts. A picture that cannot be read is left out.
    """
    found: list[Path] = []
    with suppress(OutfeedError):
        for name in reversed(list_pictures(folder)):
            path = folder / str(name)
            with suppress(OutfeedError):
                kinds = [each.kind for each in parse_record(read_text(path), name=str(name)).marks]
                kinds = [kind for kind in kinds if kind in (*_BAD, *_GOOD, "look")]
                if kinds and kinds[-1] in _BAD:
                    found.append(path)
            if len(found) == MAX_MARKED:
                break
    return found
