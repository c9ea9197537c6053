"""The process that owns the reject output: ``python -m edge.rejector``, started by the station."""

from __future__ import annotations

import logging
import signal
import socket
import sys

from edge.clock import MonotonicClock
from edge.devices.output_simulated import SimulatedOutput
from edge.errors import OutfeedError
from edge.line.queue import RejectQueue
from edge.rejector.loop import Rejector
from edge.rejector.options import parse_arguments
from edge.rejector.realtime import claim_realtime


def main() -> int:
    """Serve the station on the inherited socket; see Rejector for the exit status."""
    # A Ctrl-C or a stop of the whole service reaches this process too: the station decides when
    # it ends, by a goodbye or by its death.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    logging.basicConfig(format="%(levelname)s %(name)s %(message)s")
    fd, options = parse_arguments(sys.argv[1:])
    clock = MonotonicClock()
    try:
        output = SimulatedOutput(clock=clock, record=options.record)
        link = socket.socket(fileno=fd)
        queue = RejectQueue(
            pulse_ns=options.pulse_us * 1000,
            kick_unknown=options.on_unknown == "reject",
            capacity=options.capacity,
        )
        rejector = Rejector(
            link, output=output, queue=queue, clock=clock, silence_ns=options.silence_ms * 1_000_000
        )
        realtime = claim_realtime(options.realtime_priority)
        return rejector.run(realtime=realtime, safe_active=options.safe_state == "active")
    except OutfeedError as error:
        logging.getLogger(__name__).error("%s", error)
        return error.exit_status


if __name__ == "__main__":
    sys.exit(main())
