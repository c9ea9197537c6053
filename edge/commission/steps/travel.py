"""Step travel: the time, or the distance in counts, from the photo-eye to the ejector."""

from __future__ import annotations

from contextlib import ExitStack, closing
from itertools import pairwise

from edge.commission.arrivals import Distance, Watched, find_distance
from edge.commission.context import CommissionContext
from edge.commission.delay_search import Aim, DelaySearch
from edge.commission.observation import TwoEyes
from edge.commission.result import Figure, Proposal, StepResult, judge_figures, skipped_step
from edge.commission.single_pulses import TestPulses
from edge.config.ejector_eye import EjectorEyeConfig
from edge.config.station import StationConfig
from edge.errors import DeviceError

_MOST_FACTOR = 4  # times the configured travel is the largest distance considered
_STRAY_SHARE = 0.1  # share of parts that one eye alone may see: an operator may take samples
_NS_PER_MS = 1_000_000


def run_travel(context: CommissionContext) -> StepResult:
    """Measure the travel with the ejector eye, or with test pulses that the operator watches.

    Blocks. The measured travel is compared with the configured one, and proposed where it differs.
    """
    try:
        if context.config.ejector_eye is not None:
            return _by_eye(context, context.config.ejector_eye)
        if not context.operator.present:
            return skipped_step(
                "travel", "needs an [ejector_eye], or an operator who watches test pulses"
            )
        return _by_test_pulses(context)
    except DeviceError as error:
        return judge_figures("travel", (), faults=(str(error),))


def judge_distance(
    config: StationConfig,
    eye: EjectorEyeConfig,
    distance: Distance | None,
    *,
    parts: int,
    gap: int | None = None,
) -> StepResult:
    """Compare the configured travel with the measured one.

    They may differ by half of the tolerance of the ejector eye. Each part must be within the whole
    tolerance, which is the deviation that the rejector corrects. gap: smallest gap between two
    parts, in ns or counts.
    """
    unit = _Unit(config)
    if distance is None:
        fault = (
            "no part was seen by both photo-eyes: check that both see the same parts, in this order"
        )
        return judge_figures("travel", (), faults=(fault,))
    travel = distance.distance + eye.to_ejector
    tolerance = eye.tolerance
    configured = unit.configured
    stray = max(1, round(_STRAY_SHARE * parts))
    figures = [
        Figure(
            name="travel",
            value=unit.of(travel),
            unit=unit.name,
            low=unit.of(configured - tolerance / 2),
            high=unit.of(configured + tolerance / 2),
        ),
        Figure(name="configured", value=unit.of(configured), unit=unit.name),
        Figure(
            name="spread",
            value=unit.of(distance.furthest),
            unit=unit.name,
            high=unit.of(tolerance),
        ),
        Figure(
            name="spread p5 to p95", value=unit.of(distance.high - distance.low), unit=unit.name
        ),
        Figure(name="seen by both eyes", value=distance.matched, low=max(1, parts - stray)),
        Figure(name="seen by the first only", value=distance.absent, high=stray),
        Figure(name="seen by the second only", value=distance.unannounced, high=stray),
    ]
    if gap is not None:
        name = "least gap" if unit.by_counts else "least gap of the two eyes"
        figures.append(Figure(name=name, value=unit.of(gap), unit=unit.name))
    faults = []
    if not distance.certain:
        faults.append(
            "the gaps between parts are too even to distinguish the parts: begin with an empty "
            "belt, "
            "or run some parts at uneven gaps"
        )
    proposals = [] if faults or figures[0].fits else [unit.proposal(travel, "travel")]
    return judge_figures(
        "travel",
        figures,
        faults=faults,
        good=f"{unit.of(travel):.4g} {unit.name} measured over {distance.matched} parts",
        proposals=proposals,
        notes=[f"to_ejector, {unit.of(eye.to_ejector):g} {unit.name}, is the configured value"],
    )


def judge_window(config: StationConfig, search: DelaySearch) -> StepResult:
    """Check that the configured travel is within the middle half of the delays that hit."""
    unit = _Unit(config)
    best, window = search.best, search.window
    if search.fault is not None or best is None or window is None:
        return judge_figures("travel", (), faults=(search.fault or "no test pulse hit",))
    margin = (window[1] - window[0]) / 4
    figures = [
        Figure(name="travel", value=unit.of(best), unit=unit.name),
        Figure(
            name="configured",
            value=unit.of(unit.configured),
            unit=unit.name,
            low=unit.of(best - margin - search.resolution),
            high=unit.of(best + margin + search.resolution),
        ),
        Figure(name="earliest that hits", value=unit.of(window[0]), unit=unit.name),
        Figure(name="latest that hits", value=unit.of(window[1]), unit=unit.name),
    ]
    return judge_figures(
        "travel",
        figures,
        good=f"{unit.of(best):.4g} {unit.name}, the middle of the delays that hit",
        proposals=[] if figures[1].fits else [unit.proposal(best, "configured")],
    )


def measured_travel(context: CommissionContext) -> int:
    """Return the measured travel, else the configured one, in nanoseconds or counts."""
    unit = _Unit(context.config)
    measured = context.figure("travel", "travel")
    return unit.configured if measured is None else unit.whole(measured)


class _Unit:
    """The unit of the travel: milliseconds, or counts with an encoder."""

    def __init__(self, config: StationConfig) -> None:
        self.by_counts = config.encoder is not None
        self.name = "counts" if self.by_counts else "ms"
        self.configured = config.line.travel_counts or config.line.travel_ns or 0
        self._scale = 1 if self.by_counts else _NS_PER_MS

    def of(self, value: float) -> float:
        return value / self._scale

    def whole(self, value: float) -> int:
        return round(value * self._scale)

    def proposal(self, travel: int, mends: str) -> Proposal:
        key = "travel_counts" if self.by_counts else "travel_ms"
        value = travel if self.by_counts else round(travel / _NS_PER_MS, 1)
        return Proposal(section="line", key=key, value=value, why="measured", mends=mends)


def _by_eye(context: CommissionContext, eye: EjectorEyeConfig) -> StepResult:
    config, settings = context.config, context.settings
    question = (
        f"Empty the belt. Then run {settings.parts} parts at the usual speed. Press Enter to begin."
    )
    if context.operator.present and not context.operator.confirm(question):
        return skipped_step("travel", "the operator declined to run parts")
    expected = _Unit(config).configured - eye.to_ejector
    with ExitStack() as stack:
        trigger = stack.enter_context(closing(context.devices.trigger()))
        second = stack.enter_context(closing(context.devices.eye(trigger)))
        encoder = None
        backlash = 2
        if config.encoder is not None:
            encoder = stack.enter_context(closing(context.devices.encoder(trigger)))
            backlash = config.encoder.backlash_counts
        eyes = TwoEyes(
            trigger,
            second,
            encoder,
            clock=context.clock,
            debounce=config.line.debounce_ns if encoder is None else config.line.debounce_counts,
            backlash=backlash,
        )
        most = _MOST_FACTOR * _Unit(config).configured
        watched = eyes.watch(settings.parts, most=most, wait_s=settings.wait_s)
    if len(watched.first) < settings.parts:
        fault = f"{len(watched.first)} of {settings.parts} parts came"
        return judge_figures("travel", (), faults=(fault,))
    distance = find_distance(watched, expected=expected, tolerance=eye.tolerance, most=most)
    return judge_distance(config, eye, distance, parts=settings.parts, gap=_least_gap(watched))


def _least_gap(watched: Watched) -> int | None:
    return min((after - before for before, after in pairwise(watched.first)), default=None)


def _by_test_pulses(context: CommissionContext) -> StepResult:
    config, unit = context.config, _Unit(context.config)
    question = (
        "Test pulses follow. Turn the air on, use one part at a time, and keep hands away from "
        "the ejector. Begin?"
    )
    if not context.operator.confirm(question):
        return skipped_step("travel", "the operator declined test pulses")
    pulse = config.line.pulse_us * 1000 if not unit.by_counts else max(1, config.pulse_counts)
    search = DelaySearch(
        unit.configured,
        resolution=max(pulse // 10, 1 if unit.by_counts else _NS_PER_MS),
        least=max(1, unit.configured // 2),
        most=2 * unit.configured,
    )
    with closing(context.devices.trigger()) as trigger:
        test_pulses = TestPulses(
            trigger, context.devices.rejector_options(trigger), context.devices.rejector
        )
        while (delay := search.next()) is not None:
            context.print_line(f"test pulse after {unit.of(delay):.4g} {unit.name}: run one part")
            test_pulses.fire(delay, config.line.pulse_us, wait_s=context.settings.wait_s)
            answer = context.operator.choose(
                "Did the pulse come before the part (early), behind it (late), or did it hit "
                "(hit)?",
                [aim.value for aim in Aim],
            )
            if answer is None:
                return skipped_step("travel", "the operator did not answer")
            search.answer(Aim(answer))
    return judge_window(config, search)
