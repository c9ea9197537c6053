"""The figures of one workload on one core, and the file that holds them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from bench.arm.cores import Core
from bench.arm.instructions import Family
from bench.arm.trace import Span, Trace
from bench.arm.workloads import Workload


@dataclass(frozen=True, slots=True)
class ArmFigures:
    """The counts of a frame.

    instructions: the median of the frames, without the marks. spread: largest less smallest count
    of a frame, as a share of it. families: instructions by family. cycles: the least number of
    cycles for these blocks. Both are empty or 0 for a core without ports.
    """

    name: str
    kind: str
    engine: str
    defects: bool
    core: str
    mmac: float | None
    instructions: int
    spread: float
    families: dict[Family, int]
    cycles: float


def figures_of(trace: Trace, some: Sequence[Workload], core: Core) -> list[ArmFigures]:
    """Return the figures of each workload. Raises ValueError where the trace lacks one."""
    by_mark: dict[int, list[Span]] = {}
    for span in trace.spans:
        if span.mark:
            by_mark.setdefault(span.mark, []).append(span)
    own = round(median(span.total for span in by_mark[1]))
    ports = core.ports
    own_cycles = trace.cycles(by_mark[1][0], ports) if ports else 0.0
    found = []
    for number, workload in enumerate(some, start=2):
        spans = by_mark.get(number)
        if not spans:
            raise ValueError(f"{workload.name}: was not counted")
        typical = sorted(spans, key=lambda span: span.total)[len(spans) // 2]
        found.append(
            ArmFigures(
                name=workload.name,
                kind=workload.kind,
                engine=workload.engine,
                defects=workload.defects,
                core=core.name,
                mmac=workload.mmac,
                instructions=typical.total - own,
                spread=_spread([span.total for span in spans]),
                families=dict(trace.families(typical)) if ports else {},
                cycles=trace.cycles(typical, ports) - own_cycles if ports else 0.0,
            )
        )
    return found


def _spread(totals: Sequence[int]) -> float:
    return (max(totals) - min(totals)) / max(totals)


def write_figures(path: Path, some: Iterable[ArmFigures]) -> None:
    """Write figures as JSON, one line each."""
    path.write_text("".join(f"{json.dumps(asdict(each))}\n" for each in some), encoding="utf-8")


def read_figures(path: Path) -> list[ArmFigures]:
    """Return the figures of a file; none where it does not exist."""
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").splitlines()
    return [ArmFigures(**json.loads(line)) for line in lines]
