"""Runs the demo: a line with everything real but the belt, the camera's view and the ejector."""

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
from edge.demo.outcome import Carried, Judged, Kicks, compare_kicks
from edge.demo.parts import SpecimenCamera, find_specimens
from edge.demo.report import Account, account_json, account_table
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

# Of the bundles that come with Outfeed.
ZOO_KEY = Path(__file__).parents[2] / "models" / "zoo" / "zoo.pub"
_DRAIN_S = 10.0  # for the uplink to publish what is left: 1,000 events take it 0.3 s


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """What ``outfeed demo`` was asked for. trust: public keys, text or files; none: the zoo's.
    port: None takes a free one."""

    bundle: Path
    frames: Path
    parts: int = 300
    rate_hz: float = 20.0
    out: Path = Path("build/demo")
    port: int | None = None
    seed: int = 0
    trust: tuple[str, ...] = ()
    live: bool = True


@dataclass(frozen=True, slots=True)
class _Run:
    """What is left of a run of the line."""

    summary: Summary
    verdicts: dict[int, Verdict]
    belt: SimulatedBelt | DrivenBelt
    carried: Carried


def run_demo(options: DemoOptions) -> bool:
    """Run it and say what it did; whether every event arrived once and no wrong part was kicked.

    Main thread only. Raises OutfeedError: broker, bundle, frames or folder cannot be used.
    """
    specimens = find_specimens(options.frames)
    trusted = trusted_by(options.trust or [str(ZOO_KEY)])
    bundle, inspector = load_chain(options.bundle, trusted=trusted)
    folder = DemoFolder.prepare(options.out)
    camera = SpecimenCamera(specimens, clock=MonotonicClock())
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
    judged = [
        Judged(verdict, camera.of(number).kind, camera.of(number).known)
        for number, verdict in sorted(run.verdicts.items())
    ]
    kicks = _kicks(config, folder, run)
    chosen = choose(judged, lambda one: camera.of(one.verdict.part_id).path)
    write_picture(folder.sheet, contact_sheet(chosen, camera.of, inspector))
    account = Account(bundle.id, run.summary, tuple(judged), kicks, run.carried)
    folder.write(folder.account, account_json(account))
    console = Console(highlight=False)
    console.print(stages_table(run.summary.stages))
    console.print(account_table(account, folder.sheet))
    return account.is_sound


def _run_line(
    config: StationConfig,
    folder: DemoFolder,
    camera: SpecimenCamera,
    bundle: Bundle,
    inspector: Inspector,
    *,
    live: bool,
) -> _Run:
    """One run of the line with an uplink and a central, until everything has been carried."""
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
    # The uplink has ended: its last position is on the disk.
    position = read_cursor(config.paths.cursor)
    published = 0 if position is None else position.published
    return _Run(summary, verdicts, belt, Carried(journalled, published, central.received))


def _kicks(config: StationConfig, folder: DemoFolder, run: _Run) -> Kicks:
    hits = run.belt.hits(pulses(read_record(folder.ejector)))
    return compare_kicks(hits, run.verdicts, kick_unknown=config.line.on_unknown == "reject")


def _wait_until(condition: Callable[[], bool], timeout_s: float, poll_s: float = 0.02) -> bool:
    """Whether the condition came true in time. Blocks."""
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline_s:
            return False
        time.sleep(poll_s)
    return True
