"""``outfeed upload``: the upload of stored pictures, as a separate process."""

from __future__ import annotations

from edge.cli.options import ConfigOption


def upload(config: ConfigOption) -> None:
    """Send the stored pictures of a station to the central system until it is stopped.

    The section [upload] of station.toml has the address, a daily limit and a rate. The newest
    pictures are sent first. A picture that was sent in part is continued. The command continues
    after every fault of network and receiver, and nothing waits for it. SIGTERM or Ctrl-C ends it.
    Under systemd it reports when it is ready, and sends `WATCHDOG=1` while its loop iterates.
    """
    import faulthandler
    import os
    import threading

    from edge.config.station import load_config
    from edge.picture_upload.run import run_upload
    from edge.privileges import act_as_owner
    from edge.process_exit import stop_signals
    from edge.watchdog import find_notifier

    faulthandler.enable(2)  # if systemd's watchdog ends it, the log shows its stack
    notifier = find_notifier(os.environ)
    station = load_config(config)
    act_as_owner(station.paths.uplink)
    stop = threading.Event()
    with stop_signals(stop.set):
        run_upload(station, stop, notifier)
