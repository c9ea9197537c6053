"""Heartbeats from real progress: stages that say when they came round, and who looks at them."""

from edge.watchdog.notifier import SILENT, Notifier, SilentNotifier, find_notifier
from edge.watchdog.stage import Patience, Stage
from edge.watchdog.watchdog import Watchdog

__all__ = [
    "SILENT",
    "Notifier",
    "Patience",
    "SilentNotifier",
    "Stage",
    "Watchdog",
    "find_notifier",
]
