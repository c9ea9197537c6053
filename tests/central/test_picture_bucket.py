"""Pictures in a bucket of S3: a server of moto has the protocol, on a port of this machine."""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("boto3")
pytest.importorskip("moto.server")

import boto3
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.server import ThreadedMotoServer
from werkzeug.serving import make_server

from central.config.bucket import BucketConfig
from central.config.central import CentralConfig, parse_central
from central.pictures.archive import FETCHED, PictureArchive
from central.pictures.bucket import BucketError, PictureBucket
from central.pictures.folder import AppendResult, FolderState, HasPicture, PictureFolder
from central.pictures.mover import PictureMover
from edge.errors import ConfigError
from edge.pictures.file_name import PictureName, parse_name
from tests.provision.conftest import Plant, plant

__all__ = ["plant"]

JOURNAL = "0a1b2c3d"
MIB = 1 << 20


@pytest.fixture(scope="module")
def service() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def settings(service: str, tmp_path: Path) -> BucketConfig:
    """A new bucket."""
    key = tmp_path / "bucket.key"
    key.write_text("id\nsecret\n")
    name = f"pictures-{hashlib.sha256(str(tmp_path).encode()).hexdigest()[:16]}"
    client(service).create_bucket(Bucket=name)
    return BucketConfig(name=name, prefix="plant/", endpoint=service, credentials_file=key)


def client(service: str) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=service,
        region_name="us-east-1",
        aws_access_key_id="id",
        aws_secret_access_key="secret",
    )


def name_of(number: int, part: int = 7) -> PictureName:
    found = parse_name(f"{number:010d}-{JOURNAL}-{part}-reject.png")
    assert found is not None
    return found


def receive(folder: PictureFolder, number: int, data: bytes, part: int = 7) -> None:
    digest = hashlib.sha256(data).digest()
    name = name_of(number, part)
    result = folder.append("press-3", name, 0, data, total=len(data), sha256=digest)
    assert result is AppendResult.COMPLETE


def keys_of(settings: BucketConfig) -> list[str]:
    answer = client(str(settings.endpoint)).list_objects_v2(Bucket=settings.name)
    return [each["Key"] for each in answer.get("Contents", ())]


def test_complete_pictures_are_moved_and_found(settings: BucketConfig, tmp_path: Path) -> None:
    bucket, root = PictureBucket(settings), tmp_path / "pictures"
    folder = PictureFolder(root, MIB, bucket)
    receive(folder, 1, b"first")
    receive(folder, 2, b"other part", part=1007)
    part = b"the beginning"
    folder.append("press-3", name_of(3), 0, part, total=99, sha256=bytes(32))
    assert PictureMover(folder, bucket).step() == 2
    place = f"plant/press-3/{JOURNAL}"
    assert keys_of(settings) == [
        f"{place}/0/{name_of(1)}",
        f"{place}/1/{name_of(2, 1007)}",
    ]
    assert folder.used_bytes == len(part), "a picture that is not complete stays"
    assert folder.state("press-3", name_of(1)) == FolderState(HasPicture.COMPLETE)
    assert folder.state("press-3", name_of(3)).has is HasPicture.PARTIAL
    assert folder.state("press-3", name_of(4)).has is HasPicture.NOTHING
    receive(folder, 5, b"not moved yet")
    archive = PictureArchive(root, bucket)
    for _ in range(2):  # from the bucket, and from its copy
        found = archive.find("press-3", f"{JOURNAL}-0000", 7)
        assert [path.read_bytes() for path in found] == [b"first", b"not moved yet"]
    assert found[0].relative_to(root).parts[0] == FETCHED
    assert archive.find("press-3", JOURNAL, 8) == []
    assert PictureFolder(root, MIB).used_bytes == len(part) + len(b"not moved yet")
    assert PictureMover(folder, bucket).step() == 1, "copies are not moved again"


def test_copies_stay_within_their_size(settings: BucketConfig, tmp_path: Path) -> None:
    bucket = PictureBucket(settings)
    folder = PictureFolder(tmp_path / "pictures", MIB, bucket)
    for number in range(6):
        receive(folder, number, bytes(1000), part=number)
    assert PictureMover(folder, bucket).step() == 6
    archive = PictureArchive(tmp_path / "pictures", bucket, fetched_bytes=3000)
    for number in range(6):
        assert len(archive.find("press-3", JOURNAL, number)) == 1
    copies = [*(tmp_path / "pictures" / FETCHED).rglob("*.png")]
    assert 1 <= len(copies) <= 3


def test_a_service_that_is_away_loses_nothing(
    settings: BucketConfig, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    away = PictureBucket(settings.model_copy(update={"endpoint": "http://127.0.0.1:1"}))
    folder = PictureFolder(tmp_path / "pictures", MIB, away)
    receive(folder, 1, b"first")
    mover = PictureMover(folder, away)
    assert [mover.step(), mover.step()] == [0, 0]
    assert caplog.text.count("pictures_not_moved ") == 1
    assert folder.state("press-3", name_of(1)).has is HasPicture.COMPLETE
    assert folder.state("press-3", name_of(2)).has is HasPicture.NOTHING
    assert len(PictureArchive(tmp_path / "pictures", away).find("press-3", JOURNAL, 7)) == 1
    assert "pictures_not_fetched " in caplog.text
    mover._bucket = PictureBucket(settings)
    assert [mover.step(), mover.step()] == [1, 0]
    assert caplog.text.count("pictures_moved_again ") == 1


def test_a_picture_that_is_removed_for_space_while_it_is_moved(
    settings: BucketConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = PictureBucket(settings)
    folder = PictureFolder(tmp_path / "pictures", MIB, bucket)
    receive(folder, 1, b"first")
    receive(folder, 2, b"second")

    def put_and_lose(key: str, path: Path) -> None:
        PictureBucket.put(bucket, key, path)
        if path.name == str(name_of(1)):
            path.unlink()

    monkeypatch.setattr(bucket, "put", put_and_lose)
    assert PictureMover(folder, bucket).step() == 2
    assert [*(tmp_path / "pictures").rglob("*.png")] == []
    assert not (tmp_path / "pictures" / "press-3" / JOURNAL / "0").exists(), "empty folders go"
    receive(folder, 3, b"third")
    assert PictureMover(folder, bucket).step() == 1


def test_a_bucket_that_is_away_is_not_asked_for_each_picture(
    settings: BucketConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = PictureBucket(settings.model_copy(update={"endpoint": "http://127.0.0.1:1"}))
    archive = PictureArchive(tmp_path, away)
    asked: list[str] = []
    names = away.names
    monkeypatch.setattr(away, "names", lambda folder: asked.append(folder) or names(folder))
    for _ in range(3):
        assert archive.find("press-3", JOURNAL, 7) == []
    assert len(asked) == 1
    monkeypatch.setattr(archive, "_ask_again_s", 0.0)
    archive.find("press-3", JOURNAL, 7)
    assert len(asked) == 2


def test_a_new_picture_is_received_without_the_bucket(
    settings: BucketConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = PictureBucket(settings)
    monkeypatch.setattr(bucket, "has", lambda _: pytest.fail("a piece waits for the bucket"))
    receive(PictureFolder(tmp_path, MIB, bucket), 1, b"first")


def test_the_thread_moves_until_it_is_closed(settings: BucketConfig, tmp_path: Path) -> None:
    bucket = PictureBucket(settings)
    folder = PictureFolder(tmp_path / "pictures", MIB, bucket)
    mover = PictureMover(folder, bucket)
    receive(folder, 1, b"first")
    mover.start()
    assert mover.is_running
    for _ in range(600):
        if folder.used_bytes == 0:
            break
        mover._stop.wait(0.05)
    mover.close()
    assert not mover.is_running
    assert len(keys_of(settings)) == 1


def test_a_bucket_that_is_missing_is_named(settings: BucketConfig) -> None:
    bucket = PictureBucket(settings.model_copy(update={"name": "no-such-bucket"}))
    with pytest.raises(BucketError, match=r"bucket no-such-bucket: .*NoSuchBucket"):
        bucket.names("press-3/")


@pytest.mark.parametrize("text", ["id", "id\nsecret\nmore", "id\nsécret"])
def test_a_wrong_file_of_the_key_is_named(settings: BucketConfig, text: str) -> None:
    assert settings.credentials_file is not None
    settings.credentials_file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"bucket\.credentials_file: .*bucket\.key: "):
        PictureBucket(settings)


KEYS = {
    "prefix": "outfeed/line-1/",
    "endpoint": "https://s3.plant.example:9000",
    "region": "eu-central-1",
    "credentials_file": "bucket.key",
    "tls_ca": "ca.pem",
}
_FILE = Path("/etc/outfeed-central/central.toml")


def _config(keys: dict[str, str], folder: str = 'path = "p"') -> CentralConfig:
    lines = "\n".join(f'{key} = "{value}"' for key, value in keys.items())
    return parse_central(f"[pictures]\n{folder}\n[bucket]\n{lines}", _FILE)


def test_every_key_is_read() -> None:
    assert {"name", *KEYS} == set(BucketConfig.model_fields)
    own = _config({"name": "pictures"}).bucket
    assert own == BucketConfig(name="pictures")
    for key, value in KEYS.items():
        found = _config({"name": "pictures", key: value}).bucket
        expected = _FILE.parent / value if key.endswith(("file", "ca")) else value
        assert found == own.model_copy(update={key: expected})
    for field in BucketConfig.model_fields.values():
        assert field.title
        assert field.description


def test_region_and_credentials_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "id of the environment")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    made = PictureBucket(BucketConfig(name="pictures", region="eu-central-1"))._client
    assert made.meta.region_name == "eu-central-1"
    assert made.meta.endpoint_url.endswith(".amazonaws.com")
    assert made._request_signer._credentials.access_key == "id of the environment"


def test_the_service_proves_itself_by_the_authority(
    plant: Plant, settings: BucketConfig, tmp_path: Path
) -> None:
    certificate = plant.folder / "broker"
    app = DomainDispatcherApplication(create_backend_app)
    files = (str(certificate / "broker.pem"), str(certificate / "broker.key"))
    server = make_server("127.0.0.1", 0, app, threaded=True, ssl_context=files)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        address = f"https://127.0.0.1:{server.server_port}"
        own = settings.model_copy(update={"endpoint": address})
        with pytest.raises(BucketError, match=r"bucket pictures-.*CERTIFICATE_VERIFY_FAILED"):
            PictureBucket(own).has("a")
        known = own.model_copy(update={"tls_ca": certificate / "ca.pem"})
        assert not PictureBucket(known).has("a")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"name": "Pictures"}, "bucket.name': expected 3 to 63 lower-case letters"),
        ({"name": "pictures", "prefix": "outfeed"}, "expected names that each end with a slash"),
        ({"name": "pictures", "prefix": "/"}, "expected names that each end with a slash"),
        ({"name": "pictures", "endpoint": "http://s3.plant"}, "begins with https://"),
        ({"name": "pictures", "region": ""}, "bucket.region"),
        ({}, "bucket.name"),
    ],
)
def test_wrong_keys_are_named(keys: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        _config(keys)
    assert "\n" not in str(caught.value)


def test_a_bucket_needs_the_folder() -> None:
    with pytest.raises(ConfigError, match=r"bucket needs pictures\.path"):
        _config({"name": "pictures"}, "")
