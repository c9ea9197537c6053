"""The picture and the outlines of a part on its page, and who may see them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from starlette.testclient import TestClient

from central.access.permissions import GRANTED, Permission
from central.config.sections import DatabaseConfig
from central.pictures.archive import PictureArchive
from central.store.database import Database
from central.store.evidence import read_evidence
from central.store.message import BrokerMessage
from central.store.registry import Registry
from central.store.schema import migrate
from central.store.writer import BatchWriter
from central.web.app import make_app
from central.web.plant.thumbnails import Thumbnails, draw_thumbnail
from edge.events.event import PartEvent, part_event
from edge.events.identity import StoredEvent
from edge.records import Box, Decision, Defect, Region, Verdict

JOURNAL = "0a1b2c3d-1111-4222-8333-444455556666"
OUTLINE = ((10, 20), (30, 20), (30, 40))
NOW = 1_796_000_000_000_000


def event(part_id: int, outline: tuple[tuple[int, int], ...] = OUTLINE) -> PartEvent:
    region = Region(Box(10, 20, 31, 41), 200, 9.0, 7.0)
    defect = Defect(region, "scratch", 0.9, outline=(outline,))
    verdict = Verdict(part_id, Decision.REJECT, "scratch", (defect,), 9.0, None)
    return part_event("press-1", "b-1", verdict, 0)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures" / "press-1" / JOURNAL[:8] / "0"
    folder.mkdir(parents=True)
    picture = np.full((60, 80), 128, np.uint8)
    assert cv2.imwrite(str(folder / f"0000000001-{JOURNAL[:8]}-7-reject.png"), picture)
    (folder / f"0000000002-{JOURNAL[:8]}-8-reject.png").write_bytes(b"damaged")
    return tmp_path / "pictures"


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(DatabaseConfig(path=tmp_path / "central.db"))
    migrate(opened)
    writer = BatchWriter(opened, Registry(), prefix="outfeed/v1")
    events = (event(7), event(8), event(9, ((-5, 1), (1 << 40, 2))))
    stored = [
        StoredEvent("press-1", JOURNAL, "0a" * 8, number, each.model_dump_json())
        for number, each in enumerate(events, start=1)
    ]
    writer.write([BrokerMessage("outfeed/v1/press-1/events", each.payload, NOW) for each in stored])
    yield opened
    opened.close()


@pytest.fixture
def client(database: Database, pictures: Path) -> Iterator[TestClient]:
    app = make_app(database, pictures=PictureArchive(pictures), now_us=lambda: NOW)
    with TestClient(app, base_url="http://127.0.0.1:8480") as opened:
        yield opened


def test_the_page_shows_the_picture_with_the_outlines(client: TestClient, pictures: Path) -> None:
    page = client.get("/stations/press-1/parts/7")
    assert 'viewBox="0 0 80 60"' in page.text
    assert 'href="/stations/press-1/parts/7/pictures/0"' in page.text
    assert 'points="10,20 30,20 30,40 "' in page.text
    picture = client.get("/stations/press-1/parts/7/pictures/0")
    assert picture.headers["content-type"] == "image/png"
    (file,) = pictures.glob("press-1/*/*/*-7-reject.png")
    assert picture.content == file.read_bytes()


def test_without_a_picture_the_outlines_are_drawn_alone(client: TestClient) -> None:
    page = client.get("/stations/press-1/parts/8")  # its picture is damaged
    assert "/pictures/" not in page.text
    assert 'points="10,20 30,20 30,40 "' in page.text


def test_outlines_out_of_any_frame_are_left_out(client: TestClient, database: Database) -> None:
    assert "<polygon" not in client.get("/stations/press-1/parts/9").text
    with database.read() as connection:
        evidence = read_evidence(connection, "press-1", 9)
        assert evidence is not None
        assert evidence.outlines == ()
        assert read_evidence(connection, "press-1", 10) is None


@pytest.mark.parametrize("path", ["7/pictures/1", "7/pictures/-1", "9/pictures/0", "99/pictures/0"])
def test_a_picture_that_is_not_there_is_not_found(client: TestClient, path: str) -> None:
    assert client.get(f"/stations/press-1/parts/{path}").status_code == 404
    assert client.get(f"/stations/press-2/parts/{path}").status_code == 404


def test_without_a_folder_there_are_no_pictures(database: Database) -> None:
    app = make_app(database, now_us=lambda: NOW)
    with TestClient(app, base_url="http://127.0.0.1:8480") as client:
        assert "/pictures/" not in client.get("/stations/press-1/parts/7").text
        assert client.get("/stations/press-1/parts/7/pictures/0").status_code == 404


def _thumbnail(client: TestClient, part_id: int) -> tuple[np.ndarray, str]:
    answer = client.get(f"/stations/press-1/parts/{part_id}/thumbnail")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "image/jpeg"
    pixels = cv2.imdecode(np.frombuffer(answer.content, np.uint8), cv2.IMREAD_COLOR)
    return pixels, answer.headers["cache-control"]


def _red(pixels: np.ndarray) -> np.ndarray:
    return (pixels[..., 2].astype(int) - pixels[..., 0]) > 60


def test_the_thumbnail_has_the_outlines(client: TestClient) -> None:
    pixels, cached = _thumbnail(client, 7)
    assert pixels.shape == (144, 192, 3)  # 60 × 80 at the longer side of 192
    assert cached == "private, max-age=3600"
    # The corners of the outline are at 10, 20 and 30, 40 px of the frame.
    rows, columns = np.nonzero(_red(pixels))
    assert (columns.min(), columns.max()) == pytest.approx((24, 72), abs=3)
    assert (rows.min(), rows.max()) == pytest.approx((48, 96), abs=3)
    assert float(pixels[5, 5].mean()) == pytest.approx(128, abs=6)


def test_without_a_picture_the_thumbnail_is_a_drawing(client: TestClient) -> None:
    drawing, cached = _thumbnail(client, 8)  # its picture is damaged
    assert cached == "private, max-age=60"
    assert _red(drawing).any()
    assert float(drawing[2, 2].mean()) == pytest.approx(200, abs=6)
    boxed, _ = _thumbnail(client, 9)  # its outlines are out of any frame, its box is not
    assert _red(boxed).any()
    assert client.get("/stations/press-1/parts/99/thumbnail").status_code == 404


def test_only_pictures_are_kept_by_browsers(client: TestClient) -> None:
    picture = client.get("/stations/press-1/parts/7/pictures/0")
    assert picture.headers["cache-control"] == "private, max-age=3600"
    for path in ("/", "/stations/press-1/parts/7", "/stations/press-1/parts/99/thumbnail"):
        assert client.get(path).headers["cache-control"] == "no-store"


def test_thumbnails_have_limits(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (file,) = pictures.glob("press-1/*/*/*-7-reject.png")
    made = Thumbnails(kept=3)
    outlines = [((number, number), (number + 9, 5), (9, 30)) for number in range(6)]
    first = made.of_picture(file, outlines[:1])
    for each in outlines:
        assert made.of_picture(file, [each]) is not None
    assert len(made) == 3
    assert made.of_picture(file, outlines[:1]) == first
    monkeypatch.setattr("central.web.plant.thumbnails.MAX_PICTURE_PX", 80 * 60 - 1)
    assert made.of_picture(file, outlines[:2]) is None
    assert made.of_picture(file.with_name("none.png"), ()) is None


def test_a_wide_frame_keeps_its_shape() -> None:
    data = draw_thumbnail([((0, 0), (4000, 0), (4000, 9))], 4000, 10)
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert pixels.shape == (8, 192, 3)


def test_the_wall_names_the_thumbnails(client: TestClient) -> None:
    text = client.get("/").text
    assert 'src="/stations/press-1/parts/7/thumbnail" alt="" width="64"' in text
    assert text.count('loading="lazy"') == text.count("<img") == 3


def test_who_sees_the_wall_sees_its_pictures() -> None:
    # The wall is rendered once for each set of stations, and not for each person.
    for granted in GRANTED.values():
        if Permission.SEE_STATIONS in granted:
            assert {Permission.SEE_PARTS, Permission.SEE_PICTURES} <= granted
