"""The messages between the connection to the broker and the writer of batches."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass

from central.store.message import BrokerMessage

_QUIET_S = 0.002


@dataclass(frozen=True, slots=True)
class ReceivedMessage:
    """A message with what its acknowledgement needs.

    connection: the number of the connection on which it arrived. message_id, qos: of that
    connection.
    """

    message: BrokerMessage
    connection: int
    message_id: int
    qos: int


class MessageInbox:
    """A queue of received messages.

    Synchronization: one thread calls ``put``, and one thread ``take``.
    """

    def __init__(self) -> None:
        self._messages: deque[ReceivedMessage] = deque()
        self._arrived = threading.Event()

    def __len__(self) -> int:
        return len(self._messages)

    def put(self, received: ReceivedMessage) -> None:
        """Add a message. Never blocks."""
        self._messages.append(received)
        self._arrived.set()

    def take(self, most: int, wait_s: float, timeout_s: float) -> list[ReceivedMessage]:
        """Return the next batch; empty if none arrives within ``timeout_s``.

        most: the largest number of messages. wait_s: the longest time for which the first message
        waits for others. The batch is returned earlier where nothing arrives for 2 ms. A broker
        sends only some messages before it needs acknowledgements, so further waiting would be in
        vain.
        """
        if not self._wait(timeout_s):
            return []
        deadline_s = time.monotonic() + wait_s
        count = 0
        while len(self._messages) < most and time.monotonic() < deadline_s:
            if len(self._messages) == count:
                break
            count = len(self._messages)
            time.sleep(_QUIET_S)
        return [self._messages.popleft() for _ in range(min(most, len(self._messages)))]

    def _wait(self, timeout_s: float) -> bool:
        self._arrived.clear()
        return bool(self._messages) or self._arrived.wait(timeout_s)
