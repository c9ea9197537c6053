"""The protocol between station and rejector: one fixed little-endian struct in each packet.

SOCK_SEQPACKET keeps packets whole and in order, so there is no framing. The first byte is the
kind. docs/decisions/0006-rejector-protocol.md has the table and the reasons.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass
from struct import Struct, error

from edge.line.outcome import Action, Cause, Counters

VERSION = 3
MAX_BYTES = 256

_HELLO, _ANNOUNCE, _RESOLVE, _GOODBYE, _PING = 1, 2, 3, 4, 5
_SIGHTED, _RESTORE, _LOSE, _KNOWN, _CLEAR = 6, 7, 8, 9, 10
_READY, _ACTUATED, _COUNTERS, _PONG, _PLACED = 129, 130, 131, 132, 133
_PULSE_BEGAN, _PULSE_ENDED = 134, 135
NO_ENCODER = -1

_VERSION = Struct("<BH")
_PART = Struct("<BQqB")
_VERDICT = Struct("<BQ?")
_KIND = Struct("<B")
_VERDICTS: tuple[bool | None, ...] = (None, False, True)  # the index is the number in the packet
_STARTED = Struct("<BH??q")
_PASSED = Struct("<BQqqIBB")
_PLACE = Struct("<BQq")
_UNTIL = Struct("<Bq")
_COUNTED = Struct("<B18Q")
_BEGAN = Struct("<Bqqq")
_ENDED = Struct("<Bqqqq")


@dataclass(frozen=True, slots=True)
class Hello:
    """Station → rejector, first: the protocol version of the station."""

    version: int

    def encode(self) -> bytes:
        return _VERSION.pack(_HELLO, self.version)


@dataclass(frozen=True, slots=True)
class Announce:
    """Station → rejector: a part will be at the ejector at due_ns (CLOCK_MONOTONIC).

    eject: the verdict, if there is one already. A new rejector gets part and verdict in one packet,
    so that the part cannot become due between the two.
    """

    part_id: int
    due_ns: int
    eject: bool | None = None

    def encode(self) -> bytes:
        return _PART.pack(_ANNOUNCE, self.part_id, self.due_ns, _VERDICTS.index(self.eject))


@dataclass(frozen=True, slots=True)
class Sighted:
    """Station → rejector with an encoder: the photo-eye had an edge at seen_ns, for this part.

    eject: as in Announce.
    """

    part_id: int
    seen_ns: int
    eject: bool | None = None

    def encode(self) -> bytes:
        return _PART.pack(_SIGHTED, self.part_id, self.seen_ns, _VERDICTS.index(self.eject))


@dataclass(frozen=True, slots=True)
class Restore:
    """Station → a new rejector whose counts continue: a part with its place from an earlier one."""

    part_id: int
    place: int
    eject: bool | None = None

    def encode(self) -> bytes:
        return _PART.pack(_RESTORE, self.part_id, self.place, _VERDICTS.index(self.eject))


@dataclass(frozen=True, slots=True)
class Known:
    """Station → a new rejector whose counts continue: the place of a part with an outcome.

    The photo-eye may see it again, if the belt runs backward that far and returns.
    """

    part_id: int
    place: int

    def encode(self) -> bytes:
        return _PLACE.pack(_KNOWN, self.part_id, self.place)


@dataclass(frozen=True, slots=True)
class Lose:
    """Station → rejector with an encoder: the parts on the belt are not known."""

    def encode(self) -> bytes:
        return _KIND.pack(_LOSE)


@dataclass(frozen=True, slots=True)
class Clear:
    """Station → rejector without an encoder: the parts at the ejector until then are not known."""

    until_ns: int

    def encode(self) -> bytes:
        return _UNTIL.pack(_CLEAR, self.until_ns)


@dataclass(frozen=True, slots=True)
class Resolve:
    """Station → rejector: the verdict on a part. A part without one is unknown at its due time."""

    part_id: int
    eject: bool

    def encode(self) -> bytes:
        return _VERDICT.pack(_RESOLVE, self.part_id, self.eject)


@dataclass(frozen=True, slots=True)
class Goodbye:
    """Station → rejector, last: complete the announced parts, set the output inactive, and exit."""

    def encode(self) -> bytes:
        return _KIND.pack(_GOODBYE)


@dataclass(frozen=True, slots=True)
class Ping:
    """Station → rejector, ten times a second, from the thread that announces parts."""

    def encode(self) -> bytes:
        return _KIND.pack(_PING)


@dataclass(frozen=True, slots=True)
class Ready:
    """Rejector → station, first: it owns the output.

    realtime: it runs with SCHED_FIFO. locked: mlockall has succeeded. origin: identifies the start
    of its encoder's counts; NO_ENCODER without an encoder.
    """

    version: int
    realtime: bool
    locked: bool
    origin: int = NO_ENCODER

    def encode(self) -> bytes:
        return _STARTED.pack(_READY, self.version, self.realtime, self.locked, self.origin)


@dataclass(frozen=True, slots=True)
class Placed:
    """Rejector → station: the encoder count at which the part is at the ejector."""

    part_id: int
    place: int

    def encode(self) -> bytes:
        return _PLACE.pack(_PLACED, self.part_id, self.place)


@dataclass(frozen=True, slots=True)
class Actuated:
    """Rejector → station: a part has passed the ejector. NO_PART: the edge began no part.

    part_id: 0 for an unannounced part. due_ns: for a part tracked by counts, the moment of its
    count.

    From the rejector it reports the order: at_ns is the time of the decision, and width_us the
    rest of the part's window. From ``Outcomes`` it reports the output: at_ns is the time from which
    the output was active for this part (EJECTED), and width_us the time from then on, 0 unless
    EJECTED. All parts of one pulse have the same end.
    """

    part_id: int
    due_ns: int
    at_ns: int
    width_us: int
    action: Action
    cause: Cause

    def encode(self) -> bytes:
        return _PASSED.pack(
            _ACTUATED,
            self.part_id,
            self.due_ns,
            self.at_ns,
            self.width_us,
            self.action,
            self.cause,
        )


@dataclass(frozen=True, slots=True)
class PulseBegan:
    """Rejector → station: the output became active between earliest_ns and since_ns.

    pulse: the identity of the pulse, the same as in ``PulseEnded``.
    """

    pulse: int
    earliest_ns: int
    since_ns: int

    def encode(self) -> bytes:
        return _BEGAN.pack(_PULSE_BEGAN, self.pulse, self.earliest_ns, self.since_ns)


@dataclass(frozen=True, slots=True)
class PulseEnded:
    """Rejector or guard → station: the output is inactive by end_ns.

    Both processes may send it, so it may arrive twice. It contains the beginning too, as
    ``PulseBegan`` may not have arrived.
    """

    pulse: int
    earliest_ns: int
    since_ns: int
    end_ns: int

    def encode(self) -> bytes:
        return _ENDED.pack(_PULSE_ENDED, self.pulse, self.earliest_ns, self.since_ns, self.end_ns)


@dataclass(frozen=True, slots=True)
class Counted:
    """Rejector → station, last: the counters. unreported: reports that the socket did not take."""

    queue: Counters
    unreported: int

    def encode(self) -> bytes:
        return _COUNTED.pack(_COUNTERS, *astuple(self.queue), self.unreported)


@dataclass(frozen=True, slots=True)
class Pong:
    """Rejector → station, for each Ping: its loop runs."""

    def encode(self) -> bytes:
        return _KIND.pack(_PONG)


Order = Hello | Announce | Sighted | Restore | Known | Lose | Clear | Resolve | Goodbye | Ping
Report = Ready | Placed | Actuated | PulseBegan | PulseEnded | Counted | Pong


def decode_order(packet: bytes) -> Order:
    """Return the station's order. Raises ValueError for a packet that is not part of version 3."""
    try:
        kind = packet[0]
        if kind == _RESOLVE:
            return Resolve(*_VERDICT.unpack(packet)[1:])
        if kind == _ANNOUNCE:
            _, part_id, due_ns, verdict = _PART.unpack(packet)
            return Announce(part_id, due_ns, _VERDICTS[verdict])
        if kind == _SIGHTED:
            _, part_id, seen_ns, verdict = _PART.unpack(packet)
            return Sighted(part_id, seen_ns, _VERDICTS[verdict])
        if kind == _RESTORE:
            _, part_id, place, verdict = _PART.unpack(packet)
            return Restore(part_id, place, _VERDICTS[verdict])
        if kind == _KNOWN:
            return Known(*_PLACE.unpack(packet)[1:])
        if kind == _LOSE and len(packet) == _KIND.size:
            return Lose()
        if kind == _CLEAR:
            return Clear(*_UNTIL.unpack(packet)[1:])
        if kind == _HELLO:
            return Hello(*_VERSION.unpack(packet)[1:])
        if kind == _GOODBYE and len(packet) == _KIND.size:
            return Goodbye()
        if kind == _PING and len(packet) == _KIND.size:
            return Ping()
    except (error, IndexError) as fault:
        raise ValueError(f"order cannot be decoded: {packet.hex()}") from fault
    raise ValueError(f"order of unknown kind: {packet.hex()}")


def decode_report(packet: bytes) -> Report:
    """Return the rejector's report. Raises ValueError for a packet that is not part of version
    3."""
    try:
        kind = packet[0]
        if kind == _ACTUATED:
            _, part_id, due_ns, at_ns, width_us, action, cause = _PASSED.unpack(packet)
            return Actuated(part_id, due_ns, at_ns, width_us, Action(action), Cause(cause))
        if kind == _PLACED:
            return Placed(*_PLACE.unpack(packet)[1:])
        if kind == _PULSE_BEGAN:
            return PulseBegan(*_BEGAN.unpack(packet)[1:])
        if kind == _PULSE_ENDED:
            return PulseEnded(*_ENDED.unpack(packet)[1:])
        if kind == _READY:
            return Ready(*_STARTED.unpack(packet)[1:])
        if kind == _COUNTERS:
            *counts, unreported = _COUNTED.unpack(packet)[1:]
            return Counted(Counters(*counts), unreported)
        if kind == _PONG and len(packet) == _KIND.size:
            return Pong()
    except (error, IndexError, ValueError) as fault:
        raise ValueError(f"report cannot be decoded: {packet.hex()}") from fault
    raise ValueError(f"report of unknown kind: {packet.hex()}")
