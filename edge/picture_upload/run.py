"""The loop of `outfeed upload`: new pictures, the newest first, within the daily limit."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from edge.clock import utc_now
from edge.commands.spool import Report, ReportFile, read_orders
from edge.config.station import StationConfig
from edge.errors import OutfeedError, PictureError, UsageError
from edge.files import read_regular_file
from edge.journal.lock import FileLock
from edge.picture_upload.budget import DailyBudget
from edge.picture_upload.client import SentPicture, UploadClient, UploadError
from edge.picture_upload.protocol import MAX_PICTURE_BYTES
from edge.pictures.file_name import PictureName, list_pictures
from edge.pictures.keep_rules import KeepReason
from edge.uplink.backoff import Backoff
from edge.uplink.tls import CredentialsError
from edge.watchdog import SILENT, Notifier

log = logging.getLogger(__name__)

# Time between two listings of the folder. A listing of 5,000 pictures takes 10 ms.
_LOOK_S = 2.0

# Pause while the daily limit is used up.
_LIMIT_S = 60.0

_FIRST_PAUSE_S = 1.0

_OF_REJECTED = (KeepReason.REJECT, KeepReason.UNKNOWN, KeepReason.MARK)


@dataclass(slots=True)
class UploadCounts:
    """Pictures since the start, by result. failed: attempts that ended with an error."""

    sent: int = 0
    known: int = 0
    refused: int = 0
    failed: int = 0
    bytes: int = 0


class PictureUpload:
    """Sends the stored pictures of a station. All methods run on one thread.

    It remembers in memory which pictures are done. After a restart it asks the receiver, which
    answers for known and for removed pictures.
    """

    def __init__(
        self,
        config: StationConfig,
        notifier: Notifier = SILENT,
        today: Callable[[], str] = lambda: utc_now()[:10],
    ) -> None:
        """today: the day of the limit, ``YYYY-MM-DD``. Raises UsageError without upload.url."""
        if config.upload.url is None:
            raise UsageError("upload.url is missing in station.toml: there is nowhere to send to")
        if config.uplink.tls_ca is None or config.uplink.tls_cert is None:
            raise UsageError("the upload needs uplink.tls_ca, tls_cert and tls_key")
        self.counts = UploadCounts()
        self._settings = config.upload
        self._folder = config.paths.pictures
        self._notifier = notifier
        self._today = today
        self._done: set[str] = set()
        self._arrived: set[str] = set()  # those of _done that the receiver has or had
        self._stop = threading.Event()
        self._budget = DailyBudget(config.paths.upload, config.upload.max_bytes_per_day)
        self._orders_path = config.paths.orders
        self._reports = ReportFile(config.paths.upload_reports)
        self._client = UploadClient(config.id, config.upload, config.uplink, self._pace)
        self._last_warning = ""

    def run(self, stop: threading.Event) -> None:
        """Send until ``stop`` is set. Continues after every fault of network and receiver."""
        self._stop = stop
        backoff = Backoff(self._settings.retry_max_s)
        pause_s = 0.0
        while not self._wait(pause_s):
            try:
                pause_s = self.step()
                backoff.reset()
                self._last_warning = ""
            except (UploadError, CredentialsError, PictureError) as error:
                self.counts.failed += 1
                self._client.close()
                self._warn(str(error))
                pause_s = max(_FIRST_PAUSE_S, backoff.next_s())
                pause_s = min(pause_s, self._settings.retry_max_s)
        self.close()

    def close(self) -> None:
        """Close the connection, and save what was sent today."""
        self._client.close()
        self._budget.save()

    def step(self) -> float:
        """Send what is new, once. Return the seconds until the next step.

        Pictures that a command asks for go first. Blocks. Raises UploadError, CredentialsError, and
        PictureError for an unreadable folder.
        """
        every = list_pictures(self._folder)
        if not self._send_ordered(every):
            return _LIMIT_S
        names = [name for name in every if self._is_wanted(name)]
        stored = {str(name) for name in every}
        self._done &= stored
        self._arrived &= stored
        for name in reversed(names):
            if self._stop.is_set():
                return 0.0
            if str(name) in self._done:
                continue
            if not self._send(name):
                return _LIMIT_S
        return _LOOK_S

    def _send_ordered(self, names: list[PictureName]) -> bool:
        """Send the pictures that accepted commands ask for, and report each.

        Return False where the daily limit has no space.
        """
        orders = read_orders(self._orders_path)
        for order in () if orders is None else orders.orders:
            if order.kind != "picture" or self._reports.has(order) or self._stop.is_set():
                continue
            found = [
                each
                for each in names
                if each.part_id == order.first and each.journal == order.journal[:8]
            ]
            for name in found:
                if str(name) not in self._done and not self._send(name):
                    return False
            arrived = sum(str(name) in self._arrived for name in found)
            text = f"{arrived} pictures of part {order.first} are at the receiver"
            if not arrived:
                text = f"no picture of part {order.first} is stored"
            if found and not arrived:
                text = f"the picture of part {order.first} could not be sent, or was refused"
            assert orders is not None
            self._reports.add(Report(id=order.id, is_done=arrived > 0, text=text), orders)
        return True

    def _is_wanted(self, name: PictureName) -> bool:
        return self._settings.pictures == "all" or name.reason in _OF_REJECTED

    def _send(self, name: PictureName) -> bool:
        """Send one picture. Return False where the daily limit has no space for it."""
        try:
            data = read_regular_file(self._folder / str(name), MAX_PICTURE_BYTES + 1)
        except FileNotFoundError:
            return True  # the station has removed it meanwhile
        except OSError as error:
            log.warning("upload_cannot_read picture=%s reason=%s", name, error)
            self._done.add(str(name))
            return True
        if len(data) > self._budget.left_bytes(self._today()):
            if len(data) <= self._settings.max_bytes_per_day:
                return False
            log.warning("upload_above_daily_limit picture=%s bytes=%s", name, len(data))
            self._done.add(str(name))
            return True
        result = self._client.send(str(name), data)
        self._done.add(str(name))
        if result in (SentPicture.SENT, SentPicture.KNOWN):
            self._arrived.add(str(name))
        if result is SentPicture.SENT:
            self.counts.sent += 1
        elif result is SentPicture.KNOWN:
            self.counts.known += 1
        else:
            self.counts.refused += 1
            log.warning("upload_refused picture=%s", name)
        self._notifier.heartbeat(f"sent {self.counts.sent} pictures")
        return True

    def _pace(self, sent_bytes: int) -> None:
        """Count what was sent, and wait so that the mean rate stays below the limit."""
        self.counts.bytes += sent_bytes
        self._budget.spend(self._today(), sent_bytes)
        self._wait(sent_bytes / self._settings.max_bytes_per_s)

    def _wait(self, seconds: float) -> bool:
        """Wait, with heartbeats. Return True if the process is to stop."""
        until_s = time.monotonic() + seconds
        while not self._stop.is_set():
            left_s = until_s - time.monotonic()
            if left_s <= 0:
                return False
            self._notifier.heartbeat(f"sent {self.counts.sent} pictures")
            self._stop.wait(min(left_s, self._notifier.interval_s))
        return True

    def _warn(self, reason: str) -> None:
        level = logging.DEBUG if reason == self._last_warning else logging.WARNING
        log.log(level, "upload_failed reason=%s", reason)
        self._last_warning = reason


def run_upload(config: StationConfig, stop: threading.Event, notifier: Notifier = SILENT) -> None:
    """Send the stored pictures of a station until ``stop`` is set. Blocks.

    Raises UsageError for a configuration without an address or certificate, and OutfeedError while
    another upload of this station runs.
    """
    upload = PictureUpload(config, notifier)
    config.paths.uplink.mkdir(parents=True, exist_ok=True)
    lock = FileLock(
        config.paths.upload.with_suffix(".lock"), held="another upload runs for this station"
    )
    try:
        notifier.ready("no picture yet")
        upload.run(stop)
        notifier.stopping("")
    except OSError as error:
        raise OutfeedError(f"upload: {error}") from error
    finally:
        lock.release()
