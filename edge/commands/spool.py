"""The files between the uplink, which receives commands, and the process that decides about them.

Each file has one writer, and each reader checks what it reads:

- ``commands/NUMBER.msg`` in the folder of the uplink: a message as it was received
- ``orders.json`` in the folder of the station: the messages that were taken, and what accepted
  commands ask of uplink and upload
- ``uplink.reports.json`` and ``upload.reports.json`` in the folder of the uplink: results of orders
"""

from __future__ import annotations

import hashlib
import logging
import re
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edge.commands.message import MAX_MESSAGE_BYTES
from edge.events.committed import MAX_SEQUENCE
from edge.files import read_regular_file, write_atomically

_log = logging.getLogger(__name__)

MAX_MESSAGES = 16
"""Messages that wait. The oldest is removed for a new one, which replaces it at the broker too."""

MAX_ORDERS = 64
"""Most orders at one time."""

_MAX_BYTES = 64 << 10
_NAME = re.compile(r"\d{10}\.msg")
_Number = Annotated[int, Field(ge=0, le=MAX_SEQUENCE)]
_Id = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]


class _Record(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Order(_Record):
    """The task that an accepted command gives to another process.

    resend: the numbers from ``first`` to ``last`` of the journal. picture: the part ``first``.
    """

    id: _Id
    kind: Literal["resend", "picture"]
    journal: Annotated[str, Field(max_length=64)]
    first: _Number
    last: _Number


class Orders(_Record):
    """The content of ``orders.json``. taken: the number of the last message that was read."""

    taken: _Number = 0
    orders: Annotated[tuple[Order, ...], Field(max_length=MAX_ORDERS)] = ()


class Report(_Record):
    """The result of an order. text: one line for a person."""

    id: _Id
    is_done: bool
    text: Annotated[str, Field(max_length=300)]


class Reports(_Record):
    """The content of a file of reports."""

    reports: Annotated[tuple[Report, ...], Field(max_length=MAX_ORDERS)] = ()


def read_orders(path: Path) -> Orders | None:
    """Return the orders; None if the file is missing or damaged."""
    try:
        return Orders.model_validate_json(read_regular_file(path, _MAX_BYTES))
    except (OSError, ValidationError):
        return None


def write_orders(path: Path, orders: Orders) -> None:
    """Replace the file, which the group may read. Blocks for an fsync. Raises OSError."""
    write_atomically(path, orders.model_dump_json(), mode=0o640)


def read_reports(path: Path) -> tuple[Report, ...]:
    """Return the reports; none if the file is missing or damaged. They come from another user."""
    try:
        return Reports.model_validate_json(read_regular_file(path, _MAX_BYTES)).reports
    except (OSError, ValidationError):
        return ()


class ReportFile:
    """Writes the reports of one process. An error of the disk is logged, and tried again."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._reports = {each.id: each for each in read_reports(path)}
        self._is_failing = False

    def has(self, order: Order) -> bool:
        """Return True if the order is reported already."""
        return order.id in self._reports

    def add(self, report: Report, orders: Orders) -> None:
        """Report a result, and forget those of orders that are gone. Blocks for an fsync."""
        open_ids = {each.id for each in orders.orders}
        kept = {number: each for number, each in self._reports.items() if number in open_ids}
        self._reports = {**kept, report.id: report}
        try:
            content = Reports(reports=tuple(self._reports.values())).model_dump_json()
            write_atomically(self._path, content, mode=0o640)
            self._is_failing = False
        except OSError as error:
            self._reports.pop(report.id)
            if not self._is_failing:
                _log.warning("report_not_written file=%s reason=%s", self._path, error.strerror)
            self._is_failing = True


class MessageSpool:
    """The uplink's side of the folder of received messages. For one thread."""

    def __init__(self, folder: Path, max_bytes: int = MAX_MESSAGE_BYTES) -> None:
        """Open nothing yet. max_bytes: the size of the longest message that is not refused."""
        self._folder = folder
        self._max_bytes = max_bytes
        self._last = 0
        self._latest = b""
        self._is_failing = False

    def add(self, payload: bytes, taken: int) -> None:
        """Store a message, unless it is the same as the last one. Blocks for an fsync.

        taken: number of the last message that the station has read. Of a message that is too long,
        max_bytes + 1 bytes are stored, so that it is refused. An error of the disk is logged. The
        broker sends the retained message again after the next connect.
        """
        digest = hashlib.sha256(payload).digest()
        if digest == self._latest:
            return
        try:
            self._folder.mkdir(mode=0o750, exist_ok=True)
            names = _names(self._folder)
            newest = _number(names[-1]) if names else 0
            self._last = max(self._last, newest, taken) + 1
            path = self._folder / f"{self._last:010d}.msg"
            write_atomically(path, payload[: self._max_bytes + 1], mode=0o640)
            for name in names[: max(0, len(names) + 1 - MAX_MESSAGES)]:
                (self._folder / name).unlink(missing_ok=True)
                _log.warning(
                    "messages_full folder=%s: the oldest of %s is removed",
                    self._folder.name,
                    len(names) + 1,
                )
        except OSError as error:
            if not self._is_failing:
                _log.warning("message_not_stored folder=%s reason=%s", self._folder.name, error)
            self._is_failing = True
            return
        self._latest, self._is_failing = digest, False

    def remove_taken(self, taken: int) -> None:
        """Remove the messages that were read."""
        with suppress(OSError):
            for name in _names(self._folder):
                if _number(name) <= taken:
                    (self._folder / name).unlink(missing_ok=True)


def read_messages(
    folder: Path, after: int, max_bytes: int = MAX_MESSAGE_BYTES
) -> list[tuple[int, bytes]]:
    """Return the messages behind number ``after``, the oldest first, each with its number.

    The folder belongs to another user. What is no regular file is left out. At most MAX_MESSAGES.
    """
    messages = []
    try:
        names = [name for name in _names(folder) if _number(name) > after][:MAX_MESSAGES]
    except OSError:
        return []
    for name in names:
        with suppress(OSError):
            messages.append((_number(name), read_regular_file(folder / name, max_bytes)))
    return messages


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if _NAME.fullmatch(path.name))


def _number(name: str) -> int:
    return int(name[:10])
