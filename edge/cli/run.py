"""``outfeed run``: the station."""

from __future__ import annotations

from edge.cli.options import ConfigOption


def run(config: ConfigOption) -> None:
    """Run the station: inspect every part, reject the bad ones, journal, publish.

    The bundle must reproduce its golden frames first. The uplink runs as a child process unless
    `uplink.start = false`; when it dies it is started again, and inspection does not notice.
    SIGTERM or Ctrl-C ends the run in order: the parts under way get their verdict and pass the
    ejector. A summary is printed at the end.

    Under systemd it says when it is ready, and gives a heartbeat only while every stage moves. One
    that hangs ends the process with status 1, and the rejector takes the output to its safe state.
    """
    import faulthandler
    import os

    from rich.console import Console

    from edge.assembly.station import (
        load_bundle,
        make_camera,
        make_rejector,
        make_station,
        make_trigger,
        make_uplink,
    )
    from edge.cli.run_summary import summary_tables
    from edge.clock import MonotonicClock
    from edge.commission.gate import check_commission, warn_undriven
    from edge.errors import MustEndError
    from edge.privileges import open_config
    from edge.process_exit import end_now, stop_signals
    from edge.watchdog import find_notifier

    # Where systemd's watchdog ends a process that does not even do this itself (SIGABRT), the log
    # shows where every thread was.
    faulthandler.enable(2)
    notifier = find_notifier(os.environ)
    settings = open_config(config)
    clock = MonotonicClock()
    notifier.send_status(f"proving {settings.bundle.name} on its golden frames")
    loaded = load_bundle(settings, now_ns=clock.now_ns)
    check_commission(settings, loaded.bundle)
    trigger = make_trigger(settings, clock=clock)
    station = make_station(
        settings,
        loaded=loaded,
        camera=make_camera(settings.camera, clock=clock),
        trigger=trigger,
        rejector=make_rejector(settings, clock=clock, trigger=trigger),
        clock=clock,
        notifier=notifier,
    )
    uplink = make_uplink(config, settings) if settings.uplink.start else None
    warn_undriven(settings, loaded.bundle)  # here: a fault of the configuration is one line alone
    with stop_signals(station.stop):
        try:
            if uplink is not None:
                uplink.start()
            summary = station.run()
        except MustEndError as error:
            # Not through the interpreter's own end, which may wait for what hangs.
            end_now(error)
        finally:
            if uplink is not None:
                uplink.close()
    console = Console(highlight=False)
    for table in summary_tables(summary):
        console.print(table)
