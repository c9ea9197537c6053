"""Single test kicks by the rejector's own process."""

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


def alone(options: RejectorOptions, *, pulse_us: int) -> RejectorOptions:
    """For a rejector that kicks what it is told and nothing else: nobody is unknown, crowded or a
    stranger, and what lies on the belt at the start goes by."""
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


class TestKicks:
    """Kicks one part after it was seen. Owns no device but for the time of ``kick``: each kick is a
    rejector of its own, as its pulse and its travel are settled at its start (0.1 s)."""

    __test__ = False  # no test case, whatever pytest thinks of the name

    def __init__(
        self,
        trigger: Trigger,
        options: RejectorOptions,
        start: Callable[[RejectorOptions], RejectorClient],
    ) -> None:
        self._trigger = trigger
        self._options = options
        self._start = start

    def kick(self, delay: int, pulse_us: int, *, wait_s: float) -> Actuated:
        """Wait for the next part and kick it after the delay: nanoseconds, or counts where there is
        an encoder. Blocks for wait_s at most until the part, then until it was kicked. One that was
        missed, because the machine held the rejector up for longer than the pulse, is tried again
        on the next part. Raises DeviceError when no part comes, or none was kicked."""
        options = alone(self._options, pulse_us=pulse_us)
        if options.counts is not None:
            rules = replace(options.counts.rules, travel=delay)
            options = replace(options, counts=replace(options.counts, rules=rules))
        report = None
        for _ in range(_TRIES):
            report = self._once(options, delay, wait_s)
            if report is not None and report.action is Action.EJECTED:
                return report
        if report is None:
            raise DeviceError("the part never came to the ejector")
        raise DeviceError(f"the part was not kicked: {report.action.name.lower()}")

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
                pass  # what went by while nobody asked
            edge = self._trigger.wait(wait_s)
        except EndOfParts as error:
            raise DeviceError("no more parts come") from error
        if edge is None:
            raise DeviceError(f"no part came by within {wait_s:g} s")
        return edge.at_ns
