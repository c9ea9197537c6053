"""The download of a system from a real HTTPS server that interrupts, lies or stalls."""

import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from edge.errors import UsageError
from edge.provision import make_authority, make_broker
from edge.updates.system.fetch import FetchLimits, fetch
from edge.updates.system.offer import SystemUpdateError

CONTENT = bytes(range(256)) * 4096
LIMITS = FetchLimits(free_bytes=0, timeout_s=5.0, attempts=3, pause_s=0.0)


@dataclass
class Server:
    """A server with one file, and its faults. ranges: the ranges that were asked for."""

    content: bytes = CONTENT
    etag: str = '"one"'
    cut_after: int | None = None
    status: int = 200
    chunked: bool = False
    ranges: list[str] = field(default_factory=list)
    port: int = 0
    authority: Path = Path()

    @property
    def address(self) -> str:
        return f"https://127.0.0.1:{self.port}/outfeed-arm64-1.1.raucb"

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        asked = handler.headers.get("Range", "")
        self.ranges.append(asked)
        if self.status != 200:
            handler.send_error(self.status)
            return
        begin = 0
        if asked and handler.headers.get("If-Range") == self.etag:
            begin = int(asked.removeprefix("bytes=").rstrip("-"))
            handler.send_response(206)
            end, total = len(self.content) - 1, len(self.content)
            handler.send_header("Content-Range", f"bytes {begin}-{end}/{total}")
        else:
            handler.send_response(200)
        handler.send_header("ETag", self.etag)
        if not self.chunked:
            handler.send_header("Content-Length", str(len(self.content) - begin))
        handler.end_headers()
        body = self.content[begin:]
        handler.wfile.write(body if self.cut_after is None else body[: self.cut_after])


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.answer(self)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    authority = make_authority(tmp_path / "authority")
    revoked = (tmp_path / "authority/revoked.pem").read_bytes()
    make_broker(tmp_path / "certs", authority, revoked, ["127.0.0.1"])
    files = {path.suffix: path for path in (tmp_path / "certs").glob("broker.*")}
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files[".pem"], files[".key"])
    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.socket = context.wrap_socket(http.socket, server_side=True)
    state.port, state.authority = http.server_port, tmp_path / "certs/ca.pem"
    thread = threading.Thread(target=http.serve_forever)
    thread.start()
    yield state
    http.shutdown()
    thread.join(10)
    http.server_close()


def get(server: Server, folder: Path, limits: FetchLimits = LIMITS) -> bytes:
    return fetch(
        server.address, folder, authority=server.authority, limits=limits, wait=lambda _: None
    ).read_bytes()


def test_a_bundle_is_downloaded(server: Server, tmp_path: Path):
    assert get(server, tmp_path / "to") == CONTENT
    assert sorted(path.name for path in (tmp_path / "to").iterdir()) == ["update.raucb"]


def test_a_connection_that_ends_early_is_continued(server: Server, tmp_path: Path):
    server.cut_after = 300_000
    assert get(server, tmp_path / "to") == CONTENT
    assert server.ranges == ["", "bytes=300000-", "bytes=600000-", "bytes=900000-"]


def test_a_download_continues_in_the_next_process(server: Server, tmp_path: Path):
    server.cut_after = 0
    (tmp_path / "to").mkdir()
    (tmp_path / "to/update.part").write_bytes(CONTENT[:1000])
    (tmp_path / "to/update.source").write_text(f'{server.address}\n"one"\n')
    with pytest.raises(SystemUpdateError, match="the server ended the connection"):
        get(server, tmp_path / "to")
    server.cut_after, server.ranges = None, []
    assert get(server, tmp_path / "to") == CONTENT
    assert server.ranges == ["bytes=1000-"]


def test_parts_of_two_files_are_never_joined(server: Server, tmp_path: Path):
    (tmp_path / "to").mkdir()
    (tmp_path / "to/update.part").write_bytes(b"x" * 1000)
    (tmp_path / "to/update.source").write_text(f'{server.address}\n"zero"\n')
    assert get(server, tmp_path / "to") == CONTENT


def test_a_part_of_another_address_is_replaced(server: Server, tmp_path: Path):
    (tmp_path / "to").mkdir()
    (tmp_path / "to/update.part").write_bytes(b"x" * 1000)
    (tmp_path / "to/update.source").write_text('https://other/x.raucb\n"one"\n')
    assert get(server, tmp_path / "to") == CONTENT
    assert server.ranges == [""]


@pytest.mark.parametrize(
    ("limits", "line"),
    [
        (FetchLimits(max_bytes=1000), "1048576 bytes: expected at most 1000"),
        (FetchLimits(free_bytes=1 << 60), "MiB for the journal"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_before_it_is_read(
    server: Server, tmp_path: Path, limits: FetchLimits, line: str
):
    with pytest.raises(SystemUpdateError, match=line):
        get(server, tmp_path / "to", limits)
    assert not (tmp_path / "to/update.part").exists()


@pytest.mark.parametrize(
    ("status", "line"),
    [(404, "the server answers 404"), (503, "the server answers 503")],
)
def test_a_server_that_has_nothing_is_named(server: Server, tmp_path: Path, status: int, line: str):
    server.status = status
    with pytest.raises(SystemUpdateError, match=line):
        get(server, tmp_path / "to")
    assert len(server.ranges) == (1 if status == 404 else LIMITS.attempts)


def test_endless_data_is_refused(server: Server, tmp_path: Path):
    server.chunked = True
    with pytest.raises(SystemUpdateError, match="the server states no length"):
        get(server, tmp_path / "to")


def test_a_slow_connection_is_replaced_by_another_one(server: Server, tmp_path: Path):
    slow = FetchLimits(
        free_bytes=0, attempts=2, pause_s=0.0, slow_s=0.0, slow_bytes_per_s=float("inf")
    )
    assert get(server, tmp_path / "to", slow) == CONTENT
    assert len(server.ranges) > 1


def test_a_server_of_another_authority_is_refused(server: Server, tmp_path: Path):
    make_authority(tmp_path / "other")
    with pytest.raises(SystemUpdateError, match="certificate verify failed"):
        fetch(server.address, tmp_path / "to", authority=tmp_path / "other/ca.pem", limits=LIMITS)
    assert server.ranges == []


@pytest.mark.parametrize("address", ["http://x/a.raucb", "https:///a.raucb", "https://x/a.zip"])
def test_another_address_is_a_wrong_usage(tmp_path: Path, address: str):
    with pytest.raises(UsageError, match="BUNDLE: expected https://HOST/NAME"):
        fetch(address, tmp_path)
