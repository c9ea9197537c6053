"""The connection of the process for updates to its station, and what the station has reported."""

from __future__ import annotations

import os
from collections import deque

from edge.updates.channel import (
    SLOTS,
    Accepted,
    Channel,
    ChannelClosedError,
    Memory,
    NotSwitched,
    Offered,
    ProbationFigures,
    Reverted,
    Switched,
    TrialHello,
    TrialMessage,
)

Report = Switched | NotSwitched | ProbationFigures | Reverted | Accepted
"""A message of the station about a switch or a probation."""


class StationLink:
    """Receives what the station reports. For one thread; nothing waits.

    hello: its first message; None: it has not arrived. running: id of the bundle that decides.
    probation: sha256 of the bundle on probation; empty: there is none. frames: descriptor of the
    shared frames; -1: none yet. is_open: False after the station has closed the connection.
    """

    def __init__(self, channel: Channel | None) -> None:
        """channel: None: there is no station, and nothing ever arrives."""
        self._channel = channel
        self.hello: TrialHello | None = None
        self.running = ""
        self.probation = ""
        self.frames = -1
        self.slot_bytes = 0
        self._offered: deque[Offered] = deque(maxlen=SLOTS)
        self._reports: deque[Report] = deque()

    @property
    def is_open(self) -> bool:
        return self._channel is not None

    def fileno(self) -> int | None:
        """Return the descriptor, to wait for messages; None after the end."""
        return None if self._channel is None else self._channel.fileno()

    def send(self, message: TrialMessage) -> bool:
        """Send a message. Return False if it was not sent."""
        if self._channel is None:
            return False
        try:
            return self._channel.send(message)
        except ChannelClosedError:
            self._end()
            return False

    def receive(self) -> None:
        """Take everything that has arrived."""
        while self._channel is not None:
            try:
                received = self._channel.receive()
            except ChannelClosedError:
                self._end()
                return
            if received is None:
                return
            message, descriptor = received
            if isinstance(message, Memory) and descriptor is not None:
                self.forget_frames()
                self.frames, self.slot_bytes = descriptor, message.slot_bytes
                continue
            if descriptor is not None:
                os.close(descriptor)
            self._take(message)

    def take_offered(self) -> list[Offered]:
        """Return the frames that were offered since the last call."""
        offered = list(self._offered)
        self._offered.clear()
        return offered

    def next_report(self) -> Report | None:
        """Return the oldest report that was not taken yet; None: there is none."""
        return self._reports.popleft() if self._reports else None

    def drop_reports(self) -> None:
        """Drop the reports that no process waits for."""
        self._reports.clear()

    def forget_frames(self) -> None:
        """Close the descriptor of the shared frames, and drop what was offered in them."""
        if self.frames >= 0:
            os.close(self.frames)
        self.frames = -1
        self._offered.clear()

    def close(self) -> None:
        """Close the connection."""
        self._end()

    def _take(self, message: object) -> None:
        if isinstance(message, TrialHello):
            self.hello = message
            self.probation = message.probation
            self.running = message.running
        elif isinstance(message, Offered):
            self._offered.append(message)
        elif isinstance(message, Report):
            if isinstance(message, Switched):
                self.probation, self.running = message.sha256, message.running
            elif isinstance(message, Reverted | Accepted):
                self.probation, self.running = "", message.running
            self._reports.append(message)

    def _end(self) -> None:
        self.forget_frames()
        if self._channel is not None:
            self._channel.close()
        self._channel = None
