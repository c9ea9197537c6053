"""``python -m edge.cli.board_check station.toml``: the checks that need a real board.

firmware-config/on-a-real-board.sh runs it. docs/how-to/check-a-board.md describes the wiring.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from edge.assembly.camera import freshness_rules, make_live_camera, open_live_camera
from edge.assembly.station import make_gpio_output, make_trigger
from edge.clock import Clock, MonotonicClock
from edge.config.station import StationConfig
from edge.devices.camera import Camera
from edge.devices.output import Output
from edge.devices.trigger import Trigger
from edge.errors import ConfigError, DeviceError, OutfeedError
from edge.line.freshness import Freshness
from edge.line.part import Part
from edge.privileges import open_config

_QUIET_S = 0.2  # an edge that a claim or a release causes arrives within this time
_PULSES = 50
_PARTS = 200
_FLASHES = 30
_PLUG_S = 60.0  # time for a person to unplug the camera, and again to plug it in
_MAX_STRAY_EDGES = 100
_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class BoardFinding:
    """The result of one check on the board."""

    passed: bool
    name: str
    message: str

    def __str__(self) -> str:
        return f"{'PASS' if self.passed else 'FAIL'}  {self.name}: {self.message}"


def check_wire(
    trigger: Trigger, config: StationConfig, *, clock: Clock, pulses: int = _PULSES
) -> Iterator[BoardFinding]:
    """Check output and trigger, whose lines are connected by a wire.

    The trigger must report each edge of the output at its time, and no other edge. Blocks for about
    0.1 s per pulse.
    """
    yield _quiet(trigger, "before the output is claimed")
    output = make_gpio_output(config.output)
    yield _quiet(trigger, "as the output is claimed")
    late_us, stray, missed = [], 0, 0
    for _ in range(pulses):
        before_ns = clock.now_ns()
        output.set(True)
        edge = trigger.wait(0.5)
        if edge is None:
            missed += 1
        else:
            late_us.append((edge.at_ns - before_ns) / 1e3)
        clock.sleep_until_ns(clock.now_ns() + 20 * _MS)
        output.set(False)
        stray += len(_edges(trigger, 0.02))
    message = f"{len(late_us)} of {pulses} detected, {stray} stray edges"
    if missed and stray >= missed:
        message += " (one of the two lines is active_low and the other is not?)"
    yield BoardFinding(not missed and not stray, "an edge for every pulse", message)
    if late_us:
        times = f"p50 {median(late_us):.0f} µs, max {max(late_us):.0f} µs"
        yield BoardFinding(min(late_us) >= 0, "the kernel's stamp is after the order", times)
    output.close()
    yield _quiet(trigger, "as the output is released")
    output = make_gpio_output(config.output)
    yield _quiet(trigger, "as the output is claimed again")
    output.close()


def check_camera(
    camera: Camera, config: StationConfig, *, clock: Clock, parts: int = _PARTS
) -> Iterator[BoardFinding]:
    """Check that each part gets a frame that was exposed after its trigger, and none twice.

    The parts come at uneven times, so that old frames wait in the buffers of the camera. Blocks for
    about a minute.
    """
    freshness = Freshness(freshness_rules(config.camera))
    faults, after_ms, arrived_ms = [], [], []
    for number in range(1, parts + 1):
        clock.sleep_until_ns(clock.now_ns() + (number * 37 % 50) * _MS + (number % 40 == 0) * 10**9)
        triggered_ns = clock.now_ns()
        try:
            frame = camera.capture(number, number, triggered_ns)
        except OutfeedError as error:
            faults.append(str(error))
            continue
        arrived_ms.append((clock.now_ns() - triggered_ns) / 1e6)
        after_ms.append((frame.exposed_ns - triggered_ns) / 1e6)
        part = Part(number, triggered_ns, triggered_ns, triggered_ns)
        if (fault := freshness.fault(frame, part, None)) is not None:
            faults.append(fault)
    message = f"{parts - len(faults)} of {parts}" + (f"; first: {faults[0]}" if faults else "")
    yield BoardFinding(not faults, "a fresh frame for every part", message)
    if after_ms:
        times = f"p50 {median(after_ms):.1f} ms, max {max(after_ms):.1f} ms after the trigger"
        yield BoardFinding(True, "exposure", times)
        times = f"p50 {median(arrived_ms):.1f} ms, max {max(arrived_ms):.1f} ms after the trigger"
        yield BoardFinding(True, "frame in memory", times)


def check_lamp(
    camera: Camera, output: Output, *, clock: Clock, flashes: int = _FLASHES
) -> Iterator[BoardFinding]:
    """Check the time stamps of the frames with a lamp in view that the output switches.

    A dark frame with a stamp after the lamp was switched on has a stamp that is too late by that
    time. Raises DeviceError if the lamp makes no difference.
    """
    number, wrong_ms = 0, 0.0
    for flash in range(flashes):
        output.set(False)
        clock.sleep_until_ns(clock.now_ns() + (100 + flash * 7 % 40) * _MS)
        number += 1
        dark = _brightness(camera, number, clock)
        clock.sleep_until_ns(clock.now_ns() + flash * 3 % 40 * _MS)
        output.set(True)
        on_ns = clock.now_ns()
        values = []
        while clock.now_ns() - on_ns < 500 * _MS:
            number += 1
            # The trigger time is before the lamp, so that frames around that moment are taken too.
            frame = camera.capture(number, number, on_ns - 100 * _MS)
            values.append((frame.exposed_ns, float(frame.pixels.mean())))
        bright = values[-1][1]
        if bright - dark < 5:
            output.set(False)
            raise DeviceError(f"the lamp makes no difference: {dark:.0f} off, {bright:.0f} on")
        half = (dark + bright) / 2
        late_ns = [at_ns - on_ns for at_ns, value in values if at_ns >= on_ns and value < half]
        wrong_ms = max([wrong_ms, *(one / 1e6 for one in late_ns)])
    output.set(False)
    message = f"no dark frame has a stamp after the lamp, in {flashes} flashes"
    if wrong_ms:
        message = (
            f"a dark frame is {wrong_ms:.1f} ms after the lamp by its stamp: add that to latency_ms"
        )
    yield BoardFinding(not wrong_ms, "stamps are correct", message)


def check_unplug(config: StationConfig, *, clock: Clock) -> Iterator[BoardFinding]:
    """Check a camera that a person unplugs and plugs in again. Blocks for up to two minutes."""
    camera = make_live_camera(config.camera, clock=clock)
    slowest_s = 0.0
    try:
        for state, wanted in (("UNPLUG the camera now", False), ("PLUG it in again", True)):
            print(state, flush=True)
            until_ns = clock.now_ns() + round(_PLUG_S * 1e9)
            there = not wanted
            while there != wanted and clock.now_ns() < until_ns:
                began_ns = clock.now_ns()
                there = _captures(camera, began_ns)
                slowest_s = max(slowest_s, (clock.now_ns() - began_ns) / 1e9)
                clock.sleep_until_ns(began_ns + 100 * _MS)
            done = "opened again" if wanted else "lost, parts are UNKNOWN"
            yield BoardFinding(
                there == wanted, state.lower(), done if there == wanted else "nothing"
            )
    finally:
        camera.close()
    limit_s = config.camera.timeout_ms / 1e3 + 0.5
    yield BoardFinding(slowest_s < limit_s, "no part waited long", f"{slowest_s:.2f} s at most")


def _captures(camera: Camera, triggered_ns: int) -> bool:
    try:
        camera.capture(1, 1, triggered_ns)
    except OutfeedError:
        return False
    return True


def _brightness(camera: Camera, number: int, clock: Clock) -> float:
    return float(camera.capture(number, number, clock.now_ns()).pixels.mean())


def _quiet(trigger: Trigger, when: str) -> BoardFinding:
    edges = len(_edges(trigger, _QUIET_S))
    return BoardFinding(not edges, f"no edge {when}", f"{edges} detected")


def _edges(trigger: Trigger, for_s: float) -> list[int]:
    """Return the edges until the line is quiet, and at most 100."""
    edges: list[int] = []
    while len(edges) < _MAX_STRAY_EDGES and (edge := trigger.wait(for_s)) is not None:
        edges.append(edge.at_ns)
    return edges


def main(arguments: Sequence[str]) -> int:
    """Run the checks; return 0 if all passed, 1 if one failed, 78 for a wrong configuration."""
    parser = argparse.ArgumentParser(prog="python -m edge.cli.board_check", description=__doc__)
    parser.add_argument("config", type=Path)
    parser.add_argument("--wire", action="store_true", help="output and trigger are wired together")
    parser.add_argument("--lamp", action="store_true", help="the output switches a lamp in view")
    parser.add_argument("--unplug", action="store_true", help="a person unplugs the camera")
    given = parser.parse_args(arguments)
    clock = MonotonicClock()
    passed = True
    try:
        for finding in _run(open_config(given.config), given, clock):
            print(finding, flush=True)
            passed = passed and finding.passed
    except OutfeedError as error:
        print(f"FAIL  {error}", flush=True)
        return error.exit_status
    return 0 if passed else 1


def _run(config: StationConfig, given: argparse.Namespace, clock: Clock) -> Iterator[BoardFinding]:
    if given.wire:
        if config.trigger.kind != "gpio" or config.output.kind != "gpio":
            raise ConfigError(f"{given.config}: --wire needs kind gpio of [trigger] and [output]")
        trigger = make_trigger(config, clock=clock)
        yield from check_wire(trigger, config, clock=clock)
        trigger.close()
    if config.camera.live:
        camera = open_live_camera(config.camera, clock=clock)
        yield from check_camera(camera, config, clock=clock)
        if given.lamp:
            output = make_gpio_output(config.output)
            yield from check_lamp(camera, output, clock=clock)
            output.close()
        camera.close()
    if given.unplug:
        yield from check_unplug(config, clock=clock)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
