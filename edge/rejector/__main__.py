"""The process that owns the reject output: ``python -m edge.rejector``, started by the station."""

from __future__ import annotations

import logging
import signal
import socket
import sys

from edge.clock import Clock, MonotonicClock
from edge.devices.output import Output
from edge.devices.output_gpio import GpioOutput
from edge.devices.output_simulated import SimulatedOutput
from edge.errors import OutfeedError
from edge.line.queue import RejectQueue
from edge.line.tracker import BeltTracker
from edge.rejector.guard import GuardProcess
from edge.rejector.hardware import open_encoder, open_eye
from edge.rejector.lease import Lease
from edge.rejector.loop import EXIT_FAILED, RejectorLoop
from edge.rejector.options import RejectorOptions, parse_arguments
from edge.rejector.pulsing import PulsingOutput
from edge.rejector.realtime import claim_realtime
from edge.terminals import LogFormatter, tolerate


def make_tracker(options: RejectorOptions, *, began_ns: int) -> BeltTracker:
    """Return the tracker for these options. began_ns: the time from which the eye is read."""
    counts, eye = options.counts, options.ejector_eye
    queue = RejectQueue(
        pulse_ns=options.pulse_us * 1000,
        eject_unknown=options.on_unknown == "reject",
        capacity=options.capacity,
        spacing=options.spacing,
        by_counts=counts is not None,
        confirm=eye is not None,
        eject_absent=eye is None or eye.on_absent == "eject",
    )
    return BeltTracker(
        queue,
        counts=None if counts is None else counts.rules,
        eye=None if eye is None else eye.rules,
        began_ns=began_ns,
    )


def main() -> int:
    """Serve the station on the inherited socket. See RejectorLoop for the exit status."""
    # A Ctrl-C or a stop of the whole service reaches this process too. The station decides when
    # this process ends: with a Goodbye, or when it exits itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    tolerate()
    handler = logging.StreamHandler()
    handler.setFormatter(LogFormatter("%(levelname)s %(name)s %(message)s"))
    logging.basicConfig(handlers=[handler])
    fd, options = parse_arguments(sys.argv[1:])
    log = logging.getLogger(__name__)
    try:
        return _serve(fd, options)
    except OutfeedError as error:
        log.error("%s", error)
        return error.exit_status
    except Exception:
        log.exception("rejector_failed: the output is %s, its safe state", options.safe_state)
        return EXIT_FAILED


def _serve(fd: int, options: RejectorOptions) -> int:
    clock = MonotonicClock()
    safe_active = options.safe_state == "active"
    link = socket.socket(fileno=fd)
    output, lease = _output(options, clock), Lease(pulse_ns=options.pulse_us * 1000)
    priority = options.realtime_priority
    guard = GuardProcess(
        output=output,
        lease=lease,
        station=link,
        clock=clock,
        safe_active=safe_active,
        priority=priority,
    )
    pulsing = PulsingOutput(output, clock=clock, lease=lease, guard=guard)
    counts, eye = options.counts, options.ejector_eye
    try:
        rejector = RejectorLoop(
            link,
            output=pulsing,
            tracker=make_tracker(options, began_ns=clock.now_ns()),
            clock=clock,
            encoder=None if counts is None else open_encoder(counts.encoder, clock=clock),
            eye=None if eye is None else open_eye(eye.eye, clock=clock),
            max_counts_per_s=0 if counts is None else counts.max_counts_per_s,
            silence_ns=options.silence_ms * 1_000_000,
        )
    except BaseException:
        pulsing.close(safe_active)
        raise
    realtime = claim_realtime(priority and max(1, priority - 1))  # below the guard
    return rejector.run(realtime=realtime, safe_active=safe_active)


def _output(options: RejectorOptions, clock: Clock) -> Output:
    if options.gpio is not None:
        return GpioOutput(options.gpio, drive=options.drive)
    return SimulatedOutput(clock=clock, record=options.record)


if __name__ == "__main__":
    sys.exit(main())
