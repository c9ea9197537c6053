"""A station page in this process, the events that it shows, and requests to it."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

pytest.importorskip("starlette", reason="starlette is not installed: pip install 'outfeed[page]'")
pytest.importorskip("uvicorn", reason="uvicorn is not installed: pip install 'outfeed[page]'")

from edge.clock import utc_now
from edge.config.page import PageConfig
from edge.config.station import StationConfig
from edge.events.event import (
    ActuationAction,
    ActuationCause,
    ActuationEvent,
    DefectPayload,
    Event,
    PartEvent,
    actuation_event,
)
from edge.journal.writer import Journal
from edge.records import Decision
from edge.station_page.people import PagePerson, PeopleFile, Right, hash_password
from edge.station_page.run import run_page
from tests.support.configurations import BY_TIME, load

PASSWORD = "a long secret"
_WAIT_S = 60.0


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def page_config(folder: Path, **page: Any) -> StationConfig:
    """The configuration of a station in this folder, with a free port for its page."""
    config = load(folder / "station.toml", BY_TIME)
    config.state_dir.mkdir(exist_ok=True)
    section = PageConfig(**{"port": free_port(), **page})
    return config.model_copy(update={"page": section})


def write_people(path: Path, **rights: Right) -> Path:
    people = [PagePerson(name=name, may=may, password=_HASH) for name, may in rights.items()]
    path.write_text(PeopleFile(people=people).model_dump_json())
    return path


def part(
    number: int,
    decision: Decision = Decision.PASS,
    *defects: DefectPayload,
    utc: str | None = None,
    bundle: str = "small-1",
    reason: str = "no defect",
) -> PartEvent:
    return PartEvent(
        station="press-1",
        boot_id="boot",
        utc=utc or utc_now(),
        bundle=bundle,
        part_id=number,
        decision=decision,
        reason=reason,
        peak_severity=8.0 if defects else 0.5,
        defects=defects,
        timings_us=None,
        triggered_ns=1,
    )


def defect(kind: str = "scratch", guidance: str = "Check the guide rail.", **given: Any) -> Any:
    fields = {
        "kind": kind,
        "confidence": 0.9,
        "guidance": guidance,
        "box": (10, 20, 60, 40),
        "area_px": 300,
        "peak_severity": 8.0,
        "mean_severity": 5.0,
        "outline": (((10, 20), (60, 25), (30, 40)),),
        **given,
    }
    return DefectPayload(**fields)


def action(
    number: int | None,
    what: ActuationAction = ActuationAction.EJECTED,
    cause: ActuationCause = ActuationCause.VERDICT,
) -> ActuationEvent:
    return actuation_event(
        "press-1", part_id=number, due_ns=5, at_ns=6, width_us=20, action=what, cause=cause
    )


def open_page_journal(config: StationConfig) -> Journal:
    return Journal.open(
        config.paths.journal, station=config.id, max_bytes=8 << 20, cursor_path=config.paths.cursor
    )


def write_journal(config: StationConfig, events: Sequence[Event]) -> None:
    """Append events, as a station does that then stops."""
    journal = open_page_journal(config)
    journal.append(events)
    journal.close()


def eventually(condition: Callable[[], Any], what: str) -> Any:
    """Return the result of the condition once it is true."""
    limit_s = time.monotonic() + _WAIT_S
    while not (found := condition()):
        assert time.monotonic() < limit_s, what
        time.sleep(0.05)
    return found


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str]
    text: str


@dataclass(frozen=True)
class PageClient:
    """Requests as a browser sends them. cookie: of a person who is logged in."""

    port: int
    tls: ssl.SSLContext | None = None
    cookie: str = ""

    @property
    def url(self) -> str:
        return f"{'http' if self.tls is None else 'https'}://127.0.0.1:{self.port}"

    def send(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Reply:
        link: http.client.HTTPConnection
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_WAIT_S)
        if self.tls is not None:
            link = http.client.HTTPSConnection(
                "127.0.0.1", self.port, timeout=_WAIT_S, context=self.tls
            )
        given = {key.replace("_", "-"): value for key, value in headers.items()}
        if self.cookie:
            given.setdefault("cookie", self.cookie)
        try:
            link.request(method, path, body, given)
            answer = link.getresponse()
            found = {key.lower(): value for key, value in answer.getheaders()}
            return Reply(answer.status, found, answer.read().decode("utf-8", "replace"))
        finally:
            link.close()

    def get(self, path: str, **headers: str) -> Reply:
        return self.send("GET", path, **headers)

    def post(self, path: str, fields: dict[str, Any], **headers: str) -> Reply:
        return self.send("POST", path, urlencode(fields).encode(), **headers)

    def log_in(self, name: str, password: str = PASSWORD) -> PageClient:
        answer = self.post("/login", {"name": name, "password": password})
        assert answer.status == 303, answer.text
        return replace(self, cookie=answer.headers["set-cookie"].partition(";")[0])

    def token(self) -> str:
        """The token in the forms of this person."""
        return self.get("/parts").text.partition('name="token" value="')[2].partition('"')[0]

    def shows(self, text: str, path: str = "/") -> Reply:
        """Wait until the page has a text."""

        def look() -> Reply | None:
            answer = self.get(path)
            return answer if text in answer.text else None

        found = eventually(look, f"{text!r} at {path}")
        assert isinstance(found, Reply)
        return found


@contextmanager
def station_page(config: StationConfig, tls: ssl.SSLContext | None = None) -> Iterator[PageClient]:
    """Serve the page of a station until the block ends."""
    stop, errors = threading.Event(), []

    def run() -> None:
        try:
            run_page(config, stop)
        except BaseException as error:  # noqa: BLE001 - it is raised in the test's own thread
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    client = PageClient(config.page.port, tls)
    try:
        eventually(lambda: errors or _answers(client), "a page that answers")
        assert not errors, errors
        yield client
    finally:
        stop.set()
        thread.join(20)
        assert not thread.is_alive()
        assert not errors, errors


def _answers(client: PageClient) -> bool:
    try:
        return client.get("/page/icon.svg").status == 200
    except OSError:
        return False


_HASH = hash_password(PASSWORD, bytes(16))
