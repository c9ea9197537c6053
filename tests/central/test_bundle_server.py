"""The server of bundles: ranges and conditions of RFC 9110, certificates, and its limits."""

from __future__ import annotations

import hashlib
import http.client
import logging
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import closing
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest

from central.bundles.folder import BundleFolder, BundleFolderError
from central.bundles.ranges import FileAnswer, answer_for
from central.bundles.server import MAX_PER_STATION, BundleServer
from central.bundles.service import make_folder, run_bundles
from central.config.station_server import BundleFolderConfig
from edge.bundle.keys import public_of
from edge.errors import BundleError, ConfigError, OutfeedError
from edge.updates.desired import SERVER_PATH
from edge.watchdog import SILENT
from tests.provision.conftest import Plant, plant
from tests.support.brokers import wait_for
from tests.support.bundles import bundle_bytes
from tests.support.keys import KEY, OTHER_KEY, TRUST

__all__ = ["plant"]

TAG = '"abc"'
REFUSED = (ssl.SSLError, ConnectionError, http.client.HTTPException)
PARTIAL = HTTPStatus.PARTIAL_CONTENT
WHOLE = FileAnswer(HTTPStatus.OK, 0, 100)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, WHOLE),
        ({"Range": "bytes=0-"}, FileAnswer(PARTIAL, 0, 100)),
        ({"Range": "bytes=10-19"}, FileAnswer(PARTIAL, 10, 20)),
        ({"Range": "BYTES = 10 - 19"}, FileAnswer(PARTIAL, 10, 20)),
        ({"Range": "bytes=90-500"}, FileAnswer(PARTIAL, 90, 100)),
        ({"Range": "bytes=99-"}, FileAnswer(PARTIAL, 99, 100)),
        ({"Range": "bytes=-7"}, FileAnswer(PARTIAL, 93, 100)),
        ({"Range": "bytes=-700"}, FileAnswer(PARTIAL, 0, 100)),
        ({"Range": "bytes=100-"}, FileAnswer(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)),
        ({"Range": "bytes=-0"}, FileAnswer(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)),
        ({"Range": f"bytes={'9' * 18}-"}, FileAnswer(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)),
        # Ignored: a wrong form, several ranges, another unit, digits of another script.
        ({"Range": "bytes=20-10"}, WHOLE),
        ({"Range": "bytes=-"}, WHOLE),
        ({"Range": "bytes=1-2,4-5"}, WHOLE),
        ({"Range": "lines=1-2"}, WHOLE),
        ({"Range": "bytes=١-٢"}, WHOLE),
        ({"Range": f"bytes={'9' * 400}-"}, WHOLE),
        ({"Range": "bytes=1-2", "If-Range": TAG}, FileAnswer(PARTIAL, 1, 3)),
        ({"Range": "bytes=1-2", "If-Range": '"other"'}, WHOLE),
        ({"Range": "bytes=1-2", "If-Range": f"W/{TAG}"}, WHOLE),
        ({"Range": "bytes=1-2", "If-Range": "Mon, 30 Nov 2026 18:00:00 GMT"}, WHOLE),
        ({"If-None-Match": f'"x", W/{TAG}'}, FileAnswer(HTTPStatus.NOT_MODIFIED)),
        ({"If-None-Match": "*"}, FileAnswer(HTTPStatus.NOT_MODIFIED)),
        ({"If-None-Match": '"x"'}, WHOLE),
        ({"If-Match": '"x"'}, FileAnswer(HTTPStatus.PRECONDITION_FAILED)),
        ({"If-Match": f"W/{TAG}"}, FileAnswer(HTTPStatus.PRECONDITION_FAILED)),
        ({"If-Match": f'"x",{TAG}', "Range": "bytes=-1"}, FileAnswer(PARTIAL, 99, 100)),
    ],
)
def test_a_range_and_the_conditions(headers: dict[str, str], expected: FileAnswer) -> None:
    assert answer_for(headers, 100, TAG) == expected


class Serving:
    """A running server with one bundle."""

    def __init__(self, plant: Plant, root: Path, **settings: Any) -> None:
        self.plant = plant
        own = {
            "path": root,
            "keys": (TRUST,),
            "listen": "127.0.0.1",
            "port": 0,
            "tls_ca": plant.folder / "broker" / "ca.pem",
            "tls_cert": plant.folder / "broker" / "broker.pem",
            "tls_key": plant.folder / "broker" / "broker.key",
        }
        self.settings = BundleFolderConfig(**{**own, **settings})
        folder = make_folder(self.settings)
        assert folder is not None
        self.folder = folder
        self.data = bundle_bytes(key=KEY)
        self.digest = folder.add(self.data).sha256
        self.server = BundleServer(self.settings, folder)
        self.server.start()

    def connect(self, name: str | None = "press-3") -> http.client.HTTPSConnection:
        context = ssl.create_default_context(cafile=str(self.plant.folder / "broker" / "ca.pem"))
        if name is not None:
            folder = self.plant.folder / name
            context.load_cert_chain(folder / "station.pem", folder / "station.key")
        port = self.server.port
        return http.client.HTTPSConnection("127.0.0.1", port, timeout=120, context=context)

    def get(
        self, path: str, method: str = "GET", **headers: str
    ) -> tuple[http.client.HTTPResponse, bytes]:
        connection = self.connect()
        named = {key.replace("_", "-"): value for key, value in headers.items()}
        connection.request(method, path, headers=named)
        response = connection.getresponse()
        data = response.read()
        connection.close()
        return response, data

    def status_for(self, name: str | None) -> int:
        """The status that a station gets. Raises where its certificate is refused."""
        with closing(self.connect(name)) as connection:
            connection.request("GET", self.path)
            with closing(connection.getresponse()) as response:
                return response.status

    @property
    def path(self) -> str:
        return f"{SERVER_PATH}/{self.digest}.outfeed"


@pytest.fixture
def serving(plant: Plant, tmp_path: Path) -> Iterator[Serving]:
    one = Serving(plant, tmp_path / "bundles")
    yield one
    one.server.close()


def test_a_station_downloads_a_bundle_and_goes_on_after_an_interruption(serving: Serving) -> None:
    whole, data = serving.get(serving.path)
    assert (whole.status, data) == (200, serving.data)
    assert whole.headers["Accept-Ranges"] == "bytes"
    assert whole.headers["Content-Length"] == str(len(serving.data))
    tag = whole.headers["ETag"]
    assert tag == f'"{serving.digest}"'
    first, begin = serving.get(serving.path, Range="bytes=0-999")
    assert (first.status, begin) == (206, serving.data[:1000])
    assert first.headers["Content-Range"] == f"bytes 0-999/{len(serving.data)}"
    rest, end = serving.get(serving.path, Range="bytes=1000-", If_Range=tag)
    assert rest.status == 206
    assert begin + end == serving.data
    beyond, nothing = serving.get(serving.path, Range=f"bytes={len(serving.data)}-")
    assert (beyond.status, nothing) == (416, b"")
    assert beyond.headers["Content-Range"] == f"bytes */{len(serving.data)}"
    unchanged, nothing = serving.get(serving.path, If_None_Match=tag)
    assert (unchanged.status, nothing) == (304, b"")
    head, nothing = serving.get(serving.path, "HEAD", Range="bytes=0-9")
    assert (head.status, nothing) == (200, b"")
    assert head.headers["Content-Length"] == str(len(serving.data))


def test_one_connection_serves_many_requests(serving: Serving) -> None:
    connection = serving.connect()
    for first in range(0, 300, 100):
        connection.request("GET", serving.path, headers={"Range": f"bytes={first}-{first + 99}"})
        assert connection.getresponse().read() == serving.data[first : first + 100]
    for path in ("/", "/bundles/v1/../secret", f"{SERVER_PATH}/{'0' * 64}.outfeed"):
        connection.request("GET", path)
        response = connection.getresponse()
        assert (response.status, response.read()) == (404, b"")
    connection.close()


@pytest.mark.parametrize("name", ["{digest}", "{digest}.part", "{digest}.outfeed?x=1", "%2e%2e"])
def test_only_the_exact_name_is_served(serving: Serving, name: str) -> None:
    response, data = serving.get(f"{SERVER_PATH}/{name.format(digest=serving.digest)}")
    assert (response.status, data) == (404, b"")


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE"])
def test_nothing_can_be_written(serving: Serving, method: str) -> None:
    response, _ = serving.get(serving.path, method)
    assert response.status == 501
    assert serving.get(serving.path)[1] == serving.data


def test_nobody_without_a_certificate_of_the_plant_is_served(serving: Serving) -> None:
    with pytest.raises(REFUSED):
        serving.status_for(None)


def test_a_revoked_certificate_is_refused_after_a_reload(
    plant: Plant, serving: Serving, tmp_path: Path
) -> None:
    other = plant.station("press-99")
    revoked = tmp_path / "revoked.pem"
    assert plant.call("revoke", other / "station.pem", "--authority", plant.authority) == 0
    revoked.write_bytes((plant.authority / "revoked.pem").read_bytes())
    assert serving.status_for("press-99") == 200
    settings = serving.settings.model_copy(update={"tls_revoked": revoked})
    server = BundleServer(settings.model_copy(update={"port": 0}), serving.folder)
    server.start()
    serving.server.close()
    serving.server = server
    assert serving.status_for("press-3") == 200
    with pytest.raises(REFUSED):
        serving.status_for("press-99")


def test_one_station_has_few_downloads_at_a_time(serving: Serving) -> None:
    data = b"x" * (32 << 20)  # more than the buffers of a connection
    digest = hashlib.sha256(data).hexdigest()
    (Path(str(serving.settings.path)) / f"{digest}.outfeed").write_bytes(data)
    slow = []
    for _ in range(MAX_PER_STATION):
        connection = serving.connect()
        connection.request("GET", f"{SERVER_PATH}/{digest}.outfeed")
        response = connection.getresponse()
        assert response.status == 200
        slow.append((connection, response))
    refused, _ = serving.get(serving.path)
    assert refused.status == 429
    assert refused.headers["Retry-After"] == "10"
    # Another station is not affected.
    assert serving.status_for("press-4") == 200
    for connection, response in slow:
        response.close()
        connection.close()
    wait_for(lambda: serving.get(serving.path)[0].status == 200, "the downloads have ended")


def test_a_file_that_is_cut_ends_the_connection(serving: Serving) -> None:
    path = Path(str(serving.settings.path)) / f"{serving.digest}.outfeed"
    path.write_bytes(serving.data[:-1])
    response, data = serving.get(serving.path)
    assert len(data) == int(response.headers["Content-Length"]) == len(serving.data) - 1


def test_faults_of_a_connection_disturb_nothing(serving: Serving) -> None:
    raw = socket.create_connection(("127.0.0.1", serving.server.port))
    raw.sendall(b"GET / HTTP/1.1\r\n\r\n")
    raw.close()
    assert serving.get(serving.path)[0].status == 200


def test_the_folder_takes_signed_bundles_within_its_size(tmp_path: Path) -> None:
    data = bundle_bytes(key=KEY)
    folder = BundleFolder(tmp_path / "b", len(data) + 10, {public_of(KEY)})
    kept = folder.add(data)
    assert folder.add(data) == kept  # a repeat needs no space
    assert folder.used_bytes() == len(data)
    for wrong, reason in (
        (bundle_bytes(key=None), "is unsigned"),
        (bundle_bytes(key=OTHER_KEY), "is signed by key"),
        (data[:-1], "is damaged, altered or not a bundle"),
        (b"", "is damaged"),
    ):
        with pytest.raises(BundleError, match=reason):
            folder.add(wrong)
    with pytest.raises(BundleFolderError, match="the bundles would have more than 0 MiB"):
        folder.add(bundle_bytes(key=KEY, version="2.0"))
    assert [path.name for path in (tmp_path / "b").iterdir()] == [f"{kept.sha256}.outfeed"]
    folder.remove(kept.sha256)
    folder.remove(kept.sha256)
    assert folder.open(kept.sha256) is None
    assert folder.open("../secret") is None


def test_the_process_serves_reads_certificates_again_and_ends(
    plant: Plant, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    one = Serving(plant, tmp_path / "bundles")
    one.server.close()
    stop, again = threading.Event(), threading.Event()
    thread = threading.Thread(
        target=run_bundles, args=(one.settings, stop, again, SILENT), daemon=True
    )
    thread.start()
    wait_for(lambda: "bundles_served_on" in caplog.text, "it serves")
    again.set()
    wait_for(lambda: "certificates_read" in caplog.text, "certificates are read again")
    stop.set()
    thread.join(10)
    assert not thread.is_alive()


def test_a_wrong_configuration_is_one_line(plant: Plant, tmp_path: Path) -> None:
    never = threading.Event()
    with pytest.raises(ConfigError, match=r"bundles\.path: is missing"):
        run_bundles(BundleFolderConfig(), never, never, SILENT)
    keyless = BundleFolderConfig(path=tmp_path / "b", keys=(tmp_path / "no.pub",))
    with pytest.raises(ConfigError, match=r"bundles\.keys: .*no\.pub: cannot be read"):
        make_folder(keyless)
    with pytest.raises(ConfigError, match=r"bundles\.tls_cert: is missing"):
        run_bundles(
            BundleFolderConfig(path=tmp_path / "b", keys=(TRUST,), port=0), never, never, SILENT
        )
    one = Serving(plant, tmp_path / "c")
    taken = one.settings.model_copy(update={"port": one.server.port})
    with pytest.raises(OutfeedError, match=r"bundles: 127\.0\.0\.1:\d+: Address already in use"):
        BundleServer(taken, one.folder)
    one.server.close()
