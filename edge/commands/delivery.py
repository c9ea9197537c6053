"""The way of a mark, an answer or a change of state to the journal, each once."""

from __future__ import annotations

import time

from edge.errors import InboxError, JournalError, OutfeedError
from edge.inbox import Inbox, InboxItem, Mark, StationAnswer
from edge.journal.reader import JournalReader

# Rows of the journal in which an item of the last run of this process is looked for.
TAIL_ROWS = 8192

# Refusals of messages that no operator signed, each with an event of its own: this many at once,
# and then one for each pause. The others are counted, so that a flood does not fill the journal.
UNSIGNED_AT_ONCE = 16
UNSIGNED_PAUSE_S = 60.0

_MAX_REPORTED = 256


class JournalDelivery:
    """Brings one item after the other to the journal of the station, through its inbox.

    The station removes a file when the journal has its content. After a crash of this process, the
    journal shows whether it has the first item. For one thread. Blocks on the disk.
    """

    def __init__(self, inbox: Inbox, reader: JournalReader) -> None:
        self._inbox = inbox
        self._reader = reader
        self._posted: InboxItem | None = None
        self._is_first = True  # the first item may be of an earlier process

    def deliver(self, item: InboxItem) -> bool:
        """Bring the item to the inbox. Return True when the journal has it.

        To be called with the same item until then. Raises OutfeedError.
        """
        if self._inbox.has(item):
            self._posted = item
            return False
        if self._posted != item and not (self._is_first and self._is_journalled(item)):
            try:
                self._inbox.post(item)
            except InboxError as error:
                raise OutfeedError(str(error)) from error
            self._posted, self._is_first = item, False
            return False
        self._is_first = self._posted != item
        self._posted = None
        return True

    def _is_journalled(self, item: InboxItem) -> bool:
        """Return True if an earlier process of this kind brought the item to the journal."""
        try:
            rows = self._reader.latest(TAIL_ROWS)
        except JournalError as error:
            raise OutfeedError(str(error)) from error
        traces = _traces(item)
        return any(all(trace in row.body for trace in traces) for row in rows)


class RefusalLimit:
    """Limits the events about messages that no operator signed. For one thread."""

    def __init__(self) -> None:
        self._reported: dict[str, None] = {}
        self._allowed = float(UNSIGNED_AT_ONCE)
        self._allowed_s = time.monotonic()
        self._more = 0

    def admit(self, number: str) -> int | None:
        """Return the number of refusals since the last event; None: this one gets no event.

        number: the id of the message. A message that comes again gets no further event.
        """
        now_s = time.monotonic()
        gained = (now_s - self._allowed_s) / UNSIGNED_PAUSE_S
        self._allowed = min(UNSIGNED_AT_ONCE, self._allowed + gained)
        self._allowed_s = now_s
        if number in self._reported:
            return None
        if self._allowed < 1:
            self._more += 1
            return None
        self._allowed -= 1
        self._reported[number] = None
        if len(self._reported) > _MAX_REPORTED:
            self._reported.pop(next(iter(self._reported)))
        more, self._more = self._more, 0
        return more


def _traces(item: InboxItem) -> tuple[str, ...]:
    """Return the texts of which the item's event in the journal has all."""
    if isinstance(item, Mark):
        return (f'"mark_id":"{item.id}"',)
    if isinstance(item, StationAnswer):
        return (
            f'"command_id":"{item.command_id}"',
            f'"state":"{item.state}"',
            f'"decided_utc":"{item.utc}"',
        )
    return (f'"update_id":"{item.id}"',)
