"""The rules on the rates of whole lines and plants. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from central.alarms.rules import CENTRAL, Condition, Rate, rate_conditions
from central.store.queries import PartCounts

PLACE_RULES = (
    "line-reject-rate",
    "line-unknown-rate",
    "plant-reject-rate",
    "plant-unknown-rate",
)
"""The rules whose alarms have a place as their subject."""

LEAST_STATIONS = 2
"""The rate of a place with one station is that of the station, which has rules of its own."""


@dataclass(frozen=True, slots=True)
class PlaceFacts:
    """The parts of all stations of a line (PLANT/LINE) or plant (PLANT) within ``rate.minutes``."""

    place: str
    stations: int
    recent: PartCounts

    @property
    def kind(self) -> str:
        """line or plant."""
        return "line" if "/" in self.place else "plant"


def place_of(rule: str, subject: str) -> str:
    """Return the place of an alarm; empty for one of a station or of the central system."""
    return subject if rule in PLACE_RULES else ""


def gather_places(
    places: Mapping[str, frozenset[str]], recent: Mapping[str, PartCounts]
) -> tuple[PlaceFacts, ...]:
    """Return the facts about places. places: names of stations. recent: counts by station."""
    found = []
    for place, names in sorted(places.items()):
        own = [recent[name] for name in names if name in recent]
        total = PartCounts(
            inspected=sum(each.inspected for each in own),
            passed=sum(each.passed for each in own),
            rejected=sum(each.rejected for each in own),
            unknown=sum(each.unknown for each in own),
        )
        found.append(PlaceFacts(place, len(own), total))
    return tuple(found)


def place_conditions(facts: PlaceFacts, values: Mapping[str, float]) -> tuple[Condition, ...]:
    """Return the conditions of a line or plant. values: by the names of ``VALUES``."""
    if facts.stations < LEAST_STATIONS:
        return ()
    kind, recent = facts.kind, facts.recent
    found: list[Condition] = []
    for name, word, counted in (
        ("reject", "rejected", recent.rejected),
        ("unknown", "UNKNOWN", recent.unknown),
    ):
        rate = Rate(
            f"{kind}-{name}-rate",
            CENTRAL,
            facts.place,
            word,
            counted,
            recent.inspected,
            values[f"{kind}.{name}"] / 100,
        )
        found.extend(rate_conditions(rate, values["rate.confidence"] / 100))
    return tuple(found)
