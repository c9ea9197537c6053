"""A reject output on a GPIO line."""

from __future__ import annotations

from typing import Literal

from edge.devices.gpio import GpioLine, LineRequest, claim, failed, load_gpiod
from edge.errors import DeviceError

Drive = Literal["push-pull", "open-drain", "open-source"]


class GpioOutput:
    """An Output on a GPIO line. The kernel claims it in one step as an output at inactive level.

    So the claim makes no edge where the wiring holds the line inactive. ``close`` releases the line
    without changing it. Some chips keep the level then; a Raspberry Pi makes the line an input
    again. The same happens when the process crashes. So an external pull resistor must hold the
    safe state. ``set`` takes microseconds.

    Raises DeviceError when the line cannot be claimed.
    """

    def __init__(self, where: GpioLine, *, drive: Drive = "push-pull") -> None:
        gpiod = load_gpiod()
        line = gpiod.line
        settings = gpiod.LineSettings(
            direction=line.Direction.OUTPUT,
            output_value=line.Value.INACTIVE,
            active_low=where.active_low,
            drive=line.Drive[drive.upper().replace("-", "_")],
        )
        self._where = where
        self._levels = {True: line.Value.ACTIVE, False: line.Value.INACTIVE}
        self._request: LineRequest | None
        self._request, (self._number,) = claim({where: settings})
        self._released = gpiod.RequestReleasedError

    def set(self, active: bool) -> None:
        if self._request is None:
            raise DeviceError("output_gpio: set after close")
        try:
            self._request.set_value(self._number, self._levels[active])
        except (OSError, self._released) as error:
            raise failed(self._where, error) from error

    def is_active(self) -> bool:
        if self._request is None:
            raise DeviceError("output_gpio: read after close")
        try:
            return bool(self._request.get_value(self._number) == self._levels[True])
        except (OSError, self._released) as error:
            raise failed(self._where, error) from error

    def close(self) -> None:
        if self._request is not None:
            self._request.release()
            self._request = None
