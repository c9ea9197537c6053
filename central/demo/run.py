"""The run of the demo: the central system, and stations that feed it."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from central.config.central import CentralConfig
from central.config.sections import BrokerConfig, DatabaseConfig
from central.config.web import WebConfig
from central.demo.stations import DemoBelt, DemoStation
from central.service import ServiceParts, start_service
from edge.errors import OutfeedError, UsageError
from edge.process_exit import stop_signals
from edge.watchdog import SILENT

# The key of the bundles that come with Outfeed.
ZOO_KEY = Path(__file__).parents[2] / "models" / "zoo" / "zoo.pub"
_SUBSCRIBE_S = 20.0
_CHECK_S = 0.25


@dataclass(frozen=True, slots=True)
class CentralDemo:
    """The options of ``outfeed-central demo``. seconds: None: until Ctrl-C."""

    bundle: Path
    frames: Path
    stations: int = 2
    rate_hz: float = 2.0
    out: Path = Path("build/central")
    port: int = 8480
    seconds: float | None = None
    trust: str | None = None


def run_demo(options: CentralDemo) -> None:
    """Run the demo until a signal, or for ``seconds``. Main thread only.

    Raises OutfeedError with one line if a part of it cannot run.
    """
    for option, path in (("--bundle", options.bundle), ("--frames", options.frames)):
        if not path.exists():
            raise UsageError(f"{option} {path}: does not exist")
    try:
        options.out.mkdir(parents=True, exist_ok=True)
        trust = options.trust or ZOO_KEY.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise OutfeedError(f"{error.filename}: {error.strerror}") from error
    config = CentralConfig(
        broker=BrokerConfig(port=_free_port()),
        database=DatabaseConfig(path=options.out / "central.db"),
        web=WebConfig(port=options.port, accounts="off"),
    )
    belt = DemoBelt(options.bundle, options.frames, options.rate_hz, config.broker.port, trust)
    stop = threading.Event()
    with ExitStack() as stack:
        stack.enter_context(stop_signals(stop.set))
        service = stack.enter_context(start_service(config, ServiceParts(), SILENT))
        assert service.collector is not None
        assert service.web is not None
        if not service.collector.connection.wait_subscribed(_SUBSCRIBE_S):
            raise OutfeedError("demo: the embedded broker confirms no subscription")
        stations = [DemoStation(options.out, n + 1, belt) for n in range(options.stations)]
        for each in stations:
            stack.callback(each.close)
        for each in stations:
            each.start()
        # Callbacks end one station after the other. This asks all of them first.
        stack.callback(_ask_all, stations)
        names = ", ".join(each.name for each in stations)
        print(f"The wall page: {service.web.address}", flush=True)
        print(f"Simulated stations: {names}. Ctrl-C ends them.", flush=True)
        end_s = None if options.seconds is None else time.monotonic() + options.seconds
        while not stop.wait(_CHECK_S) and (end_s is None or time.monotonic() < end_s):
            for each in stations:
                each.check()


def _ask_all(stations: Sequence[DemoStation]) -> None:
    for each in stations:
        each.ask_to_end()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
