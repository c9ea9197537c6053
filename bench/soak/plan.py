"""Plans of the soak: the geometry of the line, and the frequency of each fault."""

from __future__ import annotations

from dataclasses import dataclass

MS = 1_000_000


@dataclass(frozen=True, slots=True)
class SoakPlan:
    """The parameters of one plan.

    Distances are in counts. Probabilities are per part, unless the comment names another unit.
    ``gap_low`` is the least gap between announced parts. Where it is below ``spacing``, some parts
    are too close to each other.
    """

    name: str
    counts_per_s: int = 1_000
    variation: float = 0.5
    stops: float = 0.08
    reversals: float = 0.06
    travel: int = 200
    part: int = 3
    gap_low: int = 9
    gap_high: int = 40
    spacing: int = 10
    pulse_ns: int = 4 * MS
    debounce: int = 4
    eject_unknown: bool = True
    survives: bool = True
    eye: bool = False
    to_ejector: int = 40
    tolerance: int = 3
    eject_absent: bool = True
    defective: float = 0.3
    lost_verdicts: float = 0.02
    late_verdicts: float = 0.02
    taken: float = 0.02
    added: float = 0.02
    slipped: float = 0.0
    rejector_crashes: float = 0.0  # per second
    station_crashes: float = 0.0  # per second
    gaps: float = 0.0  # per second
    stalls: float = 0.0  # per second: the rejector is delayed by up to 30 ms
    pulse_stalls: float = 0.03  # per pulse: the same, from the beginning of the pulse
    pulse_crashes: float = 0.001  # per pulse
    core_stops: float = 0.3  # per stall: the guard is delayed too


MIXED = (
    SoakPlan("steady", rejector_crashes=0.02, stalls=0.2),
    SoakPlan("eye", eye=True, slipped=0.2, rejector_crashes=0.02, stalls=0.1, eject_absent=False),
    SoakPlan("fragile", survives=False, rejector_crashes=0.02, station_crashes=0.01, gaps=0.02),
    SoakPlan(
        "lenient", eject_unknown=False, survives=False, rejector_crashes=0.02, gaps=0.01, stalls=0.2
    ),
)
