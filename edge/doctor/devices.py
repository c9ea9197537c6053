"""Checks of the camera, the GPIO lines, the permissions and the hardware watchdog."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edge.devices.gpio import load_gpiod
from edge.doctor.context import DiagnosticContext
from edge.doctor.finding import DiagnosticFinding, Level, fail, fine, warn
from edge.errors import ConfigError, OutfeedError

_OURS = "outfeed"  # the consumer name that edge/devices/gpio.py gives


def camera(context: DiagnosticContext) -> DiagnosticFinding:
    """Open the camera and take a frame.

    While a station runs, the camera is not opened; the check "parts" covers it.
    """
    if context.running is not None:
        return fine("camera", "in use by the station; see parts")
    try:
        device = context.camera()
        if context.config.camera.triggered:
            device.close()
            return fine("camera", "opens; frames need the trigger input")
        try:
            frame = device.capture(1, 1, time.monotonic_ns())
        finally:
            device.close()
    except OutfeedError as error:
        return fail(
            "camera",
            str(error),
            "check the cable, [camera] in station.toml and the group of the device",
        )
    height, width = frame.pixels.shape[:2]
    colour = "colour" if frame.pixels.ndim == 3 else "grey"
    if float(frame.pixels.std()) < 1:
        return warn(
            "camera", f"the picture is uniform, {width}×{height}", "check lens cap and light"
        )
    return fine("camera", f"a frame of {width}×{height} px, {colour}")


def lines(context: DiagnosticContext) -> DiagnosticFinding | None:
    """Check that each configured GPIO line exists, and is free or held by the station."""
    wanted = list(_lines(context))
    if not wanted:
        return None
    try:
        gpiod = load_gpiod() if context.machine.gpiod is None else context.machine.gpiod()
    except ConfigError as error:
        return fail("gpio", str(error), "pip install 'outfeed[gpio]'")
    messages = []
    for name, chip, line in wanted:
        finding = _check_line(gpiod, context, name, chip, line)
        if finding.level is not Level.OK:
            return finding
        messages.append(finding.message)
    return fine("gpio", ", ".join(messages))


def permissions(context: DiagnosticContext) -> DiagnosticFinding | None:
    """Check that the current user may open the devices."""
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
            "run with sudo -u outfeed …; check the groups gpio and video, and the udev rules",
        )
    return fine("permissions", f"this user may open {len(paths)} devices") if paths else None


def watchdog(context: DiagnosticContext) -> DiagnosticFinding:
    """Check for a hardware watchdog, which restarts a machine that hangs as a whole."""
    if context.machine.paths("/dev/watchdog*"):
        return fine("watchdog", "present")
    advice = "RuntimeWatchdogSec= in /etc/systemd/system.conf.d needs a driver"
    return warn("watchdog", "no /dev/watchdog: a machine that hangs is not restarted", advice)


def _lines(context: DiagnosticContext) -> Iterator[tuple[str, str, int | str]]:
    """Yield the section, chip and line of each configured GPIO line."""
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


def _check_line(
    gpiod: Any, context: DiagnosticContext, name: str, chip: str, line: int | str
) -> DiagnosticFinding:
    where = f"{name} line {line} of {chip}"
    try:
        path = _chip_path(gpiod, context, chip)
        if path is None:
            return fail("gpio", f"{where}: no such chip", "gpiodetect lists them")
        with gpiod.Chip(path) as handle:
            info = handle.get_line_info(handle.line_offset_from_id(line))
    except FileNotFoundError:
        return fail("gpio", f"{where}: no such chip or line", "gpioinfo lists them")
    except PermissionError:
        return fail(
            "gpio", f"{where}: not permitted", "join the group gpio, or use sudo -u outfeed"
        )
    except (OSError, ValueError) as error:
        return fail("gpio", f"{where}: {error}", "gpioinfo lists them")
    if info.used and info.consumer != _OURS:
        return fail(
            "gpio", f"{where} is held by {info.consumer or 'the kernel'}", "release the line there"
        )
    if info.used and context.running is None:
        advice = "a rejector is left over; wait for it: python -m edge.rejector.wait_for_end"
        return fail("gpio", f"{where} is held by Outfeed, but no station runs", advice)
    if not info.used and context.running is not None:
        return fail("gpio", f"{where} is free, but the station runs", "read the log of the station")
    return fine("gpio", f"{where} {'held by the station' if info.used else 'free'}")


def _chip_path(gpiod: Any, context: DiagnosticContext, chip: str) -> str | None:
    if "/" in chip:
        return chip
    for path in context.machine.paths("/dev/gpiochip*"):
        try:
            with gpiod.Chip(str(path)) as handle:
                if handle.get_info().label == chip:
                    return str(path)
        except OSError:
            continue
    return None
