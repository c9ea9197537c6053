"""What a station writes to its disk in a day, before it does."""

from edge.writes.cost import journal_bytes, position_bytes
from edge.writes.prediction import Day, Prediction, predict

__all__ = ["Day", "Prediction", "journal_bytes", "position_bytes", "predict"]
