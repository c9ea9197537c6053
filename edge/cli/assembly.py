"""Builds a station of real parts from its configuration. The only place that knows them all."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from edge.bundle import Bundle
from edge.chain.load import load_inspector, prove
from edge.cli.admission import admit, remember
from edge.cli.uplink_process import UplinkProcess
from edge.clock import Clock
from edge.config import CameraConfig, StationConfig
from edge.devices.camera import Camera
from edge.devices.camera_files import FilesCamera
from edge.devices.camera_video import VideoCamera
from edge.engines.registry import EngineChoice
from edge.engines.selection import default_engine, selected_engine
from edge.errors import BundleError, ConfigError, FrameError, JournalError
from edge.events.journal import Journal
from edge.line.parts import LineTiming
from edge.records import Verdict
from edge.rejector.client import RejectorClient
from edge.rejector.options import RejectorOptions
from edge.sim.belt import Belt
from edge.station import Inspects, Station
from edge.watchdog import SILENT, Notifier, Patience

_log = logging.getLogger(__name__)


def load_bundle(config: StationConfig, *, now_ns: Callable[[], int]) -> tuple[Bundle, Inspects]:
    """The configured bundle and its chain: signed by a key that the station trusts, meant for it,
    no downgrade, and proven. Raises BundleError: nothing else runs. No older version of it is
    accepted afterwards.

    With engine.kind "auto" it runs on the engine that ``outfeed bench --select`` found, where that
    still holds and still proves itself; else on the default one, and the log says why. Raises
    ConfigError for an engine or a key that is not there.
    """
    bundle = admit(config)
    inspector = _on_engine(config, bundle, now_ns)
    remember(config, bundle)
    return bundle, inspector


def _on_engine(config: StationConfig, bundle: Bundle, now_ns: Callable[[], int]) -> Inspects:
    if config.engine.kind == "auto":
        try:
            engine = selected_engine(config.engine_path, config.engine, bundle)
            inspector = _proven(bundle, engine, now_ns)
        except (ConfigError, BundleError) as error:
            _log.warning("engine_default reason=%s (run outfeed bench --select)", error)
        else:
            _log.info("engine_selected engine=%s", engine)
            return inspector
    return _proven(bundle, default_engine(config.engine, bundle), now_ns)


def _proven(bundle: Bundle, engine: EngineChoice, now_ns: Callable[[], int]) -> Inspects:
    inspector = load_inspector(bundle, now_ns=now_ns, engine=engine)
    prove(bundle, inspector, engine)
    return inspector


def make_camera(config: CameraConfig, *, clock: Clock) -> Camera:
    """Raises ConfigError that names the key when there is nothing to show."""
    try:
        if config.kind == "files":
            return FilesCamera(config.path, clock=clock, loop=config.loop)
        return VideoCamera(config.path, clock=clock, loop=config.loop)
    except FrameError as error:
        raise ConfigError(f"key 'camera.path': {error}") from error


def make_belt(config: StationConfig, *, clock: Clock) -> Belt:
    """The simulated belt that triggers."""
    return Belt(
        clock=clock,
        rate_hz=config.trigger.rate_hz,
        travel_ns=config.line.travel_ns,
        parts=config.trigger.parts,
        jitter=config.trigger.jitter,
        seed=config.trigger.seed,
    )


def make_rejector(
    config: StationConfig, *, clock: Clock, record: Path | None = None
) -> RejectorClient:
    """record: a file to which the simulated output writes its edges."""
    return RejectorClient(
        RejectorOptions(
            pulse_us=config.line.pulse_us,
            on_unknown=config.line.on_unknown,
            safe_state=config.output.safe_state,
            realtime_priority=config.output.realtime_priority,
            record=record or config.output.record,
            silence_ms=config.output.silence_ms,
        ),
        clock=clock,
    )


def make_station(
    config: StationConfig,
    *,
    bundle: Bundle,
    inspector: Inspects,
    camera: Camera,
    belt: Belt,
    rejector: RejectorClient,
    clock: Clock,
    on_verdict: Callable[[Verdict], None] | None = None,
    notifier: Notifier = SILENT,
) -> Station:
    """Opens the journal and wires everything; nothing runs yet. Raises JournalError."""
    journal = open_journal(config)
    return Station(
        station_id=config.id,
        bundle_id=bundle.id,
        trigger=belt,
        camera=camera,
        inspector=inspector,
        rejector=rejector,
        journal=journal,
        clock=clock,
        timing=LineTiming(config.line.travel_ns, config.line.budget_ns, config.line.debounce_ns),
        # Every part has an event, so no part of an earlier run has this number.
        first_part_id=journal.last_sequence + 1,
        on_verdict=on_verdict,
        notifier=notifier,
        patience=Patience(config.watchdog.stage_ns, config.watchdog.journal_ns),
    )


def open_journal(config: StationConfig) -> Journal:
    """The station's journal; its folder is made. Raises JournalError, one line."""
    try:
        config.state_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise JournalError(f"key 'state_dir': {config.state_dir}: {error.strerror}") from error
    return Journal.open(
        config.journal_path,
        station=config.id,
        max_bytes=config.journal.max_bytes,
        cursor_path=config.cursor_path,
    )


def make_uplink(config_path: Path, config: StationConfig, log: Path | None = None) -> UplinkProcess:
    """The uplink as a child. log: a file for what it says, else this process's stderr."""
    return UplinkProcess(config_path, retry_max_s=config.uplink.retry_max_s, log=log)
