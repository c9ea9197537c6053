"""The process that sees every part: camera → inspector → orders to the rejector, journal."""

from edge.station.collaborators import PartInspector, RejectorPort
from edge.station.station import Station
from edge.station.summary import Summary

__all__ = ["PartInspector", "RejectorPort", "Station", "Summary"]
