"""Step pulse: the shortest pulse that still ejects, compared with the configured pulse."""

from __future__ import annotations

from contextlib import closing

from edge.commission.context import CommissionContext
from edge.commission.pulse_search import MARGIN, PulseSearch
from edge.commission.result import Figure, Proposal, StepResult, judge_figures, skipped_step
from edge.commission.single_pulses import TestPulses
from edge.commission.steps.travel import measured_travel
from edge.config.station import StationConfig
from edge.errors import DeviceError

_LONGEST_US = 500_000


def run_pulse(context: CommissionContext) -> StepResult:
    """Give test pulses, and ask the operator for each result. Blocks.

    The step is skipped without an operator, because no device of a station sees whether a part has
    left the belt.
    """
    if not context.operator.present:
        return skipped_step("pulse", "needs an operator who sees whether a part was ejected")
    question = (
        "Test pulses follow. Turn the air on, use one bad part at a time, and keep hands away from "
        "the ejector. Begin?"
    )
    if not context.operator.confirm(question):
        return skipped_step("pulse", "the operator declined test pulses")
    config = context.config
    search = PulseSearch(config.line.pulse_us, most_us=longest_us(config))
    try:
        with closing(context.devices.trigger()) as trigger:
            test_pulses = TestPulses(
                trigger, context.devices.rejector_options(trigger), context.devices.rejector
            )
            delay = measured_travel(context)
            while (pulse_us := search.next()) is not None:
                context.print_line(f"test pulse of {pulse_us / 1e3:g} ms: run one part")
                test_pulses.fire(delay, pulse_us, wait_s=context.settings.wait_s)
                answer = context.operator.choose("Was the part ejected?", ["yes", "no"])
                if answer is None:
                    return skipped_step("pulse", "the operator did not answer")
                search.answer(answer == "yes")
    except DeviceError as error:
        return judge_figures("pulse", (), faults=(str(error),))
    return judge_pulse(config, search)


def longest_us(config: StationConfig) -> int:
    """Return the longest pulse to try: min_spacing_ms, or 0.5 s where it is not set."""
    spacing_ms = config.line.min_spacing_ms
    return _LONGEST_US if spacing_ms is None else round(spacing_ms * 1e3)


def judge_pulse(config: StationConfig, search: PulseSearch) -> StepResult:
    """Check that the configured pulse is at least 1.5 times the shortest one that ejects.

    A longer pulse is allowed. It only costs speed, which step speed checks.
    """
    shortest_us, proposed_us = search.shortest_us, search.proposed_us
    if search.fault is not None or shortest_us is None or proposed_us is None:
        return judge_figures("pulse", (), faults=(search.fault or "no test pulse ejected a part",))
    figures = [
        Figure(name="shortest", value=shortest_us / 1e3, unit="ms"),
        Figure(
            name="configured",
            value=config.line.pulse_ms,
            unit="ms",
            low=round(MARGIN * shortest_us / 1e3, 3),
        ),
        Figure(name="test pulses", value=search.pulses),
    ]
    faults = []
    if proposed_us > longest_us(config):
        faults.append(
            f"{proposed_us / 1e3:g} ms are needed, but parts may come "
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
        notes.append(f"{proposed_us / 1e3:g} ms are enough, and allow a smaller gap between parts")
    return judge_figures(
        "pulse",
        figures,
        faults=faults,
        good=(
            f"a pulse of {shortest_us / 1e3:g} ms ejects; {config.line.pulse_ms:g} ms are "
            "configured"
        ),
        notes=notes,
        proposals=[] if figures[1].fits or faults else [proposal],
    )
