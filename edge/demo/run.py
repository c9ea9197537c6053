"""The run of the demo: a real station with a simulated belt, camera and ejector."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.live import Live

from edge.assembly.admission import trusted_by
from edge.assembly.chain import load_chain
from edge.assembly.station import LoadedBundle, make_belt, make_rejector, make_station, make_uplink
from edge.bundle import Bundle
from edge.bundle.keys import public_text
from edge.chain.inspector import Inspector
from edge.clock import MonotonicClock
from edge.config.station import StationConfig
from edge.demo.central import Central
from edge.demo.contact_sheet import choose, contact_sheet
from edge.demo.folder import DemoFolder
from edge.demo.outcome import DeliveryCount, DemoPart, EjectionResult, compare_ejections
from edge.demo.parts import DemoCamera, find_demo_pictures
from edge.demo.report import DemoSummary, summary_json, summary_table
from edge.devices.output_simulated import pulses, read_record
from edge.engines.registry import EngineChoice
from edge.inspection.pictures import write_picture
from edge.journal.cursor import read_cursor
from edge.journal.reader import JournalReader
from edge.process_exit import stop_signals
from edge.records import Verdict
from edge.sim.belt import SimulatedBelt
from edge.sim.broker import EmbeddedBroker
from edge.sim.driven_belt import DrivenBelt
from edge.station import Summary
from edge.tables import stages_table

# The key of the bundles that come with Outfeed.
ZOO_KEY = Path(__file__).parents[2] / "models" / "zoo" / "zoo.pub"
_DRAIN_S = 10.0  # time for the uplink to publish the rest: 1,000 events take 0.3 s


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """The options of ``outfeed demo``."""

    bundle: Path
    frames: Path
    parts: int = 300
    rate_hz: float = 20.0
    out: Path = Path("build/demo")
    port: int | None = None
    """The port of the broker; None: a free one."""

    seed: int = 0
    trust: tuple[str, ...] = ()
    """Public keys, as text or files; empty: the key of the shipped bundles."""

    live: bool = True


@dataclass(frozen=True, slots=True)
class _LineRun:
    """The results of a run of the line."""

    summary: Summary
    verdicts: dict[int, Verdict]
    belt: SimulatedBelt | DrivenBelt
    events: DeliveryCount


def run_demo(options: DemoOptions) -> bool:
    """Run the demo and print its summary.

    Return whether every event arrived once and no wrong part was ejected. Main thread only. Raises
    OutfeedError if broker, bundle, frames or folder cannot be used.
    """
    pictures = find_demo_pictures(options.frames)
    trusted = trusted_by(options.trust or [str(ZOO_KEY)])
    bundle, inspector = load_chain(options.bundle, trusted=trusted)
    folder = DemoFolder.prepare(options.out)
    camera = DemoCamera(pictures, clock=MonotonicClock())
    with EmbeddedBroker(options.port) as broker:
        config = folder.configure(
            bundle=options.bundle,
            trust=sorted(public_text(key) for key in trusted or ()),
            frames=options.frames,
            parts=options.parts,
            rate_hz=options.rate_hz,
            seed=options.seed,
            port=broker.port,
        )
        run = _run_line(config, folder, camera, bundle, inspector, live=options.live)
    parts = [
        DemoPart(verdict, camera.of(number).kind, camera.of(number).known)
        for number, verdict in sorted(run.verdicts.items())
    ]
    ejections = _ejections(config, folder, run)
    chosen = choose(parts, lambda one: camera.of(one.verdict.part_id).path)
    write_picture(folder.sheet, contact_sheet(chosen, camera.of, inspector))
    summary = DemoSummary(bundle.id, run.summary, tuple(parts), ejections, run.events)
    folder.write(folder.account, summary_json(summary))
    console = Console(highlight=False)
    console.print(stages_table(run.summary.stages))
    console.print(summary_table(summary, folder.sheet))
    return summary.is_sound


def _run_line(
    config: StationConfig,
    folder: DemoFolder,
    camera: DemoCamera,
    bundle: Bundle,
    inspector: Inspector,
    *,
    live: bool,
) -> _LineRun:
    """Run the line with an uplink and a central system until all events have arrived."""
    clock = MonotonicClock()
    belt = make_belt(config, clock=clock)
    verdicts: dict[int, Verdict] = {}
    station = make_station(
        config,
        loaded=LoadedBundle(bundle, inspector, EngineChoice()),
        camera=camera,
        trigger=belt,
        rejector=make_rejector(config, clock=clock, trigger=belt, record=folder.ejector),
        clock=clock,
        on_verdict=lambda verdict: verdicts.__setitem__(verdict.part_id, verdict),
    )
    central = Central(config.uplink, station=config.id, parts=config.trigger.parts or 0)
    uplink = make_uplink(folder.config, config, log=folder.uplink_log)
    console = Console()
    with ExitStack() as stack:
        stack.enter_context(stop_signals(station.stop))
        stack.callback(central.close)
        central.start()
        stack.callback(uplink.close)
        uplink.start()
        if live and console.is_terminal:
            stack.enter_context(
                Live(get_renderable=central.view, console=console, refresh_per_second=8)
            )
        summary = station.run()
        with JournalReader(config.paths.journal) as reader:
            journalled = len(reader.read(None, 1 << 31))
        _wait_until(lambda: central.received >= journalled, _DRAIN_S)
    # The uplink has ended, so that its last position is on the disk.
    position = read_cursor(config.paths.cursor)
    published = 0 if position is None else position.published
    return _LineRun(summary, verdicts, belt, DeliveryCount(journalled, published, central.received))


def _ejections(config: StationConfig, folder: DemoFolder, run: _LineRun) -> EjectionResult:
    hits = run.belt.hits(pulses(read_record(folder.ejector)))
    return compare_ejections(hits, run.verdicts, eject_unknown=config.line.on_unknown == "reject")


def _wait_until(condition: Callable[[], bool], timeout_s: float, poll_s: float = 0.02) -> bool:
    """Wait for the condition; return whether it became true in time."""
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline_s:
            return False
        time.sleep(poll_s)
    return True
