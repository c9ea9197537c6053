"""Measure the influence of a broker that never answers on the station's times.

    python -m bench.isolation --bundle B.outfeed --frames build/demo-parts/images

The real station runs on a simulated belt, with the rejector process, the journal and the uplink
process. Two cases alternate: without uplink, and with the uplink connected to a port that accepts
connections and never answers. The table has p50 and p99 of photo-eye → verdict and of the chain.
It also has the ratio of their medians over the rounds.
"""

from __future__ import annotations

import socket
import statistics
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from edge.assembly.station import (
    load_bundle,
    make_belt,
    make_camera,
    make_rejector,
    make_station,
    make_uplink,
)
from edge.clock import MonotonicClock
from edge.config.station import load_config
from edge.demo.run import ZOO_KEY
from edge.station import Summary

STAGES = ("inspect", "verdict")
CONFIG = """
id = "bench"
bundle = "{bundle}"
state_dir = "state"

[camera]
kind = "files"
path = "{frames}"
loop = true

[trigger]
rate_hz = {rate}
parts = {parts}

[trust]
keys = ["{trust}"]

[line]
travel_ms = 300
budget_ms = 200

[uplink]
start = {start}
port = {port}
connect_timeout_s = 2
retry_max_s = 1
"""


def main(
    bundle: Annotated[Path, typer.Option(help="The bundle to run.")],
    frames: Annotated[Path, typer.Option(help="Folder of frames.")],
    trust: Annotated[Path, typer.Option(help="The public key that signed it.")] = ZOO_KEY,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds of both cases.")] = 4,
    parts: Annotated[int, typer.Option(min=100, help="Parts per run.")] = 600,
    rate: Annotated[float, typer.Option(help="Parts per second.")] = 50.0,
) -> None:
    """Compare the times of a station with a silent broker and of one without uplink."""
    taken: dict[bool, list[Summary]] = {False: [], True: []}
    with silent_port() as port:
        for _ in range(rounds):
            for with_uplink in (False, True):
                values = {"parts": parts, "rate": rate, "port": port}
                text = CONFIG.format(
                    bundle=bundle.resolve(),
                    frames=frames.resolve(),
                    trust=trust.resolve(),
                    start=str(with_uplink).lower(),
                    **values,
                )
                taken[with_uplink].append(run_station(text))
    table = Table("stage", "figure", "no uplink, ms", "silent broker, ms", "ratio")
    for stage in STAGES:
        for figure in ("p50_us", "p99_us"):
            alone, beside = (
                statistics.median(getattr(s.stages[stage], figure) for s in taken[kind])
                for kind in (False, True)
            )
            table.add_row(
                stage,
                figure[:3],
                f"{alone / 1e3:.2f}",
                f"{beside / 1e3:.2f}",
                f"{beside / alone:.2f}",
            )
    console = Console()
    console.print(table)
    unknown = {kind: sum(s.unknown for s in runs) for kind, runs in taken.items()}
    total = rounds * parts
    console.print(f"of {total} parts each: {unknown[False]} and {unknown[True]} UNKNOWN")


def run_station(text: str) -> Summary:
    """Run a station from start to end in a temporary folder."""
    clock = MonotonicClock()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "station.toml"
        path.write_text(text, encoding="utf-8")
        config = load_config(path)
        with closing(load_bundle(config, now_ns=clock.now_ns)) as loaded:
            station = make_station(
                config,
                loaded=loaded,
                camera=make_camera(config.camera, clock=clock),
                trigger=make_belt(config, clock=clock),
                rejector=make_rejector(config, clock=clock),
                clock=clock,
            )
            uplink = make_uplink(path, config, Path(folder) / "uplink.log")
            if config.uplink.start:
                uplink.start()
            try:
                return station.run()
            finally:
                uplink.close()


@contextmanager
def silent_port() -> Iterator[int]:
    """Yield a loopback port whose listener neither reads nor answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(8)
        yield int(listener.getsockname()[1])


if __name__ == "__main__":
    typer.run(main)
