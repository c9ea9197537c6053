"""``python -m edge.cli.board_check station.toml``: what only a real board can show.

Run by firmware-config/on-a-real-board.sh; docs/how-to/check-a-board.md says how to wire the board.
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

_QUIET_S = 0.2  # an edge that a claim or a release made would have come by then
_KICKS = 50
_PARTS = 200
_FLASHES = 30
_RETURN_S = 60.0  # for a person to unplug a camera, and again to plug it in
_MANY = 100  # edges where there should be none
_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the result."""

    passed: bool
    name: str
    said: str

    def __str__(self) -> str:
        return f"{'PASS' if self.passed else 'FAIL'}  {self.name}: {self.said}"


def check_wire(
    trigger: Trigger, config: StationConfig, *, clock: Clock, kicks: int = _KICKS
) -> Iterator[Finding]:
    """With a wire from the output's line to the trigger's: every edge of the one is seen by the
    other, at its time, and there is none besides. Blocks for about 0.1 s a kick."""
    yield _quiet(trigger, "before the output is claimed")
    output = make_gpio_output(config.output)
    yield _quiet(trigger, "as the output is claimed")
    late_us, stray, missed = [], 0, 0
    for _ in range(kicks):
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
    seen = f"{len(late_us)} of {kicks} seen, {stray} stray edges"
    if missed and stray >= missed:
        seen += " (one of the two lines is active_low and the other is not?)"
    yield Finding(not missed and not stray, "an edge for every kick", seen)
    if late_us:
        told = f"p50 {median(late_us):.0f} µs, max {max(late_us):.0f} µs"
        yield Finding(min(late_us) >= 0, "the kernel's stamp after the order", told)
    output.close()
    yield _quiet(trigger, "as the output is released")
    output = make_gpio_output(config.output)
    yield _quiet(trigger, "as the output is claimed again")
    output.close()


def check_camera(
    camera: Camera, config: StationConfig, *, clock: Clock, parts: int = _PARTS
) -> Iterator[Finding]:
    """Frames for parts at uneven times: each exposed after its trigger, none twice. Parts that wait
    in between let the camera's buffers go stale. Blocks for about a minute."""
    freshness = Freshness(freshness_rules(config.camera))
    faults, after_ms, took_ms = [], [], []
    for number in range(1, parts + 1):
        clock.sleep_until_ns(clock.now_ns() + (number * 37 % 50) * _MS + (number % 40 == 0) * 10**9)
        triggered_ns = clock.now_ns()
        try:
            frame = camera.capture(number, number, triggered_ns)
        except OutfeedError as error:
            faults.append(str(error))
            continue
        took_ms.append((clock.now_ns() - triggered_ns) / 1e6)
        after_ms.append((frame.exposed_ns - triggered_ns) / 1e6)
        part = Part(number, triggered_ns, triggered_ns, triggered_ns)
        if (fault := freshness.fault(frame, part, None)) is not None:
            faults.append(fault)
    said = f"{parts - len(faults)} of {parts}" + (f"; first: {faults[0]}" if faults else "")
    yield Finding(not faults, "a fresh frame for every part", said)
    if after_ms:
        told = f"p50 {median(after_ms):.1f} ms, max {max(after_ms):.1f} ms after the trigger"
        yield Finding(True, "exposure", told)
        told = f"p50 {median(took_ms):.1f} ms, max {max(took_ms):.1f} ms after the trigger"
        yield Finding(True, "frame in memory", told)


def check_lamp(
    camera: Camera, output: Output, *, clock: Clock, flashes: int = _FLASHES
) -> Iterator[Finding]:
    """With a lamp in view that the output switches: whether the stamps are true. A frame that says
    it was exposed after the lamp came on, and is dark, has a stamp that is too late by that much.
    Raises DeviceError when the lamp makes no difference."""
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
            # Asked for as of before the lamp, so that frames around that moment come too.
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
    said = f"of {flashes} flashes no dark frame says that it is of after the lamp"
    if wrong_ms:
        said = f"dark {wrong_ms:.1f} ms after the lamp by its stamp: add that to latency_ms"
    yield Finding(not wrong_ms, "stamps are true", said)


def check_unplug(config: StationConfig, *, clock: Clock) -> Iterator[Finding]:
    """A person unplugs the camera and plugs it in again. Blocks for up to two minutes."""
    camera = make_live_camera(config.camera, clock=clock)
    slowest_s = 0.0
    try:
        for state, wanted in (("UNPLUG the camera now", False), ("PLUG it in again", True)):
            print(state, flush=True)
            until_ns = clock.now_ns() + round(_RETURN_S * 1e9)
            there = not wanted
            while there != wanted and clock.now_ns() < until_ns:
                began_ns = clock.now_ns()
                there = _captures(camera, began_ns)
                slowest_s = max(slowest_s, (clock.now_ns() - began_ns) / 1e9)
                clock.sleep_until_ns(began_ns + 100 * _MS)
            done = "came back" if wanted else "lost, parts are UNKNOWN"
            yield Finding(there == wanted, state.lower(), done if there == wanted else "nothing")
    finally:
        camera.close()
    limit_s = config.camera.timeout_ms / 1e3 + 0.5
    yield Finding(slowest_s < limit_s, "no part waited long", f"{slowest_s:.2f} s at most")


def _captures(camera: Camera, triggered_ns: int) -> bool:
    try:
        camera.capture(1, 1, triggered_ns)
    except OutfeedError:
        return False
    return True


def _brightness(camera: Camera, number: int, clock: Clock) -> float:
    return float(camera.capture(number, number, clock.now_ns()).pixels.mean())


def _quiet(trigger: Trigger, when: str) -> Finding:
    edges = len(_edges(trigger, _QUIET_S))
    return Finding(not edges, f"no edge {when}", f"{edges} seen")


def _edges(trigger: Trigger, for_s: float) -> list[int]:
    """All until it is quiet; of a line that never is, the first ones."""
    found: list[int] = []
    while len(found) < _MANY and (edge := trigger.wait(for_s)) is not None:
        found.append(edge.at_ns)
    return found


def main(arguments: Sequence[str]) -> int:
    """Exit status: 0 when everything passed, 1 when something did not, 78 for the file."""
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


def _run(config: StationConfig, given: argparse.Namespace, clock: Clock) -> Iterator[Finding]:
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
