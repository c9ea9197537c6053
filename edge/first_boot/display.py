"""The state of a unit on its console and by an LED of the board."""

from __future__ import annotations

import enum
import re
from contextlib import suppress
from logging import getLogger
from pathlib import Path

_log = getLogger(__name__)

_LEDS = ("ACT", "led0")
"""The green LED of a Raspberry Pi, by its names in newer and in older kernels."""

# /etc/issue.d has a link to it: agetty reads /run/issue.d only where /etc/issue is missing.
_ISSUE = "run/outfeed.issue"
_SAVED = "run/outfeed-led"


class UnitState(enum.Enum):
    """The states, each with the times of its LED: milliseconds on and off."""

    READY = None
    NO_IDENTITY = (100, 1900)
    REFUSED = (100, 100)


def show(state: UnitState, lines: list[str], root: Path = Path("/")) -> None:
    """Show the state until the next call: above the login prompt, on /dev/console and by the LED.

    A board without the LED, or a console that cannot be written, is no error. root: for tests.
    """
    # agetty takes a backslash for an escape.
    text = "".join(f"{line}\n" for line in lines).replace("\\", "\\\\")
    issue = root / _ISSUE
    try:
        issue.parent.mkdir(parents=True, exist_ok=True)
        issue.write_text(f"{text}\n")
        # agetty shows the new text at once, unless a name is being typed.
        (root / "run/agetty.reload").touch()
    except OSError as error:
        _log.warning("console_not_written file=%s reason=%s", issue, error.strerror)
    with suppress(OSError), (root / "dev/console").open("w") as console:
        console.write(f"\n{text}")
    for name in _LEDS:
        led = root / "sys/class/leds" / name
        if (led / "trigger").exists():
            _blink(led, state.value, root / _SAVED)
            break


def _blink(led: Path, times: tuple[int, int] | None, saved: Path) -> None:
    """Let the kernel blink the LED. READY gives it back to what it showed before."""
    trigger = led / "trigger"
    try:
        if times is None:
            if saved.exists():
                trigger.write_text(saved.read_text())
                saved.unlink()
            return
        present = re.search(r"\[(\S+)\]", trigger.read_text())
        if not saved.exists():
            saved.write_text(present[1] if present else "none")
        trigger.write_text("timer")
        (led / "delay_on").write_text(str(times[0]))
        (led / "delay_off").write_text(str(times[1]))
    except OSError as error:
        _log.warning("led_not_set led=%s reason=%s", led.name, error.strerror)
