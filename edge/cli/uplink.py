"""``outfeed uplink``: the publication of the journal, as a separate process."""

from __future__ import annotations

from edge.cli.options import ConfigOption


def uplink(config: ConfigOption) -> None:
    """Publish the journal of a station to the MQTT broker until it is stopped.

    It runs next to **outfeed run** where the configuration has `uplink.start = false`, for instance
    as a service. It continues after every fault of network and broker. SIGTERM or Ctrl-C ends it.
    Under systemd it reports when it is ready, and sends `WATCHDOG=1` while its loop iterates.
    """
    import faulthandler
    import os
    import threading

    from edge.config.station import load_config
    from edge.privileges import act_as_owner
    from edge.process_exit import stop_signals
    from edge.uplink.publisher import run_uplink
    from edge.watchdog import find_notifier

    faulthandler.enable(2)  # if systemd's watchdog ends it, the log shows its stack
    notifier = find_notifier(os.environ)
    station = load_config(config)
    act_as_owner(station.paths.uplink)
    stop = threading.Event()
    with stop_signals(stop.set):
        run_uplink(station, stop, notifier)
