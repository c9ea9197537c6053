"""Drift: changes of the pictures and scores of a line since its baseline was learned.

The package is pure: no threads, no files, no clock. See docs/decisions/0030-drift-and-self-test.md.
"""

from edge.drift.alarm import Alarm
from edge.drift.baseline import Baseline
from edge.drift.learner import Learner
from edge.drift.measurer import Measurer
from edge.drift.reference import DriftReference, parse_reference
from edge.drift.streams import MEASURES, Measure
from edge.drift.watch import FalseAlarmRate, Watch

__all__ = [
    "MEASURES",
    "Alarm",
    "Baseline",
    "DriftReference",
    "FalseAlarmRate",
    "Learner",
    "Measure",
    "Measurer",
    "Watch",
    "parse_reference",
]
