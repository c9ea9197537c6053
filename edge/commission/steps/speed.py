"""Step speed: the greatest speed, and whether this line keeps below it."""

from __future__ import annotations

from edge.commission.context import CommissionContext
from edge.commission.result import Figure, StepResult, judged, skipped
from edge.commission.spacing import (
    BeltSpacing,
    LeastGap,
    SpacingTimes,
    greatest_counts_per_s,
    least_gap,
)
from edge.config.station import StationConfig

_NEEDED = (("timing", "late p99.9 bound"), ("timing", "inspect p99.9 bound"))
_SPREAD = "spread p5 to p95"


def run_speed(bench: CommissionContext) -> StepResult:
    """Pure arithmetic on what the other steps measured."""
    missing = [step for step, name in _NEEDED if bench.figure(step, name) is None]
    if bench.figure("parts", "capture max") is None:
        missing.append("parts")
    if missing:
        return skipped("speed", f"needs what step {' and '.join(sorted(set(missing)))} measures")
    measured = what_was_measured(bench)
    least = least_gap(measured)
    gap_ms, source = line_gap_ms(bench)
    figures = [
        Figure(name="least gap allowed", value=least.ms, unit="ms"),
        Figure(name="greatest rate", value=least.rate_hz, unit="parts/s"),
    ]
    faults, notes = [], [f"bounded by: {least.because}"]
    if gap_ms is None:
        faults.append("how near parts come is not known: give --rate-hz, or let parts run")
    else:
        figures.append(Figure(name=f"least gap {source}", value=gap_ms, unit="ms", low=least.ms))
        figures.append(Figure(name="rate at that gap", value=1e3 / gap_ms, unit="parts/s"))
    if bench.config.encoder is not None:
        figures += _by_counts(bench, measured, least, notes)
    return judged(
        "speed",
        figures,
        faults=faults,
        good=f"parts may come {least.ms:.4g} ms apart ({least.rate_hz:.4g} a second)",
        notes=notes,
    )


def what_was_measured(bench: CommissionContext) -> SpacingTimes:
    """Step timing and parts are done. The spread is 0 where no second eye saw it; with an encoder
    it is in counts, which ``BeltSpacing`` has."""
    config, line = bench.config, bench.config.line
    frame_ms = 0.0
    if config.camera.rate_hz is not None and not config.camera.triggered:
        frame_ms = 1e3 / config.camera.rate_hz
    spread_ms = 0.0 if config.encoder is not None else (bench.figure("travel", _SPREAD) or 0.0) / 2
    spacing_ms = 0.0 if config.encoder is not None else config.spacing / 1e6
    return SpacingTimes(
        pulse_ms=line.pulse_ms,
        error_ms=bench.figure("timing", "late p99.9 bound") or 0.0,
        spread_ms=spread_ms,
        inspect_ms=bench.figure("timing", "inspect p99.9 bound") or 0.0,
        capture_ms=bench.figure("parts", "capture max") or 0.0,
        frame_ms=frame_ms,
        spacing_ms=spacing_ms,
        debounce_ms=line.debounce_ms,
    )


def line_gap_ms(bench: CommissionContext) -> tuple[float | None, str]:
    """How near parts come on this line, and who says so: --rate-hz, the configured belt (at the
    greatest speed that its encoder may count), or what the photo-eye saw."""
    if bench.settings.rate_hz is not None:
        return 1e3 / bench.settings.rate_hz, "by --rate-hz"
    configured = configured_gap_ms(bench.config)
    if configured is not None:
        return configured, "by [trigger]"
    return bench.figure("parts", "least gap"), "seen"


def configured_gap_ms(config: StationConfig) -> float | None:
    """The least gap of a simulated belt at its fastest; None: station.toml does not say."""
    trigger = config.trigger
    if trigger.kind != "belt":
        return None
    gap_ms = (1 - trigger.jitter) * 1e3 / trigger.rate_hz
    if config.encoder is not None:
        gap_ms /= 1 + config.encoder.variation
    return gap_ms


def _by_counts(
    bench: CommissionContext, measured: SpacingTimes, least: LeastGap, notes: list[str]
) -> list[Figure]:
    config = bench.config
    encoder, travel = config.encoder, config.line.travel_counts
    assert encoder is not None  # the caller has seen to them
    assert travel is not None
    gap_counts = bench.figure("travel", "least gap")
    if gap_counts is None and config.trigger.kind == "belt":
        gap_counts = (1 - config.trigger.jitter) * encoder.counts_per_s / config.trigger.rate_hz
    if gap_counts is None:
        notes.append("how many counts lie between parts was not measured: no [ejector_eye]")
        return []
    spread = (bench.figure("travel", _SPREAD) or 0.0) / 2
    belt = BeltSpacing(gap=gap_counts, spread=spread, spacing=config.spacing, travel=travel)
    greatest = greatest_counts_per_s(measured, belt)
    return [
        Figure(name="gap of parts", value=gap_counts, unit="counts", low=config.spacing),
        Figure(name="greatest speed", value=greatest, unit="counts/s"),
        Figure(
            name="max_counts_per_s",
            value=encoder.max_counts_per_s,
            unit="counts/s",
            high=greatest,
        ),
        Figure(
            name="min_spacing_counts needed",
            value=least.ms * encoder.max_counts_per_s / 1e3,
            unit="counts",
        ),
    ]
