"""The monitor of drift and self-tests, made from the configuration and the bundle."""

from __future__ import annotations

from edge.bundle import Bundle
from edge.chain.inspector import Inspector
from edge.chain.self_test import GoldenFrameTest
from edge.clock import Clock
from edge.commission.record import read_record
from edge.config.station import StationConfig
from edge.drift import DriftReference, FalseAlarmRate, parse_reference
from edge.engines.registry import EngineChoice
from edge.errors import ConfigError
from edge.station.monitor.drift import DriftDetector, DriftRules
from edge.station.monitor.thread import Monitor, MonitorRules


def make_monitor(
    config: StationConfig,
    bundle: Bundle,
    inspector: Inspector,
    engine: EngineChoice,
    *,
    clock: Clock,
) -> Monitor:
    """Return the monitor, which is not started yet. It writes no disk.

    Raises BundleError for an invalid reference.
    """
    wanted = config.drift
    month = wanted.parts_per_month
    rules = DriftRules(
        subject=f"{bundle.id}, commissioned {_commissioned(config)}",
        learn_parts=wanted.learn_parts,
        false_alarm_rate=FalseAlarmRate(
            wanted.false_alarms_per_month, None if month is None else month / wanted.every
        ),
        measures=wanted.measures,
    )
    reference = reference_of(bundle)
    return Monitor(
        station_id=config.id,
        bundle_id=bundle.id,
        drifting=DriftDetector(rules, config.paths.drift, reference) if wanted.enabled else None,
        self_test=GoldenFrameTest(bundle, inspector, engine.build(bundle).golden),
        rules=MonitorRules(
            every=wanted.every,
            on_drift=wanted.on_drift,
            on_self_test_failure=wanted.on_self_test_failure,
            self_test_interval_ns=wanted.self_test_interval_ns,
        ),
        self_test_path=config.paths.self_test,
        clock=clock,
    )


def reference_of(bundle: Bundle) -> DriftReference | None:
    """Return the reference of the training pictures; None without one. Raises BundleError."""
    name = bundle.manifest.reference
    return None if name is None else parse_reference(bundle.files[name], name)


def _commissioned(config: StationConfig) -> str:
    """Return the time of the commissioning: lamp, lens and part holder may have changed with it."""
    try:
        record = read_record(config.paths.commissioning)
    except ConfigError:
        record = None
    return "never" if record is None else record.utc
