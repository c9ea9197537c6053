"""The threads of alarms: one evaluates the rules, and one sends messages."""

from __future__ import annotations

import logging
import shutil
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

from cryptography import x509
from sqlalchemy.exc import DBAPIError

from central.alarms.delivery import DeliveryError, make_channels
from central.alarms.evaluation import evaluate
from central.alarms.outbox import forget_done, settle, take_due
from central.alarms.rules import CentralFacts
from central.config.alarms import AlarmsConfig
from central.store.database import Database, StoreError
from central.store.tables import DAY_US
from edge.validation_messages import one_line

_log = logging.getLogger(__name__)

_SEND_S = 1.0
_KEEP_DAYS = 90
_MOST_BYTES = 1 << 20


class AlarmService:
    """Evaluates the rules, and sends messages, until ``close``.

    Synchronization: ``start`` and ``close`` are for one thread. A lost database, a silent mail
    server and a lost webhook are no errors: both threads go on and try again.
    """

    def __init__(
        self,
        database: Database,
        config: AlarmsConfig,
        *,
        disk: Path | None,
        certificates: Iterable[Path],
        expects_drills: bool = False,
        now_us: Callable[[], int],
    ) -> None:
        """Open nothing yet.

        Args:
            database: The database, with its tables.
            config: The section [alarms].
            disk: A folder on the disk whose free share is watched; None: none.
            certificates: Files of certificates of the central system.
            expects_drills: Whether a restore drill must succeed from time to time.
            now_us: The clock, in microseconds since 1970 UTC.
        """
        self._database = database
        self._config = config
        self._disk = disk
        self._certificates = tuple(certificates)
        self._expects_drills = expects_drills
        self._now_us = now_us
        self._channels = make_channels(config)
        self._stop = threading.Event()
        self._is_lost = False
        self._forget_us = 0
        self._threads = [
            threading.Thread(target=self._run_rules, name="alarm-rules", daemon=True),
            threading.Thread(target=self._run_sender, name="alarm-sender", daemon=True),
        ]

    @property
    def is_running(self) -> bool:
        """Return whether both threads run. A thread ends early only by a bug."""
        return all(each.is_alive() for each in self._threads)

    def start(self) -> None:
        """Start the threads. Returns at once."""
        for each in self._threads:
            each.start()

    def close(self) -> None:
        """End the threads. A message under way is finished: at most 40 s."""
        self._stop.set()
        for each in self._threads:
            if each.ident is not None:
                each.join(40)

    def evaluate(self) -> None:
        """Evaluate the rules once. A lost database is logged. Blocks."""
        now_us = self._now_us()
        facts = CentralFacts(
            _free_share(self._disk), _ends(self._certificates), self._expects_drills
        )
        try:
            notices = evaluate(self._database, facts, self._channels, now_us)
        except (DBAPIError, StoreError) as error:
            self._lose(error)
            return
        self._is_lost = False
        for notice, count in notices.items():
            _log.info("alarms_changed notice=%s count=%s", notice, count)

    def send(self) -> None:
        """Try each message that is due once. Failures are logged, and noted in the outbox."""
        now_us = self._now_us()
        try:
            if now_us >= self._forget_us:
                self._forget_us = now_us + DAY_US // 24
                forget_done(self._database, now_us - _KEEP_DAYS * DAY_US)
            for message in take_due(self._database, now_us):
                fault = ""
                deliver = self._channels.get(message.channel)
                try:
                    if deliver is None:
                        raise DeliveryError(f"{message.channel}: is not configured any more")
                    deliver(message, self._now_us())
                except DeliveryError as error:
                    fault = one_line(error)
                    _log.warning("alarm_not_sent key=%s reason=%s", message.key, fault)
                settle(self._database, message, fault, self._now_us())
        except (DBAPIError, StoreError) as error:
            self._lose(error)

    def _run_rules(self) -> None:
        while not self._stop.is_set():
            self.evaluate()
            self._stop.wait(self._config.interval_s)

    def _run_sender(self) -> None:
        while not self._stop.is_set():
            self.send()
            self._stop.wait(_SEND_S)

    def _lose(self, error: Exception) -> None:
        if not self._is_lost:
            self._is_lost = True
            reason = one_line(getattr(error, "orig", None) or error)
            _log.error("alarms_without_database reason=%s", reason)


def _free_share(folder: Path | None) -> float | None:
    if folder is None:
        return None
    try:
        usage = shutil.disk_usage(folder)
    except OSError:
        return None
    return usage.free / usage.total if usage.total else None


def _ends(paths: Iterable[Path]) -> dict[str, int]:
    """Return the end of validity of certificates, in microseconds since 1970, by file name.

    A file that cannot be read now is left out: a certificate is perhaps being replaced.
    """
    found = {}
    for path in paths:
        try:
            with path.open("rb") as file:
                certificate = x509.load_pem_x509_certificate(file.read(_MOST_BYTES))
        except (OSError, ValueError) as error:
            _log.warning("certificate_not_read file=%s reason=%s", path.name, one_line(error))
            continue
        found[path.name] = round(certificate.not_valid_after_utc.timestamp() * 1e6)
    return found
