"""The download of a bundle: resumed, bounded, and complete only with the right hash."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable

import pytest

from edge.active_bundle import bundle_file
from edge.config.station import StationConfig
from edge.errors import OutfeedError, UsageError
from edge.updater.download import Download, DownloadError, RefusedDownloadError
from edge.updater.run import Updater, run_updater
from edge.updates.desired import DesiredBundle
from edge.updates.files import Fetch, read_progress, write_fetch
from tests.support.bundle_server import BundleServer
from tests.watchdog.manager import RecordingNotifier

Station = Callable[..., StationConfig]
DATA = bytes(range(256)) * 1200
FILE = "mine-1.2.outfeed"


def wanted(data: bytes = DATA, **changes: object) -> DesiredBundle:
    values = {
        "name": "mine",
        "version": "1.2",
        "sha256": hashlib.sha256(data).hexdigest(),
        "size_bytes": len(data),
        "file": FILE,
    }
    return DesiredBundle.model_validate({**values, **changes})


def download(config: StationConfig, bundle: DesiredBundle, **rest: float) -> Download:
    folder = config.paths.updater
    return Download(bundle, folder, config.updates, config.uplink, lambda count: True, **rest)


def test_a_file_arrives_whole(station: Station, server: BundleServer) -> None:
    server.files[FILE] = DATA
    one = download(station(), wanted())
    assert one.run()
    assert one.path.read_bytes() == DATA
    assert one.path.stat().st_mode & 0o777 == 0o640
    assert one.run()
    assert len(server.requests) == 1


@pytest.mark.parametrize("ranges", [True, False])
def test_an_interrupted_download_is_continued(
    station: Station, server: BundleServer, ranges: bool
) -> None:
    server.files[FILE], server.cut, server.ranges = DATA, 100_000, ranges
    one = download(station(), wanted())
    with pytest.raises(DownloadError, match="early"):
        one.run()
    assert one.loaded_bytes == 100_000
    server.cut = None
    assert one.run()
    assert one.path.read_bytes() == DATA
    assert server.requests == ["", "bytes=100000-"]


def test_a_damaged_part_is_noticed_by_the_hash_and_loaded_again(
    station: Station, server: BundleServer
) -> None:
    server.files[FILE] = DATA
    config = station()
    one = download(config, wanted())
    (config.paths.updater / f"{wanted().sha256}.part").write_bytes(b"\0" * 50_000)
    with pytest.raises(RefusedDownloadError, match="SHA-256"):
        one.run()
    assert one.run()
    assert one.path.read_bytes() == DATA


def test_endless_data_is_not_read(station: Station, server: BundleServer) -> None:
    server.files[FILE], server.endless = DATA, True
    one = download(station(), wanted())
    assert one.run()
    assert one.path.stat().st_size == len(DATA)
    other = download(station(), wanted(b"other" * 1000))
    with pytest.raises(RefusedDownloadError, match="SHA-256"):
        other.run()
    assert other.loaded_bytes == 0


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"status": 404}, "the server answers 404"),
        ({"status": 503}, "the server answers 503"),
        ({"status": 302}, "the server answers 302"),
        ({"files": {FILE: DATA + b"x"}}, "expected 307200"),
        ({"files": {FILE: DATA[:-1]}}, "expected 307200"),
    ],
)
def test_another_answer_is_one_line(
    station: Station, server: BundleServer, given: dict[str, object], message: str
) -> None:
    server.files[FILE] = DATA
    for name, value in given.items():
        setattr(server, name, value)
    with pytest.raises(DownloadError, match=message):
        download(station(), wanted()).run()


def test_another_range_than_the_one_asked_for_is_refused(
    station: Station, server: BundleServer
) -> None:
    server.files[FILE], server.cut, server.shift = DATA, 1000, 1
    one = download(station(), wanted())
    with pytest.raises(DownloadError):
        one.run()
    with pytest.raises(DownloadError, match="another range"):
        one.run()


def test_a_slow_server_is_left(station: Station, server: BundleServer) -> None:
    server.files[FILE], server.slow_s = DATA, 0.05
    one = download(station(min_kb_per_s=50_000.0), wanted(), slow_s=0.3)
    with pytest.raises(DownloadError, match="min_kb_per_s"):
        one.run()


def test_a_silent_server_is_left(station: Station, server: BundleServer) -> None:
    server.files[FILE], server.slow_s = DATA, 30
    with pytest.raises(DownloadError, match="timed out"):
        download(station(timeout_s=0.3), wanted()).run()


def test_the_disk_has_limits(station: Station, server: BundleServer) -> None:
    server.files[FILE] = DATA
    with pytest.raises(RefusedDownloadError, match=r"updates\.max_mb"):
        download(station(max_mb=1), wanted(size_bytes=2 << 20)).run()
    with pytest.raises(DownloadError, match=r"updates\.min_free_mb"):
        download(station(min_free_mb=9_000_000), wanted()).run()
    assert not server.requests


def test_a_server_without_the_certificate_of_the_plant_is_refused(
    station: Station, server: BundleServer
) -> None:
    server.files[FILE] = DATA
    config = station()
    ca = config.state_dir / "other.pem"
    ca.write_bytes((config.uplink.tls_cert or ca).read_bytes())
    other = config.uplink.model_copy(update={"tls_ca": ca})
    one = Download(wanted(), config.paths.updater, config.updates, other, lambda count: True)
    with pytest.raises(DownloadError, match="certificate"):
        one.run()


def test_the_updater_loads_what_the_station_asks_for(
    station: Station, server: BundleServer
) -> None:
    config = station()
    server.files[FILE] = DATA
    stop = threading.Event()
    thread = threading.Thread(target=run_updater, args=(config, stop))
    thread.start()
    try:
        write_fetch(config.paths.fetch, Fetch(taken=1, bundle=wanted()))
        path = bundle_file(config.paths.updater, wanted().sha256)
        _wait(path.exists)
        _wait(
            lambda: getattr(read_progress(config.paths.updater_report), "state", "") == "complete"
        )
        # A newer wish replaces it, and the file goes.
        write_fetch(config.paths.fetch, Fetch(taken=2))
        _wait(lambda: not path.exists())
    finally:
        stop.set()
        thread.join(10)
    assert not thread.is_alive()


def test_a_newer_wish_ends_a_slow_download(station: Station, server: BundleServer) -> None:
    config = station()
    server.files[FILE], server.files["new.outfeed"], server.slow_s = DATA, b"new" * 500, 0.05
    new = wanted(b"new" * 500, file="new.outfeed")
    stop = threading.Event()
    thread = threading.Thread(target=run_updater, args=(config, stop))
    thread.start()
    try:
        write_fetch(config.paths.fetch, Fetch(taken=1, bundle=wanted()))
        _wait(lambda: server.sent > 4096)
        write_fetch(config.paths.fetch, Fetch(taken=2, bundle=new))
        _wait(bundle_file(config.paths.updater, new.sha256).exists)
    finally:
        stop.set()
        thread.join(10)
    assert server.sent < len(DATA)


def test_a_wrong_file_on_the_server_is_refused_after_a_second_look(
    station: Station, server: BundleServer
) -> None:
    config = station()
    server.files[FILE] = b"\0" * len(DATA)
    write_fetch(config.paths.fetch, Fetch(taken=1, bundle=wanted()))
    updater = Updater(config)
    with pytest.raises(DownloadError, match="SHA-256"):
        updater.step()
    assert updater.step()
    progress = read_progress(config.paths.updater_report)
    assert progress is not None
    assert progress.state == "refused"
    assert "SHA-256" in progress.text
    assert updater.step()
    assert len(server.requests) == 2


def test_a_station_without_a_server_has_nothing_to_load(station: Station) -> None:
    with pytest.raises(UsageError, match=r"updates\.server"):
        Updater(station(server=None))


def test_a_second_updater_is_refused(station: Station) -> None:
    config = station()
    first, stop, ended = RecordingNotifier(), threading.Event(), threading.Event()
    ended.set()
    thread = threading.Thread(target=run_updater, args=(config, stop, first))
    thread.start()
    try:
        # The file of the lock is there before the lock is taken.
        _wait(lambda: first.heard)
        with pytest.raises(OutfeedError, match="another updater"):
            run_updater(config, ended)
    finally:
        stop.set()
        thread.join(10)


def _wait(condition: Callable[[], object]) -> None:
    deadline_s = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.02)
