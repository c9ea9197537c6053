"""``outfeed updater``: the download of bundles, as a separate process."""

from __future__ import annotations

from edge.cli.options import ConfigOption


def updater(config: ConfigOption) -> None:
    """Download the bundle that the station wants, until it is stopped.

    The section [updates] of station.toml has the address, a rate and the limits of disk space. An
    interrupted download is continued. The file is given to the station only with the right
    SHA-256, and the station checks it again. The command continues after every fault of network,
    server and disk. SIGTERM or Ctrl-C ends it.
    """
    import faulthandler
    import os
    import threading

    from edge.config.station import load_config
    from edge.privileges import act_as_owner
    from edge.process_exit import stop_signals
    from edge.updater.run import run_updater
    from edge.watchdog import find_notifier

    faulthandler.enable(2)  # if systemd's watchdog ends it, the log shows its stack
    notifier = find_notifier(os.environ)
    station = load_config(config)
    act_as_owner(station.paths.updater)
    stop = threading.Event()
    with stop_signals(stop.set):
        run_updater(station, stop, notifier)
