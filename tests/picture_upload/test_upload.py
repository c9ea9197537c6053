"""Pictures from a station to a receiver over real HTTPS, whole, once, and by the right station."""

from __future__ import annotations

import http.client
import os
import signal
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from central.pictures.folder import PictureFolder
from edge.commands.spool import Order, Orders, read_reports, write_orders
from edge.config.station import StationConfig
from edge.config.uplink import UplinkConfig
from edge.errors import OutfeedError, UsageError
from edge.picture_upload.client import SentPicture, UploadClient, UploadError
from edge.picture_upload.protocol import DIGEST, LENGTH, OFFSET, digest_text, path_of
from edge.picture_upload.run import PictureUpload, run_upload
from edge.uplink.tls import tls_context
from tests.picture_upload.conftest import JOURNAL, Receiving, station, store
from tests.provision.conftest import Plant
from tests.support.brokers import free_port, wait_for
from tests.watchdog.manager import RecordingNotifier

Start = Callable[..., Receiving]


@contextmanager
def uploading(config: StationConfig) -> Iterator[PictureUpload]:
    upload, stop = PictureUpload(config), threading.Event()
    thread = threading.Thread(target=upload.run, args=(stop,))
    thread.start()
    try:
        yield upload
    finally:
        stop.set()
        thread.join(10)
        assert not thread.is_alive()


def test_stored_pictures_arrive_whole_and_are_found_by_their_part(
    plant: Plant, receiving: Start, tmp_path: Path
) -> None:
    central = receiving()
    config = station(plant, "press-3", tmp_path / "state", central.port)
    pictures = {
        store(config, number, os.urandom(400_000), part=40 + number): number for number in range(5)
    }
    with uploading(config) as upload:
        wait_for(lambda: upload.counts.sent == 5, "five pictures")
        later = store(config, 9, b"later", part=99)
        wait_for(lambda: upload.counts.sent == 6, "the sixth")
    assert central.names() == {*pictures, later}
    for name, number in pictures.items():
        (found,) = central.folder.find(
            "press-3", f"{JOURNAL}-1111-2222-3333-444455556666", 40 + number
        )
        assert found.name == name
        assert found.read_bytes() == (config.paths.pictures / name).read_bytes()
    assert central.folder.find("press-3", JOURNAL, 41_000) == []
    assert central.folder.find("press-4", JOURNAL, 41) == []


def test_after_a_restart_known_pictures_are_not_sent_again(
    plant: Plant, receiving: Start, tmp_path: Path
) -> None:
    central = receiving()
    config = station(plant, "press-3", tmp_path / "state", central.port)
    store(config, 1, b"x" * 1000)
    with uploading(config) as upload:
        wait_for(lambda: upload.counts.sent == 1, "the picture")
    with uploading(config) as upload:
        wait_for(lambda: upload.counts.known == 1, "the answer")
        assert (upload.counts.sent, upload.counts.bytes) == (0, 0)


def test_a_picture_that_was_sent_in_part_is_continued(
    plant: Plant, receiving: Start, tmp_path: Path
) -> None:
    central = receiving()
    config = station(plant, "press-3", tmp_path / "state", central.port)
    data = os.urandom(700_000)
    name = store(config, 1, data)
    path = path_of("press-3", name)
    headers = {LENGTH: str(len(data)), DIGEST: digest_text(data), OFFSET: "0"}
    assert request(config, "PATCH", path, data[:500_000], headers).status == 204
    with uploading(config) as upload:
        wait_for(lambda: upload.counts.sent == 1, "the picture")
        assert upload.counts.bytes == 200_000
    (found,) = central.folder.find("press-3", JOURNAL, 7)
    assert found.read_bytes() == data


def test_a_picture_that_a_command_asks_for_goes_first(
    plant: Plant, receiving: Start, tmp_path: Path
) -> None:
    """Also one of a good part, which the rule for pictures leaves out, and within the limit."""
    central = receiving()
    config = station(
        plant, "press-3", tmp_path / "state", central.port, max_mb_per_day=0.5, pictures="rejected"
    )
    wanted = store(config, 1, os.urandom(300_000), part=7, kept="pass")
    newer = store(config, 2, os.urandom(300_000), part=8)
    store(config, 3, b"other", part=9, kept="pass")
    journal = f"{JOURNAL}-1111-2222-3333-444455556666"
    orders = Orders(
        orders=(
            Order(id="a" * 32, kind="picture", journal=journal, first=7, last=7),
            Order(id="b" * 32, kind="resend", journal=journal, first=8, last=8),
            Order(id="c" * 32, kind="picture", journal=journal, first=99, last=99),
            Order(id="d" * 32, kind="picture", journal="f" * 36, first=9, last=9),
        )
    )
    write_orders(config.paths.orders, orders)
    upload = PictureUpload(config)
    assert upload.step() > 10  # the limit has no space for the newer one
    assert central.names() == {wanted}
    reports = {each.id[0]: each for each in read_reports(config.paths.upload_reports)}
    assert {key: each.is_done for key, each in reports.items()} == {
        "a": True,
        "c": False,
        "d": False,
    }
    assert reports["a"].text == "1 pictures of part 7 are at the receiver"
    assert reports["c"].text == "no picture of part 99 is stored"
    upload.close()
    assert newer not in central.names()


def test_the_newest_are_sent_first_and_a_day_has_a_limit(
    plant: Plant, receiving: Start, tmp_path: Path
) -> None:
    central = receiving()
    config = station(plant, "press-3", tmp_path / "state", central.port, max_mb_per_day=1)
    names = [store(config, number, os.urandom(300_000)) for number in range(6)]
    days = ["2026-11-30"]
    upload, stop = PictureUpload(config, today=lambda: days[-1]), threading.Event()
    thread = threading.Thread(target=upload.run, args=(stop,))
    thread.start()
    wait_for(lambda: upload.counts.sent == 3, "three pictures")
    stop.set()
    thread.join(10)
    assert central.names() == set(names[3:])
    again = PictureUpload(config, today=lambda: days[-1])
    assert again.step() > 10  # the limit holds over a restart
    assert again.counts.sent == 0
    days.append("2026-12-01")
    next_day = PictureUpload(config, today=lambda: days[-1])
    assert next_day.step() > 0
    next_day.close()
    assert central.names() == set(names)


def test_only_pictures_of_rejected_parts_if_wanted(
    plant: Plant, receiving: Start, tmp_path: Path
) -> None:
    central = receiving()
    config = station(plant, "press-3", tmp_path / "state", central.port, pictures="rejected")
    for number, kept in enumerate(("reject", "unknown", "mark", "pass", "before", "crash")):
        store(config, number, b"x", part=number, kept=kept)
    with uploading(config) as upload:
        wait_for(lambda: upload.counts.sent == 3, "three pictures")
    assert {name.split("-")[-1] for name in central.names()} == {
        "reject.png",
        "unknown.png",
        "mark.png",
    }


def test_it_waits_for_a_receiver_and_a_network(
    plant: Plant, receiving: Start, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    port = free_port()
    config = station(plant, "press-3", tmp_path / "state", port)
    store(config, 1, b"x")
    with uploading(config) as upload:
        wait_for(lambda: upload.counts.failed > 1, "two failures")
        central = receiving(port=port)
        wait_for(lambda: upload.counts.sent == 1, "the picture")
    assert central.names()
    warned = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert len(warned) == 1
    assert "refused" in warned[0]


def request(
    config: StationConfig,
    method: str,
    path: str,
    body: bytes = b"",
    headers: dict[str, str] | None = None,
    tls: UplinkConfig | None = None,
) -> http.client.HTTPResponse:
    connection = http.client.HTTPSConnection(
        *config.upload.address, timeout=10, context=tls_context(tls or config.uplink)
    )
    with closing(connection):
        connection.request(method, path, body or None, headers or {})
        response = connection.getresponse()
        response.read()
    return response


def test_a_station_sends_in_its_own_name_only(
    plant: Plant, receiving: Start, tmp_path: Path
) -> None:
    central = receiving()
    config = station(plant, "press-4", tmp_path / "state", central.port)
    posing = config.model_copy(update={"id": "press-3"})
    store(posing, 1, b"x")
    with uploading(posing) as upload:
        wait_for(lambda: upload.counts.failed > 0, "a refusal")
    assert central.names() == set()
    with (
        closing(UploadClient("press-3", config.upload, config.uplink)) as client,
        pytest.raises(UploadError, match="403"),
    ):
        client.send(f"{1:010d}-{JOURNAL}-7-reject.png", b"x")


def test_without_a_certificate_of_the_plant_no_byte_is_read(
    plant: Plant, receiving: Start, tmp_path: Path
) -> None:
    central = receiving()
    config = station(plant, "press-3", tmp_path / "state", central.port)
    anonymous = config.uplink.model_copy(update={"tls_cert": None, "tls_key": None})
    with pytest.raises((ssl.SSLError, ConnectionError)):
        request(
            config, "HEAD", path_of("press-3", f"{1:010d}-{JOURNAL}-7-reject.png"), tls=anonymous
        )


def test_a_revoked_station_is_refused(plant: Plant, receiving: Start, tmp_path: Path) -> None:
    lost = plant.station("lost-9")
    revoked = plant.folder / "revoked-for-pictures.pem"
    assert plant.call("revoke", lost / "station.pem", "--authority", plant.authority) == 0
    revoked.write_bytes((plant.authority / "revoked.pem").read_bytes())
    central = receiving(tls_revoked=revoked)
    good = station(plant, "press-3", tmp_path / "state", central.port)
    bad = station(plant, "lost-9", tmp_path / "lost", central.port)
    with (
        closing(UploadClient("lost-9", bad.upload, bad.uplink)) as client,
        pytest.raises(UploadError),
    ):
        client.send(f"{1:010d}-{JOURNAL}-7-reject.png", b"x")
    with closing(UploadClient("press-3", good.upload, good.uplink)) as client:
        sent = client.send(f"{1:010d}-{JOURNAL}-7-reject.png", b"x")
    assert sent is SentPicture.SENT


NAME = f"{1:010d}-{JOURNAL}-7-reject.png"
DATA = b"0123456789"
GOOD = {LENGTH: "10", DIGEST: digest_text(DATA), OFFSET: "0"}


@pytest.mark.parametrize(
    ("path", "body", "change", "status"),
    [
        (path_of("press-3", NAME), DATA, {}, 201),
        (path_of("press-4", NAME), DATA, {}, 403),
        (path_of("press-3", "../../etc/passwd"), DATA, {}, 400),
        (path_of("press-3", "%2e%2e"), DATA, {}, 400),
        (path_of("press-3", NAME.replace("png", "svg")), DATA, {}, 400),
        ("/pictures/v2/press-3/" + NAME, DATA, {}, 400),
        (path_of("press-3", NAME), DATA, {OFFSET: "3"}, 400),
        (path_of("press-3", NAME), DATA[:3], {OFFSET: "3"}, 409),
        (path_of("press-3", NAME), DATA, {OFFSET: "-1"}, 400),
        (path_of("press-3", NAME), DATA, {OFFSET: "٣"}, 400),
        (path_of("press-3", NAME), DATA, {LENGTH: "9" * 12}, 413),
        (path_of("press-3", NAME), DATA, {LENGTH: "9" * 40}, 400),
        (path_of("press-3", NAME), DATA, {DIGEST: "md5=:aaaa:"}, 400),
        (path_of("press-3", NAME), DATA, {DIGEST: digest_text(b"other")}, 422),
        (path_of("press-3", NAME), b"x" * (1 << 20) + b"x", {}, 413),
    ],
)
def test_every_wrong_request_has_its_answer(
    plant: Plant,
    receiving: Start,
    tmp_path: Path,
    path: str,
    body: bytes,
    change: dict[str, str],
    status: int,
) -> None:
    central = receiving()
    config = station(plant, "press-3", tmp_path / "state", central.port)
    headers = {name: value.encode().decode("latin-1") for name, value in {**GOOD, **change}.items()}
    try:
        answer = request(config, "PATCH", path, body, headers).status
    except (ConnectionError, ssl.SSLError):  # the receiver did not read the body
        answer = 413
    assert answer == status
    assert len(central.names()) == (status == 201)
    assert not list((central.settings.path or Path()).rglob("*.partial"))


def test_above_its_size_the_folder_removes_the_oldest_and_takes_them_no_more(
    plant: Plant, receiving: Start, tmp_path: Path
) -> None:
    central = receiving(max_mb=1)
    config = station(plant, "press-3", tmp_path / "state", central.port)
    with closing(UploadClient("press-3", config.upload, config.uplink)) as client:
        names = [f"{number:010d}-{JOURNAL}-{number}-reject.png" for number in range(8)]
        for age, name in enumerate(names):
            assert client.send(name, os.urandom(200_000)) is SentPicture.SENT
            (path,) = central.folder.find("press-3", JOURNAL, age)
            os.utime(path, (1000 + age, 1000 + age))
        assert central.folder.used_bytes <= 1 << 20
        assert central.names() < set(names)
        assert names[-1] in central.names()
        assert client.send(names[0], os.urandom(200_000)) is SentPicture.KNOWN
        assert names[0] not in central.names()
        assert PictureFolder(tmp_path / "central", 1 << 20).used_bytes == central.folder.used_bytes


def test_a_killed_upload_continues(plant: Plant, receiving: Start, tmp_path: Path) -> None:
    """The real command, killed while it sends, and started again."""
    central = receiving()
    config = station(plant, "press-3", tmp_path / "state", central.port)
    data = os.urandom(3_000_000)
    store(config, 1, data)
    text = (plant.folder / "press-3" / "station.toml").read_text(encoding="utf-8")
    own = plant.folder / "press-3" / "upload-test.toml"
    lines = [line for line in text.splitlines() if not line.startswith(("state_dir", "bundle"))]
    head = [f'state_dir = "{config.state_dir}"', f'bundle = "{tmp_path}/none.outfeed"']
    tail = ["[upload]", f'url = "https://127.0.0.1:{central.port}"', "max_kb_per_s = 1000"]
    own.write_text("\n".join([*head, *lines, *tail]), encoding="utf-8")
    command = [sys.executable, "-m", "edge", "upload", "--config", str(own)]
    process = subprocess.Popen(command)
    try:
        wait_for(lambda: central.folder.used_bytes > 0, "a part", 30)
        process.send_signal(signal.SIGKILL)
        process.wait(10)
        assert not central.names()
        process = subprocess.Popen(command)
        wait_for(lambda: len(central.names()) == 1, "the picture", 30)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    finally:
        process.kill()
        own.unlink()
    (found,) = central.folder.find("press-3", JOURNAL, 7)
    assert found.read_bytes() == data


def test_what_is_missing_in_the_configuration_is_one_line(plant: Plant, tmp_path: Path) -> None:
    config = station(plant, "press-3", tmp_path / "state", 1)
    without = config.model_copy(update={"upload": config.upload.model_copy(update={"url": None})})
    with pytest.raises(UsageError, match=r"upload\.url is missing"):
        PictureUpload(without)
    bare = config.uplink.model_copy(update={"tls_cert": None, "tls_key": None})
    with pytest.raises(UsageError, match=r"uplink\.tls_ca, tls_cert"):
        PictureUpload(config.model_copy(update={"uplink": bare}))


def test_two_uploads_of_one_station_exclude_each_other(plant: Plant, tmp_path: Path) -> None:
    config = station(plant, "press-3", tmp_path / "state", free_port())
    first, stop, ended = RecordingNotifier(), threading.Event(), threading.Event()
    ended.set()
    thread = threading.Thread(target=run_upload, args=(config, stop, first))
    thread.start()
    try:
        # The file of the lock is there before the lock is taken.
        wait_for(lambda: first.heard, "the first upload")
        with pytest.raises(OutfeedError, match="another upload runs"):
            run_upload(config, ended)
    finally:
        stop.set()
        thread.join(10)
