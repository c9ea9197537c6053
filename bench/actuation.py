"""Measure the delay of ejector pulses: the rejector process against a thread of a loaded process.

    python -m bench.actuation [--pulses 1000]

All ways to actuate take turns in blocks within one run. Meanwhile this process keeps every core
busy as a station would. It computes matrix products without the interpreter's lock, and parses JSON
with it.
"""

from __future__ import annotations

import argparse
import json
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from edge.clock import MonotonicClock
from edge.devices.output_simulated import SimulatedOutput
from edge.line.outcome import Action
from edge.rejector.client import RejectorClient
from edge.rejector.messages import Actuated, Ready
from edge.rejector.options import RejectorOptions

GAP_NS = 20_000_000  # 50 pulses a second
PULSE_US = 5_000
BLOCK = 100  # pulses of one way before the turn of the next
LEAD_NS = 300_000_000  # orders are sent this long ahead, as on a belt

_CLOCK = MonotonicClock()


@dataclass
class ActuationWay:
    """A way to actuate. ``eject`` makes a pulse at each due time and returns after the last one."""

    name: str
    eject: Callable[[list[int]], None]
    errors_us: list[float] = field(default_factory=list)
    missed: int = 0  # pulses not made, because the delay was longer than the pulse


def _load(stop: threading.Event) -> None:
    left = np.random.default_rng(0).random((256, 256), dtype=np.float32)
    document = {"defects": [{"kind": "crack", "box": [1, 2, 3, 4]} for _ in range(20)]}
    while not stop.is_set():
        for _ in range(5):
            left @ left
        json.loads(json.dumps(document))


def _thread_way() -> ActuationWay:
    output = SimulatedOutput(clock=_CLOCK)
    way = ActuationWay("a thread of the station process", lambda due: None)

    def eject(due: list[int]) -> None:
        def work() -> None:
            for due_ns in due:
                _CLOCK.sleep_until_ns(due_ns)
                output.set(True)
                way.errors_us.append((output.history[-1].at_ns - due_ns) / 1e3)
                _CLOCK.sleep_until_ns(due_ns + PULSE_US * 1000)
                output.set(False)

        thread = threading.Thread(target=work, name="ejector")
        thread.start()
        thread.join()

    way.eject = eject
    return way


def _process_way(priority: int) -> tuple[ActuationWay, RejectorClient]:
    options = RejectorOptions(pulse_us=PULSE_US, realtime_priority=priority)
    client = RejectorClient(options, clock=_CLOCK)
    way = ActuationWay("", lambda due: None)
    done = threading.Semaphore(0)

    def report(actuated: Actuated) -> None:
        if actuated.action is Action.EJECTED:
            way.errors_us.append((actuated.at_ns - actuated.due_ns) / 1e3)
        else:
            way.missed += 1
        done.release()

    def eject(due: list[int]) -> None:
        for due_ns in due:
            client.announce(due_ns, due_ns)  # the due time also serves as the part's number
            client.resolve(due_ns, True)
        for _ in due:
            done.acquire()

    ready = client.start(report)
    assert isinstance(ready, Ready)
    granted = f"SCHED_FIFO {priority}" if ready.realtime else "default scheduling"
    way.name, way.eject = f"the rejector, {granted}", eject
    return way, client


def main() -> None:
    """Print one table of the pulse's start minus its due time, in microseconds."""
    parser = argparse.ArgumentParser(description="Measure the delay of ejector pulses.")
    parser.add_argument("--pulses", type=int, default=1000, help="pulses of each way")
    pulses = parser.parse_args().pulses
    plain, plain_client = _process_way(0)
    realtime, realtime_client = _process_way(50)
    ways = [_thread_way(), plain, realtime]
    stop = threading.Event()
    load = [
        threading.Thread(target=_load, args=(stop,), name=f"load-{n}")
        for n in range(os.cpu_count() or 1)
    ]
    for thread in load:
        thread.start()
    try:
        for _ in range(-(-pulses // BLOCK)):
            for way in ways:
                first_ns = _CLOCK.now_ns() + LEAD_NS
                way.eject([first_ns + n * GAP_NS for n in range(BLOCK)])
    finally:
        stop.set()
        for thread in load:
            thread.join()
        for client in (plain_client, realtime_client):
            client.close(5.0)
    print(f"{len(load)} cores busy, {len(ways[0].errors_us)} pulses each; delay in µs\n")
    print("| way to actuate | p50 | p99 | p99.9 | max | missed |")
    print("|---|---|---|---|---|---|")
    for way in ways:
        p50, p99, p999 = np.percentile(way.errors_us, (50, 99, 99.9))
        worst = max(way.errors_us)
        row = f"{p50:,.0f} | {p99:,.0f} | {p999:,.0f} | {worst:,.0f} | {way.missed}"
        print(f"| {way.name} | {row} |")


if __name__ == "__main__":
    main()
