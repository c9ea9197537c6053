"""``outfeed uplink``: the journal to the broker, as a process of its own."""

from __future__ import annotations

from edge.cli.options import ConfigOption


def uplink(config: ConfigOption) -> None:
    """Carry a station's journal to the MQTT broker until stopped.

    Runs beside **outfeed run** when its configuration says `uplink.start = false`, for instance as
    a service of its own. Survives every fault of network and broker; SIGTERM or Ctrl-C ends it.
    Under systemd it says when it is ready, and gives heartbeats while its loop comes round.
    """
    import faulthandler
    import os
    import threading

    from edge.config.station import load_config
    from edge.privileges import act_as_owner
    from edge.process_exit import stop_signals
    from edge.uplink.publisher import run_uplink
    from edge.watchdog import find_notifier

    faulthandler.enable(2)  # where systemd's watchdog ends it, the log shows where it was
    notifier = find_notifier(os.environ)
    station = load_config(config)
    act_as_owner(station.paths.uplink)
    stop = threading.Event()
    with stop_signals(stop.set):
        run_uplink(station, stop, notifier)
