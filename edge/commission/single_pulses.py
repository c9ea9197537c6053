"""Single test pulses, given by a rejector process as in production."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

from edge.devices.trigger import EndOfParts, Trigger
from edge.errors import DeviceError
from edge.line.outcome import Action
from edge.rejector.client import RejectorClient
from edge.rejector.messages import Actuated
from edge.rejector.options import RejectorOptions

_END_S = 5.0
_TRIES = 5


def single_pulse_options(options: RejectorOptions, *, pulse_us: int) -> RejectorOptions:
    """Return options for a rejector that ejects only the ordered parts.

    It ejects no unknown, crowded or unannounced part, and parts that are on the belt at the start
    pass.
    """
    counts = options.counts
    return replace(
        options,
        pulse_us=pulse_us,
        on_unknown="pass",
        silence_ms=0,
        spacing=0,
        ejector_eye=None,
        clear_ns=0,
        counts=None if counts is None else replace(counts, purge_at_start=False),
    )


class TestPulses:
    """Test pulses for single parts.

    Each pulse starts its own rejector (0.1 s), because pulse length and travel are fixed when a
    rejector starts. So the output is open only during ``fire``.
    """

    __test__ = False  # pytest would otherwise collect the class by its name

    def __init__(
        self,
        trigger: Trigger,
        options: RejectorOptions,
        start: Callable[[RejectorOptions], RejectorClient],
    ) -> None:
        self._trigger = trigger
        self._options = options
        self._start = start

    def fire(self, delay: int, pulse_us: int, *, wait_s: float) -> Actuated:
        """Wait for the next part and give a test pulse after the delay.

        delay: nanoseconds, or counts with an encoder. Blocks for at most wait_s until the part
        comes, then until its pulse. A pulse is missed when the machine delays the rejector for
        longer than the pulse; then the next part is tried, 5 parts in all. Raises DeviceError when
        no part comes, or when every pulse was missed.
        """
        options = single_pulse_options(self._options, pulse_us=pulse_us)
        if options.counts is not None:
            rules = replace(options.counts.rules, travel=delay)
            options = replace(options, counts=replace(options.counts, rules=rules))
        report = None
        for _ in range(_TRIES):
            report = self._once(options, delay, wait_s)
            if report is not None and report.action is Action.EJECTED:
                return report
        if report is None:
            raise DeviceError("the part did not arrive at the ejector")
        raise DeviceError(f"the part was not ejected: {report.action.name.lower()}")

    def _once(self, options: RejectorOptions, delay: int, wait_s: float) -> Actuated | None:
        reports: list[Actuated] = []
        done = threading.Event()

        def report(actuated: Actuated) -> None:
            reports.append(actuated)
            done.set()

        client = self._start(options)
        client.start(report)
        try:
            seen_ns = self._next_part(wait_s)
            if options.counts is None:
                client.announce(1, seen_ns + delay)
                wait_s += delay / 1e9
            else:
                client.sighted(1, seen_ns)
            client.resolve(1, True)
            done.wait(wait_s)
        finally:
            client.close(_END_S)
        return reports[0] if reports else None

    def _next_part(self, wait_s: float) -> int:
        try:
            while self._trigger.wait(0.0) is not None:
                pass  # discard the edges of earlier parts
            edge = self._trigger.wait(wait_s)
        except EndOfParts as error:
            raise DeviceError("the photo-eye reports no more parts") from error
        if edge is None:
            raise DeviceError(f"no part came within {wait_s:g} s")
        return edge.at_ns
