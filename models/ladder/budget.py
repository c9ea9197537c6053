"""The largest network whose time fits a budget on a target."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edge.errors import UsageError
from models.data.dataset import DataError
from models.ladder.board import BoardTime, board_of, read_board
from models.ladder.measure import TIMES, measure
from models.ladder.record import BudgetRecord, ChainTime, Measured, RungTime, Subject
from models.ladder.rungs import LADDER
from models.ladder.targets import REFERENCE, TargetProfile, targets

log = logging.getLogger(__name__)

THIS = "this"
# Share of the budget that is kept for the copy of the frame, the journal, and other load.
RESERVE = 0.1
BUSY = 3.0  # p99 for each p50; on an idle machine it is 1.1 to 1.4 (docs/benchmarks/speed.md)


@dataclass(frozen=True, slots=True)
class TimeBudget:
    """A budget that a user names.

    ms: for one frame, above 0. target: "this", the name of a shipped profile, or the path of a
    board's file. methods: also time these methods that learn from good parts.
    """

    ms: float
    target: str = THIS
    methods: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 0 < self.ms < 1e6:
            raise UsageError(f"budget {self.ms:g} ms: expected more than 0")


@dataclass(frozen=True, slots=True)
class Frames:
    """The frames of a data set: their usual size in px, channels, and number of kinds."""

    height: int
    width: int
    channels: int
    kinds: int

    def subject(self, name: str) -> Subject:
        return Subject(name=name, height=self.height, width=self.width, channels=self.channels)


@dataclass(frozen=True, slots=True)
class _Scale:
    """Factors from the times of this machine to those of the target.

    typical: on every time. spread: p99 for each p50 on the target; None uses the measured p99.
    """

    typical: float
    spread: float | None
    method: str


def choose(budget: TimeBudget, frames: Frames, folder: Path) -> BudgetRecord:
    """Time every rung, and return the record with the largest one that fits the budget.

    Blocks for some minutes at the first call, see ``measure``. folder: for the measured times.
    Raises UsageError, one line, where no rung fits. Raises DataError for a file of a board that
    cannot be used, and where no rung can be timed.
    """
    profile = targets().get(budget.target)
    board = None
    if profile is not None:
        board = board_of(profile, frames.subject(REFERENCE))
    elif budget.target != THIS:
        board = read_board(Path(budget.target), frames.height * frames.width)
    names = [*(rung.network for rung in LADDER), *budget.methods]
    subjects = [frames.subject(name) for name in names]
    known = () if board is None or board.subject in subjects else (board.subject,)
    measured = measure((*subjects, *known), frames.kinds, folder)
    for each in measured.not_timed:
        log.warning("ladder %s is not timed: %s", each.subject.name, each.reason)
    scale = _scale(board, measured)
    by_name = {time.subject: time for time in measured.times}
    if profile is None:
        region_ms, method = measured.region_ms * scale.typical, scale.method
        rungs = _times([by_name.get(frames.subject(r.network)) for r in LADDER], scale, region_ms)
    else:
        region_ms, method = profile.region_ms, f"an estimate: {profile.method}"
        rungs = _estimates(profile, frames)
    methods = _times([by_name.get(frames.subject(m)) for m in budget.methods], scale, region_ms)
    if not rungs:
        raise DataError("no network of the ladder can be timed on this machine")
    fitting = [rung for rung in rungs if rung.needs_ms <= budget.ms]
    place = "this machine" if board is None else budget.target
    if not fitting:
        least = min(rungs, key=lambda rung: rung.needs_ms)
        raise UsageError(
            f"budget {budget.ms:g} ms: no network fits; the smallest, {least.network}, needs "
            f"{least.needs_ms:.3g} ms for {frames.width}x{frames.height} px on {place}"
        )
    return BudgetRecord(
        budget_ms=budget.ms,
        target=place,
        is_estimate=board is not None,
        method=method,
        scale=scale.typical,
        spread=scale.spread,
        width=frames.width,
        height=frames.height,
        region_ms=region_ms,
        rungs=rungs,
        methods=methods,
        chosen=fitting[-1].network,
    )


def lines(record: BudgetRecord) -> list[str]:
    """Return what was chosen and why, one sentence each, for the log and the page."""
    found = [
        f"{record.chosen} is the largest network within {record.budget_ms:g} ms a frame of "
        f"{record.width}x{record.height} px on {record.target}",
        record.method,
        f"a network needs the p99 of a frame without a defect and {record.region_ms:.2g} ms for "
        f"one region, and {RESERVE:.0%} of the budget stays free for the copy of the frame, the "
        "journal and other load",
    ]
    disturbed = [each.network for each in record.rungs if each.p99_ms > BUSY * each.p50_ms]
    if disturbed and record.is_estimate:
        found.append(
            f"other work disturbed the measurement on the board: p99 is more than {BUSY:g} times "
            "p50; for true figures repeat outfeed bench on an idle board"
        )
    elif disturbed:
        found.append(
            f"other work disturbed the measurement of {', '.join(disturbed)}: p99 is more than "
            f"{BUSY:g} times p50; for true figures delete {TIMES} and repeat on an idle machine"
        )
    for each in (*record.rungs, *record.methods):
        over = each.needs_ms - record.budget_ms
        words = f"does not fit, by {over:.3g} ms" if over > 0 else "fits"
        found.append(
            f"{each.network}: p50 {each.p50_ms:.3g} ms, p99 {each.p99_ms:.3g} ms, needs "
            f"{each.needs_ms:.3g} ms: {words}"
        )
    return found


def needs_ms(p99_ms: float, region_ms: float) -> float:
    """Return the least budget in which a chain with these times fits, in ms."""
    return (p99_ms + region_ms) / (1 - RESERVE)


def _times(
    times: Sequence[ChainTime | None], scale: _Scale, region_ms: float
) -> tuple[RungTime, ...]:
    found = []
    for time in times:
        if time is None:
            continue
        p50 = time.p50_ms * scale.typical
        p99 = time.p99_ms if scale.spread is None else p50 * scale.spread
        found.append(
            RungTime(
                network=time.subject.name,
                p50_ms=p50,
                p99_ms=p99,
                needs_ms=needs_ms(p99, region_ms),
            )
        )
    return tuple(found)


def _estimates(profile: TargetProfile, frames: Frames) -> tuple[RungTime, ...]:
    """Return the times of a profile, with p99 and the need at the slow end of its error."""
    pixels = frames.height * frames.width
    return tuple(
        RungTime(
            network=rung.network,
            p50_ms=profile.p50_ms(rung.network, pixels),
            p99_ms=profile.worst(rung.network, pixels),
            needs_ms=needs_ms(profile.worst(rung.network, pixels), profile.region_ms),
        )
        for rung in LADDER
        if rung.network in profile.networks
    )


def _scale(board: BoardTime | None, measured: Measured) -> _Scale:
    if board is None:
        engines = ", ".join(dict.fromkeys(time.engine for time in measured.times))
        method = (
            f"measured on one core of {measured.processor} with untrained networks in int8, by "
            f"{engines}"
        )
        return _Scale(1.0, None, method)
    here = next((time for time in measured.times if time.subject == board.subject), None)
    if here is None:
        raise DataError(
            f"{board.subject.name} cannot be timed here at {board.subject.size} px, so times of "
            "the board cannot be estimated"
        )
    scale = board.p50_ms / here.p50_ms
    method = (
        f"an estimate: {board.subject.name} takes {board.p50_ms:.3g} ms at {board.subject.size} px "
        f"on the board ({board.engine}) and {here.p50_ms:.3g} ms here, so every time measured on "
        f"one core here is multiplied by {scale:.3g}; p99 is {board.p99_ms / board.p50_ms:.3g} "
        "times p50, as on the board"
    )
    return _Scale(scale, board.p99_ms / board.p50_ms, method)
