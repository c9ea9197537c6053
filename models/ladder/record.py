"""The records of a time budget: the measured times, and what run.json holds of them."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Subject(_Part):
    """A network to time, on frames of one size.

    name: a rung, or a method that learns from good parts. height, width: of the frame in px.
    channels: 1 or 3.
    """

    name: str
    height: int = Field(ge=16)
    width: int = Field(ge=16)
    channels: int = Field(ge=1, le=3)

    @property
    def size(self) -> str:
        return f"{self.width}x{self.height}"


class ChainTime(_Part):
    """The time of the chain on frames without a defect, in ms per frame, on one core.

    engine: the fastest engine and build. frames: number of measured frames.
    """

    subject: Subject
    engine: str
    frames: int
    p50_ms: float
    p99_ms: float


class NotTimed(_Part):
    """A subject that could not be timed, and the reason."""

    subject: Subject
    reason: str


class Measured(_Part):
    """The answer of export/ladder.

    processor: of this machine. region_ms: median time of the classifier for one region, on one
    core.
    """

    processor: str
    region_ms: float
    times: tuple[ChainTime, ...]
    not_timed: tuple[NotTimed, ...] = ()


class RungTime(_Part):
    """The time of one network on the target, in ms per frame.

    p50_ms, p99_ms: of a frame without a defect. needs_ms: the least budget with which the network
    fits: p99_ms and the time of one region, with the reserve.
    """

    network: str
    p50_ms: float
    p99_ms: float
    needs_ms: float


class BudgetRecord(_Part):
    """A time budget, the times on the target, and the network that was chosen.

    Attributes:
        budget_ms: the budget for a frame.
        target: the machine for which the times are: "this machine", or the file of a board.
        is_estimate: true where the times are estimated from the file of a board.
        method: one sentence on how the times were found.
        scale: time on the target for each time on this machine; 1 for this machine.
        spread: p99 for each p50 on the board; None where p99 was measured on this machine.
        width: of the frames, in px.
        height: of the frames, in px.
        region_ms: time of the classifier for one region, on the target.
        rungs: every rung, the fastest first.
        methods: methods that learn from good parts, where they were timed.
        chosen: the largest rung that fits.
    """

    budget_ms: float
    target: str
    is_estimate: bool
    method: str
    scale: float
    spread: float | None = None
    width: int
    height: int
    region_ms: float
    rungs: tuple[RungTime, ...]
    methods: tuple[RungTime, ...] = ()
    chosen: str

    def fits(self, needs_ms: float) -> bool:
        """Return true where a network that needs so much fits."""
        return needs_ms <= self.budget_ms

    def too_slow(self, needs_ms: float) -> str:
        """Return a reason for which a network is left out."""
        return f"needs {needs_ms:.3g} ms a frame on {self.target}; the budget is {self.budget_ms:g}"


class BudgetVerdict(_Part):
    """The time of a packed bundle against the budget of its run.

    engine: the fastest engine and build; None where no engine could be timed. p99_ms: of frames
    with or without regions, the slower sort. needs_ms: p99_ms with the reserve.
    """

    budget_ms: float
    target: str
    is_met: bool
    is_estimate: bool = False
    engine: str | None = None
    p99_ms: float | None = None
    needs_ms: float | None = None
