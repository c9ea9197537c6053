"""The prediction of the bytes that a station writes to its disk in a day."""

from edge.disk_usage.cost import journal_bytes, position_bytes
from edge.disk_usage.prediction import Day, Prediction, predict

__all__ = ["Day", "Prediction", "journal_bytes", "position_bytes", "predict"]
