"""Camera, GPIO lines, and whether this user may open them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edge.devices.gpio import load_gpiod
from edge.doctor.context import DiagnosticContext
from edge.doctor.finding import Finding, Level, fail, fine, warn
from edge.errors import ConfigError, OutfeedError

_OURS = "outfeed"  # as edge/devices/gpio.py claims lines


def camera(context: DiagnosticContext) -> Finding:
    """It opens and gives a frame. Of a station that runs, what its parts say (check "parts")."""
    if context.running is not None:
        return fine("camera", "in use by the station; see parts")
    try:
        device = context.camera()
        if context.config.camera.triggered:
            device.close()
            return fine("camera", "opens; its frames come with parts")
        try:
            frame = device.capture(1, 1, time.monotonic_ns())
        finally:
            device.close()
    except OutfeedError as error:
        return fail("camera", str(error), "plugged in? [camera] of station.toml; its group")
    height, width = frame.pixels.shape[:2]
    colour = "colour" if frame.pixels.ndim == 3 else "grey"
    if float(frame.pixels.std()) < 1:
        return warn("camera", f"a picture of one level, {width}×{height}", "cap off? light on?")
    return fine("camera", f"a frame of {width}×{height} px, {colour}")


def lines(context: DiagnosticContext) -> Finding | None:
    """Every GPIO line that is configured: there, and free or ours."""
    wanted = list(_lines(context))
    if not wanted:
        return None
    try:
        gpiod = load_gpiod() if context.machine.gpiod is None else context.machine.gpiod()
    except ConfigError as error:
        return fail("gpio", str(error), "pip install 'outfeed[gpio]'")
    said = []
    for name, chip, line in wanted:
        found = _look(gpiod, context, name, chip, line)
        if found.level is not Level.OK:
            return found
        said.append(found.said)
    return fine("gpio", ", ".join(said))


def permissions(context: DiagnosticContext) -> Finding | None:
    """Whether who runs this may open the devices."""
    paths = [Path(path) for path in sorted({chip for _, chip, _ in _lines(context) if "/" in chip})]
    if any("/" not in chip for _, chip, _ in _lines(context)):
        paths += context.machine.paths("/dev/gpiochip*")
    if context.config.camera.device is not None:
        paths.append(context.config.camera.device)
    closed = [path for path in paths if path.exists() and not os.access(path, os.R_OK | os.W_OK)]
    if closed:
        names = ", ".join(str(path) for path in closed)
        return fail(
            "permissions",
            f"this user may not open {names}",
            "as the station's user: sudo -u outfeed …; groups gpio and video; udev rules",
        )
    return fine("permissions", f"{len(paths)} devices may be opened") if paths else None


def watchdog(context: DiagnosticContext) -> Finding:
    """The hardware's, which restarts a machine that hangs as a whole."""
    if context.machine.paths("/dev/watchdog*"):
        return fine("watchdog", "there is a device")
    advice = "RuntimeWatchdogSec= in /etc/systemd/system.conf.d needs a driver"
    return warn("watchdog", "no /dev/watchdog: a machine that hangs stays so", advice)


def _lines(context: DiagnosticContext) -> Iterator[tuple[str, str, int | str]]:
    """Section, chip, line."""
    config = context.config
    eye, encoder = config.ejector_eye, config.encoder
    for name, chip, line in (
        ("trigger", config.trigger.chip, config.trigger.line),
        ("output", config.output.chip, config.output.line),
        ("ejector_eye", eye.chip if eye else None, eye.line if eye else None),
        ("encoder", encoder.chip if encoder else None, encoder.line_a if encoder else None),
        ("encoder", encoder.chip if encoder else None, encoder.line_b if encoder else None),
    ):
        if chip is not None and line is not None:
            yield name, chip, line


def _look(gpiod: Any, context: DiagnosticContext, name: str, chip: str, line: int | str) -> Finding:
    where = f"{name} line {line} of {chip}"
    try:
        path = _chip_path(gpiod, context, chip)
        if path is None:
            return fail("gpio", f"{where}: no such chip", "gpiodetect lists them")
        with gpiod.Chip(path) as opened:
            info = opened.get_line_info(opened.line_offset_from_id(line))
    except FileNotFoundError:
        return fail("gpio", f"{where}: no such chip or line", "gpioinfo lists them")
    except PermissionError:
        return fail("gpio", f"{where}: not permitted", "the group gpio, or sudo -u outfeed")
    except (OSError, ValueError) as error:
        return fail("gpio", f"{where}: {error}", "gpioinfo lists them")
    if info.used and info.consumer != _OURS:
        return fail("gpio", f"{where} is held by {info.consumer or 'the kernel'}", "free it")
    if info.used and context.running is None:
        advice = "a rejector that is left over: python -m edge.rejector.wait_for_end"
        return fail("gpio", f"{where} is held by Outfeed, and no station runs", advice)
    if not info.used and context.running is not None:
        return fail("gpio", f"{where} is free, and the station runs", "its log")
    return fine("gpio", f"{where} {'held by the station' if info.used else 'free'}")


def _chip_path(gpiod: Any, context: DiagnosticContext, chip: str) -> str | None:
    if "/" in chip:
        return chip
    for path in context.machine.paths("/dev/gpiochip*"):
        try:
            with gpiod.Chip(str(path)) as opened:
                if opened.get_info().label == chip:
                    return str(path)
        except OSError:
            continue
    return None
