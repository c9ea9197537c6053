"""Whether the pictures and scores of a line are still what the bundle was trained on. Pure: no
threads, no files, no clock (docs/decisions/0030-drift-and-self-test.md)."""

from edge.drift.alarm import Alarm
from edge.drift.baseline import Baseline
from edge.drift.learner import Learner
from edge.drift.measurer import Measurer
from edge.drift.reference import Reference, parse_reference
from edge.drift.streams import MEASURES, Measure
from edge.drift.watch import Budget, Watch

__all__ = [
    "MEASURES",
    "Alarm",
    "Baseline",
    "Budget",
    "Learner",
    "Measure",
    "Measurer",
    "Reference",
    "Watch",
    "parse_reference",
]
