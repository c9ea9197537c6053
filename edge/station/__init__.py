"""The main process of a station: camera → inspector → orders to the rejector, and the journal."""

from edge.station.collaborators import PartInspector, RejectorPort
from edge.station.construction import (
    RunHistory,
    StationDevices,
    StationListeners,
    StationServices,
    StationSettings,
)
from edge.station.station import Station
from edge.station.summary import Summary

__all__ = [
    "PartInspector",
    "RejectorPort",
    "RunHistory",
    "Station",
    "StationDevices",
    "StationListeners",
    "StationServices",
    "StationSettings",
    "Summary",
]
