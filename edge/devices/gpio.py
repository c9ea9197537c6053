"""GPIO lines, and their claim with libgpiod 2."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from edge.errors import ConfigError, DeviceError

DEV = Path("/dev")
_CONSUMER = "outfeed"  # name of the holder of the line in `gpioinfo`


@dataclass(frozen=True, slots=True)
class GpioLine:
    """One line of one chip.

    chip: the path of its device (/dev/gpiochip0), or its label as `gpiodetect` prints it:
    pinctrl-bcm2711 on a Pi 4, pinctrl-rp1 on a Pi 5, tegra234-gpio on a Jetson Orin. The label is
    the better one: kernels have numbered the chips of a Pi 5 differently. line: its number on that
    chip or its name, as `gpioinfo` prints it. active_low: a low level is "active".
    """

    chip: str
    line: int | str
    active_low: bool = False

    def __str__(self) -> str:
        return f"line {self.line} of {self.chip}"


class LineRequest(Protocol):
    """The part of libgpiod's LineRequest that Outfeed uses. One thread may use it."""

    def set_value(self, line: int, value: Any) -> None: ...

    def get_value(self, line: int) -> Any: ...

    def wait_edge_events(self, timeout: float) -> bool: ...

    def read_edge_events(self) -> Sequence[Any]: ...

    def fileno(self) -> int: ...

    def release(self) -> None: ...


def load_gpiod() -> Any:
    """Return the module gpiod. Raises ConfigError, one line, where it is not installed."""
    try:
        import gpiod
    except ImportError as error:
        raise ConfigError(
            f"kind 'gpio' needs libgpiod's Python bindings (pip install 'gpiod>=2.2'): {error}"
        ) from error
    return gpiod


def claim(
    wanted: Mapping[GpioLine, Any], *, buffered_events: int = 0
) -> tuple[LineRequest, tuple[int, ...]]:
    """Claim lines of one chip; return the request and the line numbers, in the same order.

    wanted: gpiod.LineSettings for each line. buffered_events: edges that the kernel keeps until
    they are read; 0: its default. Blocks for microseconds.

    Raises DeviceError for a missing chip or line, a line that another process holds, a missing
    permission, or a setting that the chip does not support.
    """
    gpiod = load_gpiod()
    where = next(iter(wanted))
    path = _chip_path(gpiod, where.chip)
    try:
        with gpiod.Chip(path) as chip:
            numbers = []
            for where in wanted:
                numbers.append(chip.line_offset_from_id(where.line))
            request: LineRequest = chip.request_lines(
                dict(zip(numbers, wanted.values(), strict=True)),
                consumer=_CONSUMER,
                event_buffer_size=buffered_events or None,
            )
            return request, tuple(numbers)
    except (OSError, ValueError) as error:
        raise DeviceError(f"gpio: {where}: {_reason(error)}") from error


def failed(where: GpioLine, error: Exception) -> DeviceError:
    """Return the error for a claimed line that has failed."""
    return DeviceError(f"gpio: {where}: {_reason(error)}")


def _reason(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such chip or line (gpiodetect and gpioinfo list them)"
    if isinstance(error, PermissionError):
        return "not permitted (is the user in the group of the device, often 'gpio'?)"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(error)


def _chip_path(gpiod: Any, name: str) -> str:
    """Return the device of a chip, given its path or its label. Raises DeviceError."""
    if "/" in name:
        return name
    matching, labels = set(), set()
    # A link to a device is the same chip: Raspberry Pi OS makes gpiochip4 a link to chip 0.
    for path in sorted({str(path.resolve()) for path in DEV.glob("gpiochip*")}):
        try:
            with gpiod.Chip(path) as chip:
                label = chip.get_info().label
        except OSError:
            continue  # no permission; if it is the wanted chip, the error follows below
        labels.add(label)
        if label == name:
            matching.add(path)
    if len(matching) == 1:
        return matching.pop()
    if matching:
        raise DeviceError(f"gpio: several chips are labelled {name}: {', '.join(sorted(matching))}")
    there = ", ".join(sorted(labels)) or "none that can be opened"
    raise DeviceError(f"gpio: no chip is labelled {name}; available: {there}")
