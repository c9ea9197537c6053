"""The belt of station.toml, as options for the rejector and for the simulated belt."""

from __future__ import annotations

from edge.config.ejector_eye import EjectorEyeConfig
from edge.config.encoder import EncoderConfig
from edge.config.station import StationConfig
from edge.devices.gpio import GpioLine
from edge.line.tracker import CountRules, EyeRules
from edge.rejector.hardware import (
    EncoderSpec,
    EyeSpec,
    GpioEncoderSpec,
    GpioEyeSpec,
    SimulatedEncoderSpec,
    SimulatedEyeSpec,
)
from edge.rejector.options import CountTracking, EjectorEye
from edge.sim.driven_belt import BeltPlan
from edge.sim.motion import Drive

_PART_SHARE = 4  # a part covers a quarter of the gap between two parts on a simulated belt


def true_travel(config: StationConfig) -> int:
    """Return the true travel on the simulated belt, which [line] may have wrong.

    In counts with an encoder, otherwise in nanoseconds.
    """
    configured = config.line.travel_counts or config.line.travel_ns or 0
    true = config.trigger.ejector_at
    if true is None:
        return configured
    return round(true if config.encoder is not None else true * 1e6)


def belt_plan(config: StationConfig, *, began_ns: int) -> BeltPlan:
    """Return the plan of the simulated belt.

    Without an encoder it runs at a constant 1,000 counts per second.
    """
    encoder, eye, trigger = config.encoder, config.ejector_eye, config.trigger
    if encoder is None:
        drive = Drive(began_ns, 1_000, seed=trigger.seed)
        per_unit = 1e-6  # nanoseconds
    else:
        drive = Drive(
            began_ns,
            encoder.counts_per_s,
            variation=encoder.variation,
            stops=encoder.stops,
            reversals=encoder.reversals,
            seed=trigger.seed,
        )
        per_unit = 1.0
    gap_counts = max(2, round(drive.counts_per_s / trigger.rate_hz))
    return BeltPlan(
        drive=drive,
        gap_counts=gap_counts,
        part_counts=max(1, gap_counts // _PART_SHARE),
        travel_counts=max(1, round(true_travel(config) * per_unit)),
        to_ejector_counts=0 if eye is None else round(eye.to_ejector * per_unit),
        parts=trigger.parts,
        jitter=trigger.jitter,
        taken=0.0 if eye is None else eye.taken,
        added=0.0 if eye is None else eye.added,
        seed=trigger.seed,
    )


def count_tracking(config: StationConfig, plan: BeltPlan) -> CountTracking | None:
    """Return the options for tracking by the encoder; None: the station tracks by time."""
    encoder, line = config.encoder, config.line
    if encoder is None or line.travel_counts is None:
        return None
    return CountTracking(
        CountRules(
            line.travel_counts,
            debounce=line.debounce_counts,
            backlash=encoder.backlash_counts,
            silent_edges=encoder.silent_edges,
        ),
        _encoder_spec(encoder, plan),
        max_counts_per_s=encoder.max_counts_per_s,
        purge_at_start=encoder.purge_at_start,
    )


def ejector_eye(config: StationConfig, plan: BeltPlan) -> EjectorEye | None:
    """Return the options for the ejector eye; None where there is none."""
    eye = config.ejector_eye
    if eye is None:
        return None
    rules = EyeRules(eye.to_ejector, eye.tolerance, debounce=config.line.debounce_ns)
    return EjectorEye(rules, _eye_spec(eye, plan), on_absent=eye.on_absent)


def _encoder_spec(encoder: EncoderConfig, plan: BeltPlan) -> EncoderSpec:
    if encoder.chip is None or encoder.line_a is None:  # kind gpio has both
        return SimulatedEncoderSpec(plan.drive, encoder.channels, encoder.survives)
    a = GpioLine(encoder.chip, encoder.line_a, encoder.active_low)
    b = None
    if encoder.line_b is not None:
        b = GpioLine(encoder.chip, encoder.line_b, encoder.active_low)
    return GpioEncoderSpec(a, b, encoder.bias)


def _eye_spec(eye: EjectorEyeConfig, plan: BeltPlan) -> EyeSpec:
    if eye.chip is None or eye.line is None:  # kind gpio has both
        return SimulatedEyeSpec(plan)
    return GpioEyeSpec(GpioLine(eye.chip, eye.line, eye.active_low), eye.edge, eye.bias)
