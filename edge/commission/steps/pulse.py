"""Step pulse: the shortest pulse that still ejects, and how much longer the configured one is."""

from __future__ import annotations

from contextlib import closing

from edge.commission.context import CommissionContext
from edge.commission.pulse_search import MARGIN, PulseSearch
from edge.commission.result import Figure, Proposal, StepResult, judged, skipped
from edge.commission.single_pulses import TestKicks
from edge.commission.steps.travel import measured_travel
from edge.config.station import StationConfig
from edge.errors import DeviceError

_LONGEST_US = 500_000


def run_pulse(bench: CommissionContext) -> StepResult:
    """Kicks that a person judges. Blocks. Without a person it is skipped: no device of a station
    sees whether a part has left the belt."""
    if not bench.person.there:
        return skipped("pulse", "needs a person who sees whether a part was ejected")
    asked = "Test kicks follow: air on, one bad part at a time, and hands off the ejector. Begin?"
    if not bench.person.confirm(asked):
        return skipped("pulse", "test kicks were not agreed to")
    config = bench.config
    search = PulseSearch(config.line.pulse_us, most_us=longest_us(config))
    try:
        with closing(bench.devices.trigger()) as trigger:
            kicks = TestKicks(
                trigger, bench.devices.rejector_options(trigger), bench.devices.rejector
            )
            delay = measured_travel(bench)
            while (pulse_us := search.next()) is not None:
                bench.say(f"kick of {pulse_us / 1e3:g} ms: let one part run")
                kicks.kick(delay, pulse_us, wait_s=bench.settings.wait_s)
                said = bench.person.choose("Was the part ejected?", ["yes", "no"])
                if said is None:
                    return skipped("pulse", "nobody answered")
                search.answer(said == "yes")
    except DeviceError as error:
        return judged("pulse", (), faults=(str(error),))
    return judge_pulse(config, search)


def longest_us(config: StationConfig) -> int:
    """The longest pulse that is tried: parts may come min_spacing apart."""
    spacing_ms = config.line.min_spacing_ms
    return _LONGEST_US if spacing_ms is None else round(spacing_ms * 1e3)


def judge_pulse(config: StationConfig, search: PulseSearch) -> StepResult:
    """The configured pulse must be 1.5 times the shortest that ejects; a longer one is allowed, as
    what it costs is speed, which the last step judges."""
    shortest_us, proposed_us = search.shortest_us, search.proposed_us
    if search.fault is not None or shortest_us is None or proposed_us is None:
        return judged("pulse", (), faults=(search.fault or "no kick ejected a part",))
    figures = [
        Figure(name="shortest", value=shortest_us / 1e3, unit="ms"),
        Figure(
            name="configured",
            value=config.line.pulse_ms,
            unit="ms",
            low=round(MARGIN * shortest_us / 1e3, 3),
        ),
        Figure(name="kicks", value=search.kicks),
    ]
    faults = []
    if proposed_us > longest_us(config):
        faults.append(
            f"{proposed_us / 1e3:g} ms are needed, and parts may come "
            f"{longest_us(config) / 1e3:g} ms apart (min_spacing_ms)"
        )
    proposal = Proposal(
        section="line",
        key="pulse_ms",
        value=proposed_us / 1e3,
        why=f"{MARGIN:g} × the shortest",
        mends="configured",
    )
    notes = []
    if figures[1].fits and 2 * proposed_us < config.line.pulse_us:
        notes.append(f"{proposed_us / 1e3:g} ms would do, and allow parts nearer to one another")
    return judged(
        "pulse",
        figures,
        faults=faults,
        good=f"{shortest_us / 1e3:g} ms eject; {config.line.pulse_ms:g} ms are configured",
        notes=notes,
        proposals=[] if figures[1].fits or faults else [proposal],
    )
