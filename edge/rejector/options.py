"""What a rejector is told at its start, as a record and as a command line."""

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
    """Parts meet the ejector after encoder counts.

    max_counts_per_s: the belt is never faster. purge_at_start: what is on the belt at the start is
    unknown, and dealt with as such; else the belt is taken to be empty.
    """

    rules: CountRules
    encoder: EncoderSpec
    max_counts_per_s: int
    purge_at_start: bool = True


@dataclass(frozen=True, slots=True)
class EjectorEye:
    """A second photo-eye. on_absent: what is done with a part that must be ejected and that this
    eye did not see: "eject", or "pass" as long as the eye sees others."""

    rules: EyeRules
    eye: EyeSpec
    on_absent: Literal["eject", "pass"] = "eject"


@dataclass(frozen=True, slots=True)
class RejectorOptions:
    """pulse_us: how long an ejector pulse is. on_unknown: what is done with a part without verdict.

    safe_state: the output's level once the station is dead and the announced parts are gone.
    realtime_priority: of SCHED_FIFO, 0 for none. capacity: parts between photo-eye and ejector.
    record: a file to which the simulated output writes its edges. silence_ms: whoever of station
    and rejector hears nothing from the other for so long takes it for dead; 0 for never. gpio: the
    line that it drives, and how; None: the output is simulated. spacing: parts nearer than this are
    ejected together, in counts where there are ``counts``, else nanoseconds; 0: each by itself.
    clear_ns: by time, for how long after the first start whatever comes to the ejector is unknown;
    0: the belt is taken to be empty. It is told to the rejector by an order.
    """

    pulse_us: int
    on_unknown: Policy = "reject"
    safe_state: SafeState = "inactive"
    realtime_priority: int = 50
    capacity: int = 4096
    record: Path | None = None
    gpio: GpioLine | None = None
    drive: Drive = "push-pull"
    spacing: int = 0
    counts: CountTracking | None = None
    ejector_eye: EjectorEye | None = None
    silence_ms: int = 0
    clear_ns: int = 0

    @property
    def counts_in_a_pulse(self) -> int:
        """The greatest belt travel during a pulse, in counts; 0 without counts."""
        if self.counts is None:
            return 0
        return -(-self.counts.max_counts_per_s * self.pulse_us // 1_000_000)

    def arguments(self, fd: int) -> list[str]:
        """The command line after ``python -m edge.rejector``; fd: the inherited socket."""
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
            # A number and a name that looks like one are different lines.
            named = "name" if isinstance(self.gpio.line, str) else "number"
            line += [f"--gpio-chip={self.gpio.chip}", f"--gpio-line-{named}={self.gpio.line}"]
            line += [f"--gpio-drive={self.drive}"]
            line += ["--gpio-active-low"] if self.gpio.active_low else []
        if self.record is None:
            return line
        # The rejector is started in another folder than its station (edge/child_processes.py).
        return [*line, f"--record={self.record.absolute()}"]


def parse_arguments(arguments: Sequence[str]) -> tuple[int, RejectorOptions]:
    """The inherited socket and the options. Ends the process with status 2 on a wrong line."""
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
        parser.error("--gpio-chip and a line come together")
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
