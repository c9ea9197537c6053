"""The parts in the record of a simulated output, for comparison with the reports."""

from dataclasses import dataclass
from pathlib import Path

from edge.devices.output_simulated import pulses, read_record
from edge.line.outcome import Action
from edge.rejector.messages import Actuated


@dataclass(frozen=True)
class Judged:
    """The comparison of reports with the recorded pulses, with parts by number.

    hit: good parts in a recorded pulse. silent: those of them without a report EJECTED. invented:
    parts reported as ejected, but in no pulse. late_us: the delay of the latest end of a pulse.
    """

    hit: list[int]
    silent: list[int]
    invented: list[int]


def judge(record: Path, reports: list[Actuated], due: dict[int, int], good: set[int]) -> Judged:
    """Compare the output's own record with what was reported. due: each part's moment, ns."""
    spans = [
        (pulse.at_ns, pulse.at_ns + pulse.width_us * 1000) for pulse in pulses(read_record(record))
    ]
    hit = [part for part in sorted(good) if any(begin <= due[part] < end for begin, end in spans)]
    ejected = {report.part_id for report in reports if report.action is Action.EJECTED}
    return Judged(
        hit=hit,
        silent=[part for part in hit if part not in ejected],
        invented=[part for part in sorted(ejected & good) if part not in hit],
    )


def longest_us(record: Path) -> int:
    """The longest pulse of a record."""
    return max(pulse.width_us for pulse in pulses(read_record(record)))
