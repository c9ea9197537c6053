"""The messages between a station and its process for updates, over a pair of Unix sockets.

Neither side waits for the other. What a full socket does not take is dropped, and counted by the
sender where that matters. The memory of frames is a memfd, which travels with ``Memory``.
"""

from __future__ import annotations

import array
import os
import socket
from contextlib import suppress
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from edge.errors import OutfeedError
from edge.records import Decision
from edge.update_notes import TrialFigures
from edge.updates.desired import ProbationLimits

SLOTS = 4
"""Frames that wait for the shadow at one time."""

CHANNEL_VARIABLE = "OUTFEED_TRIAL_CHANNEL"
"""The environment variable with the descriptor of the process's end."""

_MAX_BYTES = 32 << 10


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TrialHello(_Message):
    """From the station: the first message. token: drawn at its start. running: id of the bundle
    that decides. probation: sha256 of the bundle on probation; empty: there is none."""

    kind: Literal["hello"] = "hello"
    token: str
    running: str
    probation: str = ""


class Memory(_Message):
    """From the station, with a descriptor: the memory of frames, SLOTS of slot_bytes each."""

    kind: Literal["memory"] = "memory"
    slot_bytes: int


class Offered(_Message):
    """From the station: a frame in the memory, and the verdict of the running bundle on it."""

    kind: Literal["offered"] = "offered"
    slot: Annotated[int, Field(ge=0, lt=SLOTS)]
    part_id: int
    shape: tuple[int, ...]
    decision: Decision
    defect: str = ""


class Switched(_Message):
    """From the station: the bundle with this file decides now."""

    kind: Literal["switched"] = "switched"
    sha256: str
    running: str


class NotSwitched(_Message):
    """From the station: the bundle could not be loaded."""

    kind: Literal["not-switched"] = "not-switched"
    sha256: str
    reason: str


class ProbationFigures(_Message):
    """From the station: the figures of the probation, and whether it has enough parts."""

    kind: Literal["figures"] = "figures"
    sha256: str
    figures: TrialFigures
    is_complete: bool


class Reverted(_Message):
    """From the station: the former bundle decides again."""

    kind: Literal["reverted"] = "reverted"
    sha256: str
    running: str
    reason: str
    figures: TrialFigures


class Accepted(_Message):
    """From the station: the bundle that was on probation decides for good, until the next start."""

    kind: Literal["accepted"] = "accepted"
    sha256: str
    running: str


class Shadow(_Message):
    """To the station: begin or end to offer frames."""

    kind: Literal["shadow"] = "shadow"
    is_on: bool


class Free(_Message):
    """To the station: the slot may be used again."""

    kind: Literal["free"] = "free"
    slot: Annotated[int, Field(ge=0, lt=SLOTS)]


class Switch(_Message):
    """To the station: load a bundle, let it decide at an idle moment, and watch it."""

    kind: Literal["switch"] = "switch"
    sha256: str
    allow_downgrade: bool
    limits: ProbationLimits
    shadow: TrialFigures
    figures: TrialFigures


class Revert(_Message):
    """To the station: let the former bundle decide again."""

    kind: Literal["revert"] = "revert"
    reason: str


class Accept(_Message):
    """To the station: the bundle on probation is accepted; the former one is not needed."""

    kind: Literal["accept"] = "accept"
    sha256: str


StationMessage = (
    TrialHello | Memory | Offered | Switched | NotSwitched | ProbationFigures | Reverted | Accepted
)
TrialMessage = Shadow | Free | Switch | Revert | Accept
_ANY: TypeAdapter[StationMessage | TrialMessage] = TypeAdapter(
    Annotated[StationMessage | TrialMessage, Field(discriminator="kind")]
)


class ChannelClosedError(OutfeedError):
    """The other side has ended."""


class Channel:
    """One end of the connection. For one thread."""

    def __init__(self, end: socket.socket) -> None:
        """end: of ``socket_pair``; it is closed with the channel."""
        end.setblocking(False)
        self._end = end

    def fileno(self) -> int:
        """Return the descriptor, to wait for messages."""
        return self._end.fileno()

    def send(self, message: StationMessage | TrialMessage, descriptor: int | None = None) -> bool:
        """Send a message. Return False if the socket is full. Raises ChannelClosedError."""
        data = message.model_dump_json().encode()
        try:
            if descriptor is None:
                self._end.send(data)
            else:
                socket.send_fds(self._end, [data], [descriptor])
        except BlockingIOError:
            return False
        except OSError as error:
            raise ChannelClosedError("the other side has ended") from error
        return True

    def receive(self) -> tuple[StationMessage | TrialMessage, int | None] | None:
        """Return the next message and its descriptor; None: there is none now.

        Raises ChannelClosedError, also for a message that cannot be read.
        """
        size = array.array("i").itemsize
        try:
            data, ancillary, flags, _ = self._end.recvmsg(
                _MAX_BYTES, socket.CMSG_LEN(size), socket.MSG_CMSG_CLOEXEC
            )
        except BlockingIOError:
            return None
        except OSError as error:
            raise ChannelClosedError("the other side has ended") from error
        descriptors = array.array("i")
        for level, kind, content in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                descriptors.frombytes(content[: len(content) - len(content) % size])
        if not data:
            _close_all(descriptors)
            raise ChannelClosedError("the other side has ended")
        try:
            if flags & socket.MSG_TRUNC:
                raise ChannelClosedError("a message is too long")
            message = _ANY.validate_json(data)
        except ValidationError as error:
            _close_all(descriptors)
            raise ChannelClosedError("a message cannot be read") from error
        return message, descriptors[0] if descriptors else None

    def close(self) -> None:
        """Close this end."""
        self._end.close()


def socket_pair() -> tuple[socket.socket, socket.socket]:
    """Return both ends of a new connection."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def _close_all(descriptors: array.array[int]) -> None:
    for each in descriptors:
        with suppress(OSError):
            os.close(each)
