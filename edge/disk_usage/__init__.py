"""The prediction of the bytes that a station writes to its disk in a day."""

from edge.disk_usage.cost import (
    bundle_update_bytes,
    journal_bytes,
    position_bytes,
    system_update_bytes,
)
from edge.disk_usage.prediction import Day, Prediction, predict

__all__ = [
    "Day",
    "Prediction",
    "bundle_update_bytes",
    "journal_bytes",
    "position_bytes",
    "predict",
    "system_update_bytes",
]
