"""The options of a rejector at its start, as a record and as a command line."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from edge.devices.gpio import GpioLine
from edge.devices.output_gpio import Drive
from edge.line.tracker import CountRules, EyeRules
from edge.rejector.hardware import EncoderSpec, EyeSpec, encoder_spec, eye_spec, spec_json

Policy = Literal["reject", "pass"]
SafeState = Literal["inactive", "active"]


@dataclass(frozen=True, slots=True)
class CountTracking:
    """The tracking of parts by encoder counts."""

    rules: CountRules
    encoder: EncoderSpec
    max_counts_per_s: int
    """The highest speed of the belt."""

    purge_at_start: bool = True
    """The parts on the belt at the start are unknown; else the belt counts as empty."""


@dataclass(frozen=True, slots=True)
class EjectorEye:
    """The ejector eye."""

    rules: EyeRules
    eye: EyeSpec
    on_absent: Literal["eject", "pass"] = "eject"
    """The action on a part that must be ejected and that this eye did not see: "eject", or "pass"
    while the eye sees other parts."""


@dataclass(frozen=True, slots=True)
class RejectorOptions:
    """The options of a rejector."""

    pulse_us: int
    """The length of an ejector pulse."""

    on_unknown: Policy = "reject"
    """The action on a part without a verdict."""

    safe_state: SafeState = "inactive"
    """The level of the output after the station has exited and the announced parts have passed."""

    realtime_priority: int = 50
    """The priority for SCHED_FIFO; 0: normal scheduling."""

    capacity: int = 4096
    """The number of parts between photo-eye and ejector."""

    record: Path | None = None
    """A file to which the simulated output writes its edges."""

    gpio: GpioLine | None = None
    """The line of the output; None: the output is simulated."""

    drive: Drive = "push-pull"
    spacing: int = 0
    """Parts nearer than this are ejected together: in counts with ``counts``, else in nanoseconds.
    0: each part by itself."""

    counts: CountTracking | None = None
    ejector_eye: EjectorEye | None = None
    silence_ms: int = 0
    """The longest time without a message between station and rejector. After it, each treats the
    other as failed. 0: no limit."""

    clear_ns: int = 0
    """By time, the period after the first start in which every part at the ejector is unknown. 0:
    the belt counts as empty. The station sends it in an order."""

    @property
    def counts_in_a_pulse(self) -> int:
        """The greatest belt travel during a pulse, in counts; 0 without counts."""
        if self.counts is None:
            return 0
        return -(-self.counts.max_counts_per_s * self.pulse_us // 1_000_000)

    def arguments(self, fd: int) -> list[str]:
        """Return the arguments for ``python -m edge.rejector``. fd: the inherited socket."""
        line = [f"--fd={fd}", f"--pulse-us={self.pulse_us}", f"--on-unknown={self.on_unknown}"]
        line += [f"--safe-state={self.safe_state}", f"--priority={self.realtime_priority}"]
        line += [f"--capacity={self.capacity}", f"--spacing={self.spacing}"]
        line += [f"--silence-ms={self.silence_ms}"]
        if self.counts is not None:
            data = {**asdict(self.counts), "encoder": spec_json(self.counts.encoder)}
            line += [f"--counts={json.dumps(data)}"]
        if self.ejector_eye is not None:
            data = {**asdict(self.ejector_eye), "eye": spec_json(self.ejector_eye.eye)}
            line += [f"--ejector-eye={json.dumps(data)}"]
        if self.gpio is not None:
            # The line number 4 and the line with the name "4" are different lines.
            named = "name" if isinstance(self.gpio.line, str) else "number"
            line += [f"--gpio-chip={self.gpio.chip}", f"--gpio-line-{named}={self.gpio.line}"]
            line += [f"--gpio-drive={self.drive}"]
            line += ["--gpio-active-low"] if self.gpio.active_low else []
        if self.record is None:
            return line
        # The rejector is started in another folder than its station (edge/child_processes.py).
        return [*line, f"--record={self.record.absolute()}"]


def parse_arguments(arguments: Sequence[str]) -> tuple[int, RejectorOptions]:
    """Return the inherited socket and the options. Wrong arguments end the process (status 2)."""
    parser = argparse.ArgumentParser(
        prog="python -m edge.rejector",
        description="Owns the reject output. Started by the station, not by hand.",
    )
    parser.add_argument("--fd", type=int, required=True)
    parser.add_argument("--pulse-us", type=int, required=True)
    parser.add_argument("--on-unknown", choices=("reject", "pass"), required=True)
    parser.add_argument("--safe-state", choices=("inactive", "active"), required=True)
    parser.add_argument("--priority", type=int, required=True)
    parser.add_argument("--capacity", type=int, required=True)
    parser.add_argument("--spacing", type=int, default=0)
    parser.add_argument("--counts", type=json.loads)
    parser.add_argument("--ejector-eye", type=json.loads)
    parser.add_argument("--silence-ms", type=int, required=True)
    parser.add_argument("--record", type=Path)
    parser.add_argument("--gpio-chip")
    parser.add_argument("--gpio-line-name", dest="gpio_line")
    parser.add_argument("--gpio-line-number", dest="gpio_line", type=int)
    parser.add_argument("--gpio-active-low", action="store_true")
    drives = ("push-pull", "open-drain", "open-source")
    parser.add_argument("--gpio-drive", choices=drives, default="push-pull")
    given = parser.parse_args(arguments)
    if (given.gpio_chip is None) != (given.gpio_line is None):
        parser.error("--gpio-chip needs a line, and a line needs --gpio-chip")
    gpio = None
    if given.gpio_chip is not None:
        gpio = GpioLine(given.gpio_chip, given.gpio_line, given.gpio_active_low)
    return given.fd, RejectorOptions(
        pulse_us=given.pulse_us,
        on_unknown=given.on_unknown,
        safe_state=given.safe_state,
        realtime_priority=given.priority,
        capacity=given.capacity,
        record=given.record,
        gpio=gpio,
        drive=given.gpio_drive,
        spacing=given.spacing,
        counts=None if given.counts is None else _counts(given.counts),
        ejector_eye=None if given.ejector_eye is None else _ejector_eye(given.ejector_eye),
        silence_ms=given.silence_ms,
    )


def _counts(data: dict[str, Any]) -> CountTracking:
    rules, encoder = CountRules(**data["rules"]), encoder_spec(data["encoder"])
    return CountTracking(**{**data, "rules": rules, "encoder": encoder})


def _ejector_eye(data: dict[str, Any]) -> EjectorEye:
    rules, eye = EyeRules(**data["rules"]), eye_spec(data["eye"])
    return EjectorEye(**{**data, "rules": rules, "eye": eye})
