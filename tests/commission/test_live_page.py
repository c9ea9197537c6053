"""The live picture on the loopback: read-only, and over when it is closed."""

import http.client
import threading
import urllib.error
import urllib.request
from urllib.parse import urlsplit

import pytest

from edge.commission.live_page import LivePage
from edge.errors import UsageError


def test_the_page_and_its_pictures() -> None:
    page = LivePage(0)
    try:
        with urllib.request.urlopen(page.url, timeout=60) as answer:
            assert b'<img src="/stream">' in answer.read()
        page.show(b"first")
        with urllib.request.urlopen(f"{page.url}stream", timeout=60) as stream:
            kind = stream.headers["Content-Type"]
            assert kind == "multipart/x-mixed-replace; boundary=outfeed"
            assert part_of(stream) == b"first"
            page.show(b"second")
            assert part_of(stream) == b"second"
            page.close()
            assert stream.read() == b""  # the stream ends with the step
    finally:
        page.close()
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(page.url, timeout=60)
    assert not [thread for thread in threading.enumerate() if thread.name == "commission-live"]


def part_of(stream: http.client.HTTPResponse) -> bytes:
    """The next picture of a multipart stream."""
    assert stream.readline() == b"--outfeed\r\n"
    assert stream.readline() == b"Content-Type: image/jpeg\r\n"
    length = int(stream.readline().split()[1])
    assert stream.readline() == b"\r\n"
    return stream.read(length + 2)[:-2]


def test_nothing_else_is_served_and_nothing_is_taken() -> None:
    page = LivePage(0)
    try:
        place = urlsplit(page.url)
        assert place.hostname == "127.0.0.1"
        for method, path, status in (
            ("GET", "/station.toml", 404),
            ("GET", "/../etc/passwd", 404),
            ("POST", "/", 501),
            ("DELETE", "/stream", 501),
        ):
            link = http.client.HTTPConnection(str(place.hostname), place.port, timeout=60)
            link.request(method, path)
            assert link.getresponse().status == status
            link.close()
    finally:
        page.close()


def test_a_port_that_is_taken() -> None:
    page = LivePage(0)
    try:
        port = urlsplit(page.url).port
        assert port is not None
        with pytest.raises(UsageError, match=f"--browser 127.0.0.1:{port}: "):
            LivePage(port)
    finally:
        page.close()
