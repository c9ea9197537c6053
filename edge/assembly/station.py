"""The composition of a station from its configuration."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from edge.assembly.admission import admit, remember, with_update
from edge.assembly.belt import belt_plan, count_tracking, ejector_eye, true_travel
from edge.assembly.camera import freshness_rules, make_live_camera
from edge.assembly.monitor import make_monitor
from edge.assembly.pictures import make_picture_recorder, picture_origin
from edge.assembly.uplink_process import (
    ChildProcess,
    CommandsProcess,
    TrialProcess,
    UplinkProcess,
)
from edge.bundle import Bundle
from edge.chain.inspector import Inspector
from edge.chain.load import build_inspector, prove
from edge.chain.stripes.network import stripes_refused
from edge.clock import Clock
from edge.config.camera import CameraConfig
from edge.config.output import OutputConfig
from edge.config.station import StationConfig
from edge.devices.camera import Camera
from edge.devices.camera_files import FilesCamera
from edge.devices.camera_video import VideoCamera
from edge.devices.gpio import GpioLine
from edge.devices.output_gpio import GpioOutput
from edge.devices.trigger import Trigger
from edge.devices.trigger_gpio import GpioTrigger
from edge.engines.registry import EngineChoice
from edge.engines.selection import default_engine, selected_engine
from edge.errors import BundleError, ConfigError, FrameError, JournalError
from edge.journal.reader import JournalReader
from edge.journal.writer import Journal
from edge.line.part import LineTiming
from edge.proof import prove_new, remember_proof
from edge.records import Verdict
from edge.rejector.client import RejectorClient
from edge.rejector.options import RejectorOptions
from edge.sim.belt import SimulatedBelt
from edge.sim.driven_belt import BeltPlan, DrivenBelt
from edge.station import (
    RunHistory,
    Station,
    StationDevices,
    StationListeners,
    StationServices,
    StationSettings,
)
from edge.station.collaborators import NO_TRIAL, ActiveChain, TrialPort
from edge.station.deferred_journal import DeferredJournal
from edge.station.part_numbers import PartNumberFile
from edge.station.previous_run import TAIL_ROWS, JournalTail, LastRunAccount, first_part, tail_of
from edge.station.recent_parts import open_register
from edge.station.retry import Retrying
from edge.station.trial import BundleTrial
from edge.watchdog import SILENT, Notifier, StageLimits

_log = logging.getLogger(__name__)

# A driven belt stands still for this time first, because the rejector must read every count. The
# rejector is ready 0.1 s after its start, and after 0.5 s on a machine with every core busy.
_STANDS_NS = 2_000_000_000
_DISK_S = 5.0  # time for the disk at the start; after that the line starts without it


@dataclass(frozen=True, slots=True)
class LoadedBundle:
    """A bundle that may run on this station, with its proven chain and engine."""

    bundle: Bundle
    inspector: Inspector
    engine: EngineChoice
    _storing: Retrying | None = None

    def close(self) -> None:
        """End the tries to store that the bundle was accepted. Does not wait."""
        if self._storing is not None:
            self._storing.close()


def load_bundle(config: StationConfig, *, now_ns: Callable[[], int]) -> LoadedBundle:
    """Return the configured bundle, admitted and proven, with its chain. Blocks for some seconds.

    No older version of the bundle is accepted afterwards. If the disk cannot store that now, it is
    tried again in the background until the returned object is closed.

    With engine.kind "auto" the engine is the one that ``outfeed bench --select`` chose, if the
    choice is still valid and reproduces the golden frames. Otherwise it is the default engine, and
    the log gives the reason. Raises BundleError, and ConfigError for a missing engine or key.
    """
    bundle = admit(config)
    loaded = load_admitted(config, bundle, now_ns=now_ns)

    def store() -> None:
        remember(config, bundle)
        remember_proof(bundle, loaded.engine, config.paths.proven_bundles)

    storing = Retrying("accepted_version", store)
    storing.start(_DISK_S)
    return replace(loaded, _storing=storing)


def load_admitted(
    config: StationConfig, bundle: Bundle, *, now_ns: Callable[[], int]
) -> LoadedBundle:
    """Return an admitted bundle with its proven chain, on the engine of ``load_bundle``. Writes
    nothing. Raises as ``load_bundle`` does."""
    if config.engine.kind == "auto":
        try:
            engine = selected_engine(config.paths.engine, config.engine, bundle)
            loaded = _proven(config, bundle, engine, now_ns)
        except (ConfigError, BundleError) as error:
            _log.warning("engine_default reason=%s (run outfeed bench --select)", error)
        else:
            _log.info("engine_selected engine=%s", engine)
            return loaded
    return _proven(config, bundle, default_engine(config.engine, bundle), now_ns)


def _proven(
    config: StationConfig, bundle: Bundle, engine: EngineChoice, now_ns: Callable[[], int]
) -> LoadedBundle:
    """Prove the bundle on the engine. A new bundle is proven in a child process first, because this
    process will drive an output."""
    prove_new(bundle, engine, config.paths.proven_bundles)
    inspector = build_inspector(bundle, now_ns=now_ns, engine=engine)
    prove(bundle, inspector, engine)
    refused = stripes_refused(bundle, engine)
    if refused is not None:
        _log.info("stripes_refused reason=%s (large frames are cut into tiles)", refused)
    return LoadedBundle(bundle, inspector, engine)


def make_camera(config: CameraConfig, *, clock: Clock) -> Camera:
    """Return the source of frames.

    A camera that does not answer is no error: it is opened again, and parts are UNKNOWN until then.
    Raises ConfigError that names the key if there are no pictures.
    """
    if config.live:
        return make_live_camera(config, clock=clock)
    assert config.path is not None
    try:
        if config.kind == "files":
            return FilesCamera(config.path, clock=clock, loop=config.loop)
        return VideoCamera(config.path, clock=clock, loop=config.loop)
    except FrameError as error:
        raise ConfigError(f"key 'camera.path': {error}") from error


def make_trigger(config: StationConfig, *, clock: Clock) -> Trigger:
    """Return the photo-eye. Raises DeviceError if its line cannot be claimed."""
    eye = config.trigger
    if eye.kind == "belt":
        return make_belt(config, clock=clock)
    where = _gpio_line(eye.chip, eye.line, eye.active_low)
    return GpioTrigger(where, slope=eye.edge, bias=eye.bias, debounce_us=eye.debounce_us)


def make_gpio_output(config: OutputConfig) -> GpioOutput:
    """Return the reject output for this process, without a rejector. Raises DeviceError."""
    return GpioOutput(_output_line(config), drive=config.drive)


def _output_line(config: OutputConfig) -> GpioLine:
    return _gpio_line(config.chip, config.line, config.active_low)


def _gpio_line(chip: str | None, line: int | str | None, active_low: bool) -> GpioLine:
    if chip is None or line is None:  # kind gpio has both
        raise ConfigError("a GPIO line needs kind 'gpio'")
    return GpioLine(chip, line, active_low)


def make_belt(config: StationConfig, *, clock: Clock) -> SimulatedBelt | DrivenBelt:
    """Return the simulated belt; a driven one where there is an encoder or an ejector eye."""
    if config.encoder is not None or config.ejector_eye is not None:
        return DrivenBelt(belt_plan(config, began_ns=clock.now_ns() + _STANDS_NS), clock=clock)
    return SimulatedBelt(
        clock=clock,
        rate_hz=config.trigger.rate_hz,
        travel_ns=true_travel(config),
        parts=config.trigger.parts,
        jitter=config.trigger.jitter,
        seed=config.trigger.seed,
    )


def make_rejector(
    config: StationConfig,
    *,
    clock: Clock,
    trigger: Trigger | None = None,
    record: Path | None = None,
) -> RejectorClient:
    """Return the client of the rejector, which is not started yet.

    trigger: a simulated belt, for the simulated encoder and ejector eye. record: a file to which
    the simulated output writes its edges.
    """
    options = rejector_options(config, trigger=trigger, record=record)
    return RejectorClient(options, clock=clock)


def rejector_options(
    config: StationConfig, *, trigger: Trigger | None = None, record: Path | None = None
) -> RejectorOptions:
    """Return the options of the rejector; arguments as for ``make_rejector``."""
    output = config.output
    gpio = _output_line(output) if output.kind == "gpio" else None
    plan = plan_of(config, trigger)
    return RejectorOptions(
        pulse_us=config.line.pulse_us,
        on_unknown=config.line.on_unknown,
        safe_state=output.safe_state,
        realtime_priority=output.realtime_priority,
        record=record or output.record,
        silence_ms=output.silence_ms,
        gpio=gpio,
        drive=output.drive,
        spacing=config.spacing,
        counts=count_tracking(config, plan),
        ejector_eye=ejector_eye(config, plan),
        clear_ns=(config.line.travel_ns or 0) * config.line.purge_at_start,
    )


def plan_of(config: StationConfig, trigger: Trigger | None) -> BeltPlan:
    """Return the plan of this belt; for another trigger the plan of station.toml."""
    return trigger.plan if isinstance(trigger, DrivenBelt) else belt_plan(config, began_ns=0)


def make_station(
    config: StationConfig,
    *,
    loaded: LoadedBundle,
    camera: Camera,
    trigger: Trigger,
    rejector: RejectorClient,
    clock: Clock,
    on_verdict: Callable[[Verdict], None] | None = None,
    notifier: Notifier = SILENT,
    trial: TrialPort | None = None,
) -> Station:
    """Open the journal, now or when the disk permits it, and build the station. Nothing runs yet.

    Raises JournalError as DeferredJournal does, and BundleError for a reference that cannot be
    read.
    """
    monitor = make_monitor(config, loaded.bundle, loaded.inspector, loaded.engine, clock=clock)
    journal = DeferredJournal(partial(open_journal, config))
    numbers = PartNumberFile(config.paths.part_numbers)
    register = open_register(config.id, config.state_dir, numbers)
    first_part_id = first_part(register.last, numbers.last, journal.last_sequence)
    register.begin(loaded.bundle.id, first_part_id)
    return Station(
        StationSettings(
            station_id=config.id,
            bundle_id=loaded.bundle.id,
            timing=LineTiming(
                config.line.travel_ns, config.line.budget_ns, config.line.debounce_ns
            ),
            freshness=freshness_rules(config.camera),
            limits=StageLimits(config.watchdog.stage_ns, config.watchdog.journal_ns),
            commit_interval_s=config.journal.commit_interval_ms / 1e3,
        ),
        StationDevices(trigger, camera, rejector, clock),
        StationServices(
            loaded.inspector,
            journal,
            pictures=make_picture_recorder(config, loaded.bundle, loaded.engine, journal),
            monitor=monitor,
            notifier=notifier,
            trial=NO_TRIAL if trial is None else trial,
        ),
        history=RunHistory(
            first_part_id,
            LastRunAccount(
                station=config.id,
                bundle=loaded.bundle.id,
                first_part=first_part_id,
                last=register.last,
                saved=numbers.last,
                tail=partial(_journal_tail, config, journal),
            ),
            register,
        ),
        listeners=StationListeners() if on_verdict is None else StationListeners(on_verdict),
    )


def _journal_tail(config: StationConfig, journal: DeferredJournal) -> JournalTail:
    journal.check()
    with JournalReader(config.paths.journal) as reader:
        return tail_of(reader.latest(TAIL_ROWS))


def open_journal(config: StationConfig) -> Journal:
    """Open the journal of the station, and create its folder. Raises JournalError, one line."""
    try:
        config.state_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise JournalError(f"key 'state_dir': {config.state_dir}: {error.strerror}") from error
    return Journal.open(
        config.paths.journal,
        station=config.id,
        max_bytes=config.journal.max_bytes,
        cursor_path=config.paths.cursor,
    )


def make_uplink(config_path: Path, config: StationConfig, log: Path | None = None) -> UplinkProcess:
    """Return the uplink as a child process. log: a file for its output, else standard error."""
    return UplinkProcess(config_path, retry_max_s=config.uplink.retry_max_s, log=log)


def make_commands(
    config_path: Path, config: StationConfig, log: Path | None = None
) -> CommandsProcess | None:
    """Return the child process for signed commands; None where the station takes none."""
    return CommandsProcess(config_path, log=log) if config.commands.accept else None


def make_children(
    config_path: Path, config: StationConfig, trial: BundleTrial | None
) -> list[ChildProcess]:
    """Return the child processes that the configuration asks for, beside the rejector."""
    uplink = make_uplink(config_path, config) if config.uplink.start else None
    others = make_commands(config_path, config), make_trial_process(config_path, trial)
    return [each for each in (uplink, *others) if each is not None]


def make_trial(config: StationConfig, *, clock: Clock) -> BundleTrial | None:
    """Return the trial of bundles from the network; None where the station takes none."""
    if config.updates.server is None:
        return None

    def load(sha256: str, allow_downgrade: bool) -> ActiveChain:
        wanted = with_update(config, sha256, allow_downgrade=allow_downgrade)
        bundle = admit(wanted)
        loaded = load_admitted(wanted, bundle, now_ns=clock.now_ns)
        monitor = make_monitor(wanted, bundle, loaded.inspector, loaded.engine, clock=clock)
        origin = picture_origin(wanted, bundle, loaded.engine)
        return ActiveChain(bundle.id, loaded.inspector, monitor, origin)

    return BundleTrial(load, config.line.budget_ms)


def make_trial_process(
    config_path: Path, trial: BundleTrial | None, log: Path | None = None
) -> TrialProcess | None:
    """Return the child process that decides about bundles from the network; None without trial."""
    return None if trial is None else TrialProcess(config_path, trial.attach, log=log)
