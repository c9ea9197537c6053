"""Heartbeats from real progress: stages that say when they came round, and who looks at them."""

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
