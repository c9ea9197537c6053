"""The watchdog: heartbeats of stages, their check, and the report to the service manager."""

from edge.watchdog.notifier import SILENT, Notifier, SilentNotifier, find_notifier
from edge.watchdog.stage import StageLimits, WatchedStage
from edge.watchdog.watchdog import Watchdog

__all__ = [
    "SILENT",
    "Notifier",
    "SilentNotifier",
    "StageLimits",
    "Watchdog",
    "WatchedStage",
    "find_notifier",
]
