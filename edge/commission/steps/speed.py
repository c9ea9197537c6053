"""Step speed: the greatest allowed speed, compared with the speed of this line."""

from __future__ import annotations

from edge.commission.context import CommissionContext
from edge.commission.result import Figure, StepResult, judge_figures, skipped_step
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


def run_speed(context: CommissionContext) -> StepResult:
    """Calculate the smallest gap between parts from the figures of the other steps. Pure."""
    missing = [step for step, name in _NEEDED if context.figure(step, name) is None]
    if context.figure("parts", "capture max") is None:
        missing.append("parts")
    if missing:
        return skipped_step(
            "speed", f"needs the figures of step {' and '.join(sorted(set(missing)))}"
        )
    measured = spacing_times(context)
    least = least_gap(measured)
    gap_ms, source = line_gap_ms(context)
    figures = [
        Figure(name="least gap allowed", value=least.ms, unit="ms"),
        Figure(name="greatest rate", value=least.rate_hz, unit="parts/s"),
    ]
    faults, notes = [], [f"limited by: {least.because}"]
    if gap_ms is None:
        faults.append("the gap between parts is not known: give --rate-hz, or run step parts")
    else:
        figures.append(Figure(name=f"least gap {source}", value=gap_ms, unit="ms", low=least.ms))
        figures.append(Figure(name="rate at that gap", value=1e3 / gap_ms, unit="parts/s"))
    if context.config.encoder is not None:
        figures += _by_counts(context, measured, least, notes)
    return judge_figures(
        "speed",
        figures,
        faults=faults,
        good=f"parts may come {least.ms:.4g} ms apart ({least.rate_hz:.4g} per second)",
        notes=notes,
    )


def spacing_times(context: CommissionContext) -> SpacingTimes:
    """Return the times that limit the speed. Steps timing and parts must be done.

    The spread is 0 without an ejector eye. With an encoder the spread and the spacing are counts,
    which ``BeltSpacing`` holds.
    """
    config, line = context.config, context.config.line
    frame_ms = 0.0
    if config.camera.rate_hz is not None and not config.camera.triggered:
        frame_ms = 1e3 / config.camera.rate_hz
    spread_ms = (
        0.0 if config.encoder is not None else (context.figure("travel", _SPREAD) or 0.0) / 2
    )
    spacing_ms = 0.0 if config.encoder is not None else config.spacing / 1e6
    return SpacingTimes(
        pulse_ms=line.pulse_ms,
        error_ms=context.figure("timing", "late p99.9 bound") or 0.0,
        spread_ms=spread_ms,
        inspect_ms=context.figure("timing", "inspect p99.9 bound") or 0.0,
        capture_ms=context.figure("parts", "capture max") or 0.0,
        frame_ms=frame_ms,
        spacing_ms=spacing_ms,
        debounce_ms=line.debounce_ms,
    )


def line_gap_ms(context: CommissionContext) -> tuple[float | None, str]:
    """Return the smallest gap of parts on this line in ms, and its source.

    The source is --rate-hz, the configured simulated belt, or the photo-eye in step parts.
    """
    if context.settings.rate_hz is not None:
        return 1e3 / context.settings.rate_hz, "by --rate-hz"
    configured = configured_gap_ms(context.config)
    if configured is not None:
        return configured, "by [trigger]"
    return context.figure("parts", "least gap"), "seen"


def configured_gap_ms(config: StationConfig) -> float | None:
    """Return the smallest gap of a simulated belt at its greatest speed; None for a real belt."""
    trigger = config.trigger
    if trigger.kind != "belt":
        return None
    gap_ms = (1 - trigger.jitter) * 1e3 / trigger.rate_hz
    if config.encoder is not None:
        gap_ms /= 1 + config.encoder.variation
    return gap_ms


def _by_counts(
    context: CommissionContext, measured: SpacingTimes, least: LeastGap, notes: list[str]
) -> list[Figure]:
    config = context.config
    encoder, travel = config.encoder, config.line.travel_counts
    assert encoder is not None  # checked by the caller and by the configuration
    assert travel is not None
    gap_counts = context.figure("travel", "least gap")
    if gap_counts is None and config.trigger.kind == "belt":
        gap_counts = (1 - config.trigger.jitter) * encoder.counts_per_s / config.trigger.rate_hz
    if gap_counts is None:
        notes.append(
            "the counts between parts were not measured, because there is no [ejector_eye]"
        )
        return []
    spread = (context.figure("travel", _SPREAD) or 0.0) / 2
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
