"""The state of the page at one moment, as the views need it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edge.events.event import GapEvent
from edge.events.start import StartEvent
from edge.station_page.condition import StationCondition
from edge.station_page.figures import PartCount, ShownPart
from edge.station_page.pictures import PagePicture


@dataclass(frozen=True, slots=True)
class PartView:
    """A part with its picture, and the guidance for its kinds of defects."""

    part: ShownPart
    picture: PagePicture | None
    guidance: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class PeriodView:
    """The counts of a period. begin_s: its begin, in seconds since 1970. is_whole: the journal was
    read from its begin on."""

    begin_s: float
    counts: PartCount
    is_whole: bool


@dataclass(frozen=True, slots=True)
class PageSnapshot:
    """Everything that the first page shows.

    fault: the reason why the journal cannot be read; may be empty. behind: rows of the journal that
    were not read yet. waiting: events that are not delivered; None: not known. loss: the last gap
    event of the shift. waiting_marks: marks that the station has not taken yet.
    """

    station: str
    condition: StationCondition
    fault: str
    behind: int
    started: StartEvent | None
    bundle: str
    newest_part: int
    newest_utc: str
    shift: PeriodView
    hour: PeriodView
    rejects: Sequence[PartView]
    waiting: int | None
    loss: GapEvent | None
    waiting_marks: int = 0
