"""The signed desired state of the station, from the broker to the folder of received messages."""

from __future__ import annotations

import time
from pathlib import Path

from edge.commands.spool import MessageSpool
from edge.config.station import StationConfig
from edge.updates.desired import MAX_MESSAGE_BYTES
from edge.updates.files import read_fetch
from edge.uplink.command_feed import CommandFeed

# Time between two looks at the record of the station.
_LOOK_S = 0.5


class DesiredRelay:
    """Hands received desired states to the station, unread.

    The uplink decides about none. The station checks each signature itself. All methods run on the
    thread of the publisher, and block on the disk only.
    """

    def __init__(self, config: StationConfig) -> None:
        """Open nothing yet. Without updates.server it subscribes to nothing."""
        self._is_on = config.updates.server is not None
        self._fetch: Path = config.paths.fetch
        self._spool = MessageSpool(config.paths.received_desired, MAX_MESSAGE_BYTES)
        self._taken = 0
        self._looked_s = -_LOOK_S

    def turn(self, feed: CommandFeed) -> None:
        """Store new messages, and remove those that the station has read."""
        if not self._is_on:
            return
        feed.follow()
        for payload in feed.take():
            self._spool.add(payload, self._taken)
        now_s = time.monotonic()
        if now_s - self._looked_s < _LOOK_S:
            return
        self._looked_s = now_s
        fetch = read_fetch(self._fetch)
        if fetch is not None and fetch.taken != self._taken:
            self._taken = fetch.taken
            self._spool.remove_taken(fetch.taken)
