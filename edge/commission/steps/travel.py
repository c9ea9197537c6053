"""Step travel: how long, or how far, it is from the photo-eye to the ejector."""

from __future__ import annotations

from contextlib import ExitStack, closing
from itertools import pairwise

from edge.commission.arrivals import Distance, Watched, find_distance
from edge.commission.context import CommissionContext
from edge.commission.delay_search import Aim, DelaySearch
from edge.commission.observation import TwoEyes
from edge.commission.result import Figure, Proposal, StepResult, judged, skipped
from edge.commission.single_pulses import TestKicks
from edge.config.ejector_eye import EjectorEyeConfig
from edge.config.station import StationConfig
from edge.errors import DeviceError

_MOST_FACTOR = 4  # of the configured travel: further away than that is another line
_STRAY_SHARE = 0.1  # of the parts may be seen by one eye only: somebody takes a sample
_NS_PER_MS = 1_000_000


def run_travel(bench: CommissionContext) -> StepResult:
    """By the ejector's eye where there is one, else by kicks that a person judges. Blocks. What was
    measured is compared with the configuration and proposed for it."""
    try:
        if bench.config.ejector_eye is not None:
            return _by_eye(bench, bench.config.ejector_eye)
        if not bench.person.there:
            return skipped("travel", "needs an [ejector_eye], or a person who watches test kicks")
        return _by_kicks(bench)
    except DeviceError as error:
        return judged("travel", (), faults=(str(error),))


def judge_distance(
    config: StationConfig,
    eye: EjectorEyeConfig,
    found: Distance | None,
    *,
    parts: int,
    gap: int | None = None,
) -> StepResult:
    """The configured travel must be within half of the eye's tolerance of the measured one, and
    every part within the tolerance: that is what the rejector corrects. gap: the least between two
    parts, ns or counts."""
    unit = _Unit(config)
    if found is None:
        said = "no part was seen by both eyes: do they see the same parts, in this order?"
        return judged("travel", (), faults=(said,))
    travel = found.distance + eye.to_ejector
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
            value=unit.of(found.furthest),
            unit=unit.name,
            high=unit.of(tolerance),
        ),
        Figure(name="spread p5 to p95", value=unit.of(found.high - found.low), unit=unit.name),
        Figure(name="seen by both eyes", value=found.matched, low=max(1, parts - stray)),
        Figure(name="seen by the first only", value=found.absent, high=stray),
        Figure(name="seen by the second only", value=found.strangers, high=stray),
    ]
    if gap is not None:
        name = "least gap" if unit.by_counts else "least gap of the two eyes"
        figures.append(Figure(name=name, value=unit.of(gap), unit=unit.name))
    faults = []
    if not found.certain:
        faults.append(
            "parts came at gaps too even to tell one from the next: begin with an empty belt, or "
            "let some by at uneven gaps"
        )
    proposals = [] if faults or figures[0].fits else [unit.proposal(travel, "travel")]
    return judged(
        "travel",
        figures,
        faults=faults,
        good=f"{unit.of(travel):.4g} {unit.name} measured over {found.matched} parts",
        proposals=proposals,
        notes=[f"to_ejector, {unit.of(eye.to_ejector):g} {unit.name}, is taken as configured"],
    )


def judge_window(config: StationConfig, search: DelaySearch) -> StepResult:
    """A person saw which delays hit: the configured one must be within the middle half of them."""
    unit = _Unit(config)
    best, window = search.best, search.window
    if search.fault is not None or best is None or window is None:
        return judged("travel", (), faults=(search.fault or "no kick hit",))
    room = (window[1] - window[0]) / 4
    figures = [
        Figure(name="travel", value=unit.of(best), unit=unit.name),
        Figure(
            name="configured",
            value=unit.of(unit.configured),
            unit=unit.name,
            low=unit.of(best - room - search.resolution),
            high=unit.of(best + room + search.resolution),
        ),
        Figure(name="earliest that hits", value=unit.of(window[0]), unit=unit.name),
        Figure(name="latest that hits", value=unit.of(window[1]), unit=unit.name),
    ]
    return judged(
        "travel",
        figures,
        good=f"{unit.of(best):.4g} {unit.name}, the middle of the kicks that hit",
        proposals=[] if figures[1].fits else [unit.proposal(best, "configured")],
    )


def measured_travel(bench: CommissionContext) -> int:
    """Nanoseconds, or counts: as step travel measured it, else as configured."""
    unit = _Unit(bench.config)
    measured = bench.figure("travel", "travel")
    return unit.configured if measured is None else unit.whole(measured)


class _Unit:
    """Milliseconds, or counts where there is an encoder."""

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


def _by_eye(bench: CommissionContext, eye: EjectorEyeConfig) -> StepResult:
    config, settings = bench.config, bench.settings
    asked = (
        f"Let {settings.parts} parts run at the usual speed, on a belt that is empty at first; "
        "press Enter to begin"
    )
    if bench.person.there and not bench.person.confirm(asked):
        return skipped("travel", "no parts were let run")
    expected = _Unit(config).configured - eye.to_ejector
    with ExitStack() as stack:
        trigger = stack.enter_context(closing(bench.devices.trigger()))
        second = stack.enter_context(closing(bench.devices.eye(trigger)))
        encoder = None
        backlash = 2
        if config.encoder is not None:
            encoder = stack.enter_context(closing(bench.devices.encoder(trigger)))
            backlash = config.encoder.backlash_counts
        eyes = TwoEyes(
            trigger,
            second,
            encoder,
            clock=bench.clock,
            debounce=config.line.debounce_ns if encoder is None else config.line.debounce_counts,
            backlash=backlash,
        )
        most = _MOST_FACTOR * _Unit(config).configured
        watched = eyes.watch(settings.parts, most=most, wait_s=settings.wait_s)
    if len(watched.first) < settings.parts:
        said = f"{len(watched.first)} parts came, {settings.parts} were wanted"
        return judged("travel", (), faults=(said,))
    found = find_distance(watched, expected=expected, tolerance=eye.tolerance, most=most)
    return judge_distance(config, eye, found, parts=settings.parts, gap=_least_gap(watched))


def _least_gap(watched: Watched) -> int | None:
    return min((after - before for before, after in pairwise(watched.first)), default=None)


def _by_kicks(bench: CommissionContext) -> StepResult:
    config, unit = bench.config, _Unit(bench.config)
    asked = "Test kicks follow: air on, one part at a time, and hands off the ejector. Begin?"
    if not bench.person.confirm(asked):
        return skipped("travel", "test kicks were not agreed to")
    pulse = config.line.pulse_us * 1000 if not unit.by_counts else max(1, config.pulse_counts)
    search = DelaySearch(
        unit.configured,
        resolution=max(pulse // 10, 1 if unit.by_counts else _NS_PER_MS),
        least=max(1, unit.configured // 2),
        most=2 * unit.configured,
    )
    with closing(bench.devices.trigger()) as trigger:
        kicks = TestKicks(trigger, bench.devices.rejector_options(trigger), bench.devices.rejector)
        while (delay := search.next()) is not None:
            bench.say(f"kick after {unit.of(delay):.4g} {unit.name}: let one part run")
            kicks.kick(delay, config.line.pulse_us, wait_s=bench.settings.wait_s)
            said = bench.person.choose(
                "The kick came before the part (early), behind it (late), or hit it (hit)?",
                [aim.value for aim in Aim],
            )
            if said is None:
                return skipped("travel", "nobody answered")
            search.answer(Aim(said))
    return judge_window(config, search)
