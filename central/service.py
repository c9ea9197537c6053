"""The service: a database, a collector and pages as one process, from start to end."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from types import MappingProxyType

from central.alarms.service import AlarmService
from central.backup.copies import BackupService
from central.backup.service import DrillService
from central.bundles.service import make_folder
from central.collector.collector import Collector
from central.config.central import CentralConfig
from central.pictures.archive import PictureArchive
from central.pictures.bucket import PictureBucket
from central.store.database import Database
from central.store.schema import check_schema, migrate
from central.web.app import make_app
from central.web.server import WebServer
from edge.clock import MonotonicClock
from edge.errors import ConfigError, CrashedError
from edge.sim.broker import EmbeddedBroker
from edge.watchdog import Notifier, Watchdog, WatchedStage

_log = logging.getLogger(__name__)

# Longer than one attempt to connect, and than a commit on a slow disk.
_NETWORK_NS = 60_000_000_000
_DATABASE_NS = 120_000_000_000
_CHECK_S = 0.25


@dataclass(frozen=True, slots=True)
class ServiceParts:
    """The parts of the central system that one process runs."""

    collects: bool = True
    serves: bool = True


class CentralService:
    """The running parts, and the check of their heartbeats. For the main thread."""

    def __init__(
        self,
        collector: Collector | None,
        web: WebServer | None,
        watchdog: Watchdog,
        others: Mapping[str, AlarmService | BackupService | DrillService] = MappingProxyType({}),
    ) -> None:
        """others: further parts, by name."""
        self.collector = collector
        self.web = web
        self._watchdog = watchdog
        self.parts = others

    def run(self, stop: threading.Event) -> None:
        """Check the threads until ``stop`` is set. Blocks.

        Raises StalledError where a thread hangs, and CrashedError where one has ended.
        """
        while not stop.wait(_CHECK_S):
            for name, part in (
                ("collector", self.collector),
                ("web", self.web),
                *self.parts.items(),
            ):
                if part is not None and not part.is_running:
                    raise CrashedError(f"{name}: a thread has ended")
            self._watchdog.check(self._status())

    def _status(self) -> str:
        if self.collector is None:
            return "serving pages"
        counts = self.collector.counts
        link = "connected" if self.collector.connection.is_subscribed else "not connected"
        return f"{link}, {counts['stored']} events stored, {counts['refused']} messages refused"


@contextmanager
def start_service(
    config: CentralConfig, parts: ServiceParts, notifier: Notifier
) -> Iterator[CentralService]:
    """Start the parts and end them in order.

    A broker of kind embedded is started too. Tables are created or brought up to date where events
    are collected. Raises OutfeedError with one line if the database, broker or port cannot be used.
    """
    clock = MonotonicClock()
    network = WatchedStage("network", limit_ns=_NETWORK_NS, clock=clock)
    storage = WatchedStage("database", limit_ns=_DATABASE_NS, clock=clock)
    with ExitStack() as stack:
        database = Database(config.database)
        stack.callback(database.close)
        if parts.collects:
            migrate(database)
        else:
            check_schema(database)
        web = None
        if parts.serves:
            web = WebServer(
                make_app(
                    database,
                    web=config.web,
                    openid=config.openid,
                    pictures=_pictures_of(config),
                    bundles=make_folder(config.bundles),
                ),
                host=config.web.listen,
                port=config.web.port,
                certificate=config.web.tls_cert,
                key=config.web.tls_key,
            )
            stack.callback(web.close)
        collector = None
        if parts.collects:
            if config.broker.kind == "embedded":
                stack.enter_context(EmbeddedBroker(config.broker.port))
            collector = Collector(
                database,
                config.broker.connection(),
                config.collector,
                config.retention,
                on_network=network.beat,
                on_database=storage.beat,
            )
            stack.callback(collector.close)
            collector.start()
        others = _start_others(config, database, stack) if parts.collects else {}
        if web is not None:
            web.start()
            _log.info("central_serves address=%s", web.address)
        stages = (network, storage) if parts.collects else ()
        watchdog = Watchdog(notifier, stages, clock=clock)
        notifier.ready("started")
        yield CentralService(collector, web, watchdog, others)
        notifier.stopping("stopping")


def _start_others(
    config: CentralConfig, database: Database, stack: ExitStack
) -> dict[str, AlarmService | BackupService | DrillService]:
    """Start the alarms, and backups with their drills where they have a folder."""
    broker = config.broker
    others: dict[str, AlarmService | BackupService | DrillService] = {
        "alarms": AlarmService(
            database,
            config.alarms,
            disk=None if database.is_postgresql else config.database.path.absolute().parent,
            certificates=[each for each in (broker.tls_cert, broker.tls_ca) if each is not None],
            expects_drills=config.backup.expects_drills,
            now_us=_now_us,
        )
    }
    if config.backup.folder is not None:
        others["backup"] = BackupService(config.database.path, config.backup, _now_us)
        if config.backup.drill_hours:
            others["drill"] = DrillService(database, config.backup, _now_us)
    for each in others.values():
        stack.callback(each.close)
        each.start()
    return others


def _pictures_of(config: CentralConfig) -> PictureArchive | None:
    """Return the received pictures; None where there is no folder. Raises ConfigError."""
    if config.pictures.path is None:
        return None
    bucket = None if config.bucket is None else PictureBucket(config.bucket)
    return PictureArchive(config.pictures.path, bucket)


def _now_us() -> int:
    return time.time_ns() // 1000


def check_external(config: CentralConfig, command: str) -> None:
    """Check that a collector of its own has a broker to connect to. Raises ConfigError."""
    if config.broker.kind == "embedded":
        raise ConfigError(f'broker.kind: `{command}` needs "external"; it starts no broker')
