"""The page that helps to choose a board, from the shipped target profiles."""

from __future__ import annotations

from models.ladder.budget import needs_ms
from models.ladder.rungs import LADDER
from models.ladder.targets import TargetProfile, counted_on, targets
from tools.reference.markdown import generated, table

PX_PER_MM = 10  # the smallest defect that is found reliably is then some 0.4 mm
PARTS_MM = (25, 50, 100, 200)
SPEEDS = (0.1, 0.25, 0.5, 1.0, 2.0)  # of the belt, in m/s
NONE = "–"

_INTRODUCTION = """\
Choose the board before the line is built: find your part and the speed of your belt. A cell names
the largest network whose frame takes no longer than the time from one part to the next. A larger
network finds more ([accuracy](../benchmarks/ladder.md)).

!!! warning "These are estimates"
    No board was measured. The times follow from counted instructions
    ([Arm by instruction count](../benchmarks/arm.md), {counted}). The tables use the slow end of
    the error of each board, with a reserve of 10 % and one region for the classifier. When you have
    a board, measure it with `outfeed bench` ([fit a time budget](../how-to/fit-a-time-budget.md)).

The tables assume one camera, square parts at {px} px per mm, a gap as long as the part, and one
core for the networks. For other parts, the time from one part to the next is (part + gap) ÷ speed,
and the time of a frame grows with its area.
"""


def page() -> str:
    """Return the page as Markdown."""
    introduction = _INTRODUCTION.format(counted=counted_on(), px=PX_PER_MM)
    parts = [generated("Which board for which belt", introduction)]
    head = ("board", "frequency", "cores", "error", *(f"{r.network}, ms" for r in LADDER))
    rows = [
        (
            f"`TARGET={name}`: {each.title}",
            f"{each.ghz:g} GHz",
            str(each.cores),
            f"±{each.error:.0%}",
            *(_ms(each, rung.network) for rung in LADDER),
        )
        for name, each in targets().items()
    ]
    parts.append(
        "## The profiles\n\nEstimated median of the whole chain for a frame of 256×256 px without "
        "a defect, on one core.\n"
    )
    parts.append(table(head, rows))
    for name, each in targets().items():
        parts.append(f"## {each.title}\n\n`make train … BUDGET_MS=… TARGET={name}`\n")
        columns = ("part", "frame", *(f"{speed:g} m/s" for speed in SPEEDS))
        parts.append(table(columns, [_row(each, side) for side in PARTS_MM]))
    return "\n".join(parts)


def largest(profile: TargetProfile, side_px: int, time_ms: float) -> str | None:
    """Return the largest network that fits a time for a square frame; None where none does."""
    fitting = [
        rung.network
        for rung in LADDER
        if rung.network in profile.networks
        and needs_ms(profile.worst(rung.network, side_px * side_px), profile.region_ms) <= time_ms
    ]
    return fitting[-1] if fitting else None


def _row(profile: TargetProfile, part_mm: int) -> tuple[str, ...]:
    side = part_mm * PX_PER_MM
    cells = []
    for speed in SPEEDS:
        time_ms = 2 * part_mm / speed  # mm over m/s is ms
        found = largest(profile, side, time_ms)
        cells.append(NONE if found is None else f"`{found}`")
    return (f"{part_mm} mm", f"{side}×{side} px", *cells)


def _ms(profile: TargetProfile, network: str) -> str:
    estimate = profile.networks.get(network)
    return NONE if estimate is None else f"{estimate.ms:.2g} ({estimate.engine})"
