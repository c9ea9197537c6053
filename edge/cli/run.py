"""``outfeed run``: the station process."""

from __future__ import annotations

from edge.cli.options import ConfigOption


def run(config: ConfigOption) -> None:
    """Run the station: inspect each part, eject defective ones, and journal and publish events.

    The bundle must reproduce its golden frames first. The uplink runs as a child process unless
    `uplink.start = false`, one for signed commands where `commands.accept` lists any, and one for
    new bundles where there is an `updates.server`. A child that crashes is started again, without
    an effect on inspection.
    SIGTERM or Ctrl-C ends the run in order: the parts in progress get their verdict and pass the
    ejector. At the end a summary is printed.

    Under systemd the station reports when it is ready, and sends `WATCHDOG=1` only while every
    stage has a recent heartbeat. If a stage hangs, the process ends with status 1, and the rejector
    takes the safe state.
    """
    import faulthandler
    import os
    from contextlib import closing

    from rich.console import Console

    from edge.assembly.station import (
        load_bundle,
        make_camera,
        make_children,
        make_rejector,
        make_station,
        make_trial,
        make_trigger,
    )
    from edge.cli.run_summary import summary_tables
    from edge.clock import MonotonicClock
    from edge.commission.gate import check_commission, warn_undriven
    from edge.errors import MustEndError
    from edge.privileges import open_config
    from edge.process_exit import end_now, stop_signals
    from edge.watchdog import find_notifier

    # If systemd's watchdog ends the process with SIGABRT, the log shows the stack of every thread.
    faulthandler.enable(2)
    notifier = find_notifier(os.environ)
    settings = open_config(config)
    clock = MonotonicClock()
    notifier.send_status(f"proving {settings.bundle.name} on its golden frames")
    with closing(load_bundle(settings, now_ns=clock.now_ns)) as loaded:
        check_commission(settings, loaded.bundle)
        trigger = make_trigger(settings, clock=clock)
        trial = make_trial(settings, clock=clock)
        station = make_station(
            settings,
            loaded=loaded,
            camera=make_camera(settings.camera, clock=clock),
            trigger=trigger,
            rejector=make_rejector(settings, clock=clock, trigger=trigger),
            clock=clock,
            notifier=notifier,
            trial=trial,
        )
        children = make_children(config, settings, trial)
        # Last, so that an error of the configuration is the only line.
        warn_undriven(settings, loaded.bundle)
        with stop_signals(station.stop):
            try:
                for child in children:
                    child.start()
                summary = station.run()
            except MustEndError as error:
                end_now(error)  # the normal exit may wait for a thread that hangs
            finally:
                for child in children:
                    child.close()
    console = Console(highlight=False)
    for table in summary_tables(summary):
        console.print(table)
