"""The loop of `outfeed updater`: it downloads the bundle that the station asks for."""

from __future__ import annotations

import logging
import threading
import time

from edge.config.station import StationConfig
from edge.errors import OutfeedError, UsageError
from edge.journal.lock import FileLock
from edge.updater.download import Download, DownloadError, RefusedDownloadError
from edge.updates.desired import DesiredBundle
from edge.updates.files import (
    Progress,
    read_fetch,
    read_progress,
    remove_others,
    write_progress,
)
from edge.uplink.backoff import Backoff
from edge.uplink.tls import CredentialsError
from edge.watchdog import SILENT, Notifier

log = logging.getLogger(__name__)

_LOOK_S = 0.5
_REPORT_S = 5.0

# A wrong hash may be a damaged download. After so many in a row it is the server's file.
_WRONG_HASHES = 2


class Updater:
    """Downloads what ``fetch.json`` of the station names. All methods run on one thread.

    It decides nothing: the station checks the file again. A newer wish ends a download.
    """

    def __init__(self, config: StationConfig, notifier: Notifier = SILENT) -> None:
        """Open nothing yet. Raises UsageError without updates.server."""
        if config.updates.server is None:
            raise UsageError("updates.server is missing in station.toml: no bundle server is known")
        self._config = config
        self._settings = config.updates
        self._paths = config.paths
        self._notifier = notifier
        self._stop = threading.Event()
        self._bundle: DesiredBundle | None = None
        self._wrong = 0
        self._reported: Progress | None = None
        self._reported_s = 0.0
        self._last_warning = ""
        self._status = "waiting for a bundle to load"

    def run(self, stop: threading.Event) -> None:
        """Work until ``stop`` is set. Continues after every fault of network, server and disk."""
        self._stop = stop
        backoff = Backoff(self._settings.retry_max_s)
        self._reported = read_progress(self._paths.updater_report)
        while not stop.is_set():
            pause_s = _LOOK_S
            try:
                if self.step():
                    backoff.reset()
                    self._last_warning = ""
            except (DownloadError, CredentialsError, OSError) as error:
                self._warn(str(error))
                self._report("loading", str(error))
                pause_s = min(max(_LOOK_S, backoff.next_s()), self._settings.retry_max_s)
            self._wait(pause_s)

    def step(self) -> bool:
        """Do what is to be done now. Return True after a download or where there is none. Blocks.

        Raises DownloadError, CredentialsError and OSError, after which it is to be called again.
        """
        wanted = self._wanted()
        if wanted != self._bundle:
            self._bundle, self._wrong = wanted, 0
        remove_others(self._paths.updater, {"updater", ""} | ({wanted.sha256} if wanted else set()))
        if wanted is None:
            self._status = "waiting for a bundle to load"
            return True
        last = self._reported
        if last is not None and last.sha256 == wanted.sha256 and last.state != "loading":
            is_there = last.state == "refused" or self._download(wanted).path.exists()
            if is_there:
                return True
        download = self._download(wanted)
        try:
            if not download.run():
                return False
        except RefusedDownloadError as error:
            self._wrong += 1
            self._warn(str(error))
            if self._wrong < _WRONG_HASHES:
                raise DownloadError(str(error)) from error
            self._report("refused", str(error))
            return True
        log.info("bundle_loaded file=%s sha256=%s", wanted.file, wanted.sha256[:12])
        self._report("complete", "")
        self._status = f"loaded {wanted.file}"
        return True

    def _download(self, wanted: DesiredBundle) -> Download:
        config = self._config
        return Download(wanted, self._paths.updater, self._settings, config.uplink, self._pace)

    def _wanted(self) -> DesiredBundle | None:
        fetch = read_fetch(self._paths.fetch)
        return None if fetch is None else fetch.bundle

    def _pace(self, count: int) -> bool:
        """Wait so that the mean rate stays below the limit. Return False for a newer wish."""
        assert self._bundle is not None
        self._status = f"loading {self._bundle.file}"
        self._report("loading", "")
        self._wait(count / (self._settings.max_kb_per_s * 1024))
        return not self._stop.is_set() and self._wanted() == self._bundle

    def _report(self, state: str, text: str) -> None:
        """Write the progress: each change of state, and every few seconds."""
        if self._bundle is None:
            return
        loaded = self._download(self._bundle).loaded_bytes
        progress = Progress.model_validate(
            {
                "sha256": self._bundle.sha256,
                "state": state,
                "loaded_bytes": loaded,
                "text": text[:300],
            }
        )
        last = self._reported
        is_same = (
            last is not None
            and (last.sha256, last.state) == (progress.sha256, progress.state)
            and (last.text == progress.text or not text)
        )
        if is_same and time.monotonic() - self._reported_s < _REPORT_S:
            return
        try:
            write_progress(self._paths.updater_report, progress)
        except OSError as error:
            self._warn(f"{self._paths.updater_report}: {error.strerror}")
            return
        self._reported, self._reported_s = progress, time.monotonic()

    def _wait(self, seconds: float) -> None:
        until_s = time.monotonic() + seconds
        while not self._stop.is_set():
            self._notifier.heartbeat(self._status)
            left_s = until_s - time.monotonic()
            if left_s <= 0:
                return
            self._stop.wait(min(left_s, self._notifier.interval_s))

    def _warn(self, reason: str) -> None:
        level = logging.DEBUG if reason == self._last_warning else logging.WARNING
        log.log(level, "download_failed reason=%s", reason)
        self._last_warning = reason


def run_updater(config: StationConfig, stop: threading.Event, notifier: Notifier = SILENT) -> None:
    """Download bundles until ``stop`` is set. Blocks.

    Raises UsageError without updates.server, and OutfeedError while another updater of this station
    runs.
    """
    updater = Updater(config, notifier)
    try:
        config.paths.updater.mkdir(mode=0o750, parents=True, exist_ok=True)
        lock = FileLock(
            config.paths.updater / ".updater.lock", held="another updater runs for this station"
        )
    except OSError as error:
        raise OutfeedError(f"updates.state_dir: {config.paths.updater}: {error}") from error
    try:
        notifier.ready("waiting for a bundle to load")
        updater.run(stop)
        notifier.stopping("")
    finally:
        lock.release()
