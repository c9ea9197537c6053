"""The rules: from facts about a station to the conditions that an alarm follows. Pure functions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from central.figures.cusum import CusumDesign
from central.figures.rates import exact_lower
from central.store.queries import PartCounts

Severity = Literal["warning", "critical"]
CENTRAL = 0
"""The station number of conditions of the central system itself."""

_MINUTE_US = 60_000_000
_HOUR_US = 60 * _MINUTE_US
_DAY_US = 24 * _HOUR_US
_CLEAR_SHARE = 0.8
"""A rate alarm ends below this share of its limit, so that it does not begin again at once."""


@dataclass(frozen=True, slots=True)
class RuleValue:
    """A value of the rules that people may change. unit: for the page."""

    name: str
    default: float
    least: float
    most: float
    unit: str
    text: str


VALUES: tuple[RuleValue, ...] = (
    RuleValue("reject.limit", 15, 0.01, 100, "%", "rate of rejected parts"),
    RuleValue("unknown.limit", 2, 0.01, 100, "%", "rate of UNKNOWN parts"),
    RuleValue("line.reject", 10, 0.01, 100, "%", "rate of rejected parts of a whole line"),
    RuleValue("line.unknown", 1, 0.01, 100, "%", "rate of UNKNOWN parts of a whole line"),
    RuleValue("plant.reject", 10, 0.01, 100, "%", "rate of rejected parts of a whole plant"),
    RuleValue("plant.unknown", 1, 0.01, 100, "%", "rate of UNKNOWN parts of a whole plant"),
    RuleValue("rate.minutes", 30, 5, 1440, "min", "time over which rates are counted"),
    RuleValue("rate.confidence", 99.9, 80, 99.9999, "%", "confidence of a rate above its limit"),
    RuleValue("cusum.factor", 2, 1.2, 20, "×", "increase over the frozen rate that CUSUM detects"),
    RuleValue(
        "cusum.days", 30, 1, 365, "days", "days between two false alarms of CUSUM on average"
    ),
    RuleValue("silent.minutes", 5, 1, 1440, "min", "time without a message of a station"),
    RuleValue("escape.hours", 24, 1, 720, "h", "time for which a marked escape is shown"),
    RuleValue("missed.minutes", 60, 1, 1440, "min", "time for which a part not ejected is shown"),
    RuleValue("certificate.days", 30, 1, 365, "days", "days before a certificate expires"),
    RuleValue("drill.days", 2, 0.1, 365, "days", "time without a good restore drill"),
    RuleValue("disk.free", 10, 1, 90, "%", "free share of the disk of the central system"),
    RuleValue("disk.station", 5, 0.1, 90, "%", "free share of a disk of a station"),
    RuleValue(
        "alarm.pending", 30, 0, 3600, "s", "time that a condition lasts before it is an alarm"
    ),
    RuleValue("alarm.clear", 120, 0, 86_400, "s", "time without the condition until an alarm ends"),
    RuleValue(
        "alarm.escalate",
        30,
        1,
        1440,
        "min",
        "time until an unacknowledged alarm escalates",
    ),
)
DEFAULTS: Mapping[str, float] = {each.name: each.default for each in VALUES}
RULES = (
    "reject-rate",
    "unknown-rate",
    "reject-shift",
    "not-ejected",
    "silent",
    "drift",
    "self-test",
    "escape",
    "copied",
    "certificate",
    "disk",
    "restore-drill",
    "update",
)


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition at a station. is_present: False where an alarm about it lasts and none begins."""

    rule: str
    station_id: int
    subject: str
    severity: Severity
    message: str
    is_present: bool = True

    @property
    def key(self) -> tuple[str, int, str]:
        """Return the identity of the alarm about this condition."""
        return self.rule, self.station_id, self.subject


_NO_PARTS = PartCounts()


@dataclass(frozen=True, slots=True)
class RaisedDrift:
    """A drift that a station reports as present."""

    measure: str
    stream: str
    severity: str


@dataclass(frozen=True, slots=True)
class CusumState:
    """The sum of a station and the design it belongs to."""

    design: CusumDesign
    total: int


@dataclass(frozen=True, slots=True)
class FailedUpdate:
    """The latest report about an update. state: refused or reverted. name: of what, with its
    version."""

    state: str
    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class StationFacts:
    """The facts about one station.

    heard_us: the latest message. recent: parts within ``rate.minutes``. missed: parts that were to
    be ejected and were not, within ``missed.minutes``. failed_test: the reason of the latest
    self-test, None where it was reproduced. escapes: marked parts without a review. conflicts:
    events that contradict others. certificates: end of validity by key of [uplink]. disks: free
    share by folder. update, system_update: the latest update of the bundle and of the system, where
    it failed.
    """

    station_id: int
    name: str
    state: str
    heard_us: int | None
    recent: PartCounts = _NO_PARTS
    missed: int = 0
    drifts: tuple[RaisedDrift, ...] = ()
    failed_test: str | None = None
    escapes: tuple[int, ...] = ()
    conflicts: int = 0
    cusum: CusumState | None = None
    certificates: Mapping[str, int] = field(default_factory=dict)
    disks: Mapping[str, float] = field(default_factory=dict)
    update: FailedUpdate | None = None
    system_update: FailedUpdate | None = None


@dataclass(frozen=True, slots=True)
class DrillFacts:
    """The facts about restore drills, where they are expected.

    last_good_us: the end of the last good one; before there is one, the oldest data. None: there is
    no data yet. fault: the reason of the last drill, empty unless it failed.
    """

    last_good_us: int | None = None
    fault: str = ""


@dataclass(frozen=True, slots=True)
class CentralFacts:
    """The facts about the central system. certificates: end of validity by file.

    expects_drills: whether a restore drill must succeed from time to time.
    """

    free_share: float | None = None
    certificates: Mapping[str, int] = field(default_factory=dict)
    expects_drills: bool = False


def station_conditions(
    facts: StationFacts, values: Mapping[str, float], now_us: int
) -> tuple[Condition, ...]:
    """Return the conditions of a station. values: by the names of ``VALUES``."""
    return tuple(_station(facts, values, now_us))


def central_conditions(
    facts: CentralFacts, values: Mapping[str, float], now_us: int
) -> tuple[Condition, ...]:
    """Return the conditions of the central system itself."""
    found: list[Condition] = []
    if facts.free_share is not None:
        limit = values["disk.free"] / 100
        found.extend(_disk(CENTRAL, "", "of the central system", facts.free_share, limit))
    found.extend(_certificates(CENTRAL, facts.certificates, values, now_us))
    return tuple(found)


def _certificates(
    number: int, ends: Mapping[str, int], values: Mapping[str, float], now_us: int
) -> Iterator[Condition]:
    """Yield a condition for each certificate that expires soon. ends: by name."""
    for name, end_us in sorted(ends.items()):
        days = (end_us - now_us) / _DAY_US
        if days < values["certificate.days"]:
            text = f"the certificate {name} expires in {days:.0f} days"
            if days < 0:
                text = f"the certificate {name} has expired"
            severity: Severity = "critical" if days < 3 else "warning"
            yield Condition("certificate", number, name, severity, text)


def _disk(
    number: int, subject: str, which: str, free_share: float, limit: float
) -> Iterator[Condition]:
    """Yield a condition for a disk whose free share is below the limit, or was until just now."""
    if free_share < limit / _CLEAR_SHARE:
        text = f"the disk {which} has {100 * free_share:.1f} % free"
        severity: Severity = "critical" if free_share < limit / 3 else "warning"
        yield Condition("disk", number, subject, severity, text, free_share < limit)


def drill_conditions(
    facts: DrillFacts, values: Mapping[str, float], now_us: int
) -> tuple[Condition, ...]:
    """Return the conditions of restore drills: the last one failed, and none succeeded in time."""
    found = []
    if facts.fault:
        text = f"the restore drill failed: {facts.fault}"
        found.append(Condition("restore-drill", CENTRAL, "failed", "critical", text))
    age_us = 0 if facts.last_good_us is None else now_us - facts.last_good_us
    if age_us > values["drill.days"] * _DAY_US:
        text = f"no restore drill has succeeded for {_duration(age_us)}"
        found.append(Condition("restore-drill", CENTRAL, "overdue", "critical", text))
    return tuple(found)


def _station(facts: StationFacts, values: Mapping[str, float], now_us: int) -> Iterator[Condition]:
    number, recent = facts.station_id, facts.recent
    for name, word, counted in (
        ("reject", "rejected", recent.rejected),
        ("unknown", "UNKNOWN", recent.unknown),
    ):
        limit = values[f"{name}.limit"] / 100
        rate = Rate(f"{name}-rate", number, "", word, counted, recent.inspected, limit)
        yield from rate_conditions(rate, values["rate.confidence"] / 100)
    yield from _shift(facts)
    if facts.missed:
        text = f"{facts.missed} parts had to be ejected and were not"
        yield Condition("not-ejected", number, "", "critical", text)
    silent_us = 0 if facts.heard_us is None else now_us - facts.heard_us
    if silent_us > values["silent.minutes"] * _MINUTE_US:
        text = f"no message for {_duration(silent_us)}"
        if facts.state == "offline":
            text += "; the uplink is offline"
        yield Condition("silent", number, "", "critical", text)
    for drift in facts.drifts:
        severity: Severity = "critical" if drift.severity == "severe" else "warning"
        text = f"{drift.severity} drift of {drift.measure}: {drift.stream}"
        yield Condition("drift", number, f"{drift.measure} {drift.stream}", severity, text)
    if facts.failed_test is not None:
        text = f"a self-test was not reproduced: {facts.failed_test}"
        yield Condition("self-test", number, "", "critical", text)
    for part_id in facts.escapes:
        text = f"part {part_id} passed and was marked as an escape"
        yield Condition("escape", number, str(part_id), "critical", text)
    if facts.conflicts:
        text = f"{facts.conflicts} events contradict others: was a storage card copied?"
        yield Condition("copied", number, "", "warning", text)
    for subject, failed in (("", facts.update), ("system", facts.system_update)):
        if failed is not None:
            text = f"{failed.name} was {failed.state}"
            text += f": {failed.reason}" if failed.reason else ""
            critical: Severity = "critical" if failed.state == "reverted" else "warning"
            yield Condition("update", number, subject, critical, text)
    yield from _certificates(number, facts.certificates, values, now_us)
    for folder, free_share in sorted(facts.disks.items()):
        which = f"of the folder {folder}"
        yield from _disk(number, folder, which, free_share, values["disk.station"] / 100)


@dataclass(frozen=True, slots=True)
class Rate:
    """A counted share of parts and its limit. word: for the message. limit: a share, 0 to 1."""

    rule: str
    station_id: int
    subject: str
    word: str
    counted: int
    parts: int
    limit: float


def rate_conditions(rate: Rate, confidence: float) -> Iterator[Condition]:
    """Yield the condition of a rate that is above its limit, or was until just now.

    confidence: of the one-sided bound of Clopper and Pearson (1934) that must be above the limit.
    """
    counted, parts, limit = rate.counted, rate.parts, rate.limit
    if parts < 1 or counted > parts or counted / parts < _CLEAR_SHARE * limit:
        return
    lower = exact_lower(counted, parts, confidence)
    text = (
        f"{counted} of {parts} parts are {rate.word} ({100 * counted / parts:.1f} %); the limit is "
        f"{100 * limit:g} %"
    )
    yield Condition(rate.rule, rate.station_id, rate.subject, "critical", text, lower > limit)


def _shift(facts: StationFacts) -> Iterator[Condition]:
    if facts.cusum is None:
        return
    design, total = facts.cusum.design, facts.cusum.total
    if 2 * total < design.limit:
        return
    text = (
        f"the rate of rejected parts has risen above its frozen value of "
        f"{100 * design.normal:.2f} % (CUSUM)"
    )
    yield Condition("reject-shift", facts.station_id, "", "warning", text, total >= design.limit)


def _duration(duration_us: int) -> str:
    if duration_us < 2 * _HOUR_US:
        return f"{duration_us // _MINUTE_US} minutes"
    if duration_us < 2 * _DAY_US:
        return f"{duration_us // _HOUR_US} hours"
    return f"{duration_us // _DAY_US} days"


def check_value(name: str, value: float) -> RuleValue:
    """Return the description of a value. Raises ValueError for a wrong name or number."""
    found: Sequence[RuleValue] = [each for each in VALUES if each.name == name]
    if not found:
        raise ValueError(f"there is no value '{name[:60]}'")
    if not found[0].least <= value <= found[0].most:
        raise ValueError(f"{name}: expected {found[0].least:g} to {found[0].most:g}")
    return found[0]
