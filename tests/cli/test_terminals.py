"""Terminals that show little, file names that are commands to one, and what must not be shown."""

from __future__ import annotations

import io
import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import pytest

from edge.__main__ import main
from edge.errors import FrameError
from edge.events.event import part_event
from edge.records import Verdict
from edge.station.part_guard import attempt
from edge.terminals import LogFormatter, tolerate
from edge.validation_messages import masked, one_line, printable
from tests.cli.conftest import Outfeed
from tests.support.bundles import HOLE

ESCAPES = "\x1b]0;owned\x07\x1b[2J"
ODD = f"a{ESCAPES}\u202e\x9b31m\nb"


class Terminal:
    """Standard output and error of an encoding."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
        self.bytes = io.BytesIO(), io.BytesIO()
        for name, data in zip(("stdout", "stderr"), self.bytes, strict=True):
            stream = io.TextIOWrapper(data, encoding=encoding, write_through=True)
            monkeypatch.setattr(sys, name, stream)

    def call(self, *arguments: object) -> tuple[int, str, str]:
        for data in self.bytes:
            data.seek(0)
            data.truncate()
        status = main([str(argument) for argument in arguments])
        out, err = (data.getvalue().decode("latin-1") for data in self.bytes)
        return status, out, err


@pytest.mark.parametrize("encoding", ["ascii"])
def test_every_command_on_a_terminal_that_shows_little(
    encoding: str, configure: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = configure("[pictures]\nmin_free_mb = 1\n")
    terminal = Terminal(monkeypatch, encoding)
    status, out, _ = terminal.call("run", "-c", path)
    assert status == 0
    assert "12 in " in out
    bundle = path.parent / "small.outfeed"
    commands: list[tuple[object, ...]] = [
        ("doctor", "-c", path),
        ("doctor", "-c", path, "--json"),
        ("bundle", "show", bundle),
        ("bundle", "verify", bundle),
        ("disk-usage", "-c", path),
        ("bench", "-b", bundle, "--repeat", "1"),
        ("replay", "-c", path, "--all"),
        ("inspect", path.parent / "frames", "-b", bundle),
        ("inspect", path.parent / "\u2192", "-b", bundle),
        ("run", "-c", path.parent / "\u2192.toml"),
        *((command, "--help") for command in ("run", "doctor", "commission", "bench", "provision")),
    ]
    for command in commands:
        status, out, err = terminal.call(*command)
        assert status in (0, 1, 2, 78), command
        assert out + err, command
        assert "Traceback" not in err


def test_the_doctor_in_a_process_of_such_a_place(configure: Callable[..., Path]) -> None:
    command = [sys.executable, "-m", "edge", "doctor", "-c", str(configure())]
    environment = {**os.environ, "PYTHONIOENCODING": "latin-1", "LANG": "C"}
    done = subprocess.run(command, env=environment, capture_output=True, check=False)
    assert b"Traceback" not in done.stderr
    assert b" FAIL, " in done.stdout
    assert b"-> " in done.stdout


def test_json_stays_json(monkeypatch: pytest.MonkeyPatch) -> None:
    data = io.BytesIO()
    stream = io.TextIOWrapper(data, encoding="ascii", write_through=True)
    tolerate(streams=(stream,))
    stream.write(json.dumps({"a": "\u03bb \U0001f600 \u00e9 \udcff"}, ensure_ascii=False))
    assert json.loads(data.getvalue()) == {"a": "\u03bb \U0001f600 \u00e9 \udcff"}


@pytest.fixture
def odd_frames(configure: Callable[..., Path]) -> Path:
    """A station whose second picture is broken and has the name of an attack; the third one's name
    is no UTF-8."""
    path = configure("[pictures]\nmin_free_mb = 1\n")
    frames = path.parent / "frames"
    for file in sorted(frames.iterdir())[2:]:
        file.unlink()
    (frames / f"05{ODD}.png").write_bytes(b"no picture")
    Path(os.fsdecode(os.fsencode(frames) + b"/06\xff.png")).write_bytes(b"no picture")
    cv2.imwrite(str(frames / "07.png"), HOLE)
    return path


def assert_harmless(text: str) -> None:
    found = [c for c in text if not c.isprintable() and c != "\n"]
    assert not found, repr(text)


def test_names_that_a_terminal_would_obey(odd_frames: Path, outfeed: Outfeed) -> None:
    folder = odd_frames.parent
    bundle = folder / "small.outfeed"
    (folder / ODD).mkdir()
    for arguments in (
        ("run", "-c", odd_frames),
        ("--verbose", "run", "-c", odd_frames),
        ("inspect", folder / "frames", "-b", bundle),
        ("inspect", folder / ODD, "-b", bundle),
        ("inspect", folder / f"x{ODD}", "-b", bundle),
        ("bundle", "show", folder / ODD),
        ("run", "-c", folder / f"{ODD}.toml"),
        ("doctor", "-c", folder / f"{ODD}.toml"),
        ("quarantine", "list", folder / ODD),
        ("quarantine", "collect", folder / ODD, "-c", odd_frames),
        ("bundle", "keygen", "--out", folder / f"k{ODD}"),
        ("provision", "authority", "--out", folder / f"ca{ODD}"),
    ):
        result = outfeed(*arguments)
        assert_harmless(result.out)
        assert_harmless(result.err)
        assert result.out + result.err


def test_a_name_that_is_no_text_fits_into_the_journal() -> None:
    """It would have ended the journal's thread, and so the station."""

    def fails() -> Verdict:
        raise FrameError(
            f"frames/\udcff{ESCAPES}.png of rtsp://a:geheim@b: is cut short{'x' * 9000}"
        )

    verdict = attempt(7, fails)
    text = part_event("press-3", "b", verdict, 0).model_dump_json()
    assert_harmless(text)
    assert "frames/\\\\udcff" in text
    assert "geheim" not in text
    assert len(text) < 1000


URLS = [
    "rtsp://admin:geheim@10.0.0.9/s",
    "rtsp://admin:ge@geheim@10.0.0.9/s",
    "rtsp://admin:a/geheim@10.0.0.9/s",
    "http://10.0.0.9/mjpg?user=admin&password=geheim&x=1",
    "http://10.0.0.9/mjpg?token=geheim",
]


@pytest.mark.parametrize("url", URLS)
def test_no_password_of_a_camera_is_shown(
    url: str, outfeed: Outfeed, configure: Callable[..., Path]
) -> None:
    path = configure("")
    text = path.read_text().replace('kind = "files"', 'kind = "stream"')
    text = text.replace('path = "frames"', f'url = "{url}"').replace("loop = false", "")
    for keys in (
        "latency_ms = 5",
        "",
        "latency_ms = 5\nkind = 3",
        "latency_ms = 5\ntimeout_ms = 1",
    ):
        path.write_text(text.replace("[trigger]", f"{keys}\n[trigger]\nparts = 2"))
        for command in ("doctor", "disk-usage"):
            result = outfeed(command, "-c", path)
            assert "geheim" not in result.out + result.err
    path.write_text(text.replace("[trigger]", "latency_ms = 5\n[trigger]").replace(url, f"{url} x"))
    result = outfeed("run", "-c", path)
    assert result.status == 78
    assert "geheim" not in result.err
    assert "key 'camera.url'" in result.err


@pytest.mark.parametrize("url", URLS)
def test_nor_in_a_log(url: str) -> None:
    record = logging.LogRecord("a", logging.ERROR, "a", 1, "camera %s x", (url,), None)
    assert "geheim" not in LogFormatter("%(message)s").format(record)
    assert "geheim" not in masked(f"'{url}'")
    assert masked("nothing at all: a@b") == "nothing at all: a@b"


def test_a_traceback_keeps_its_lines() -> None:
    try:
        raise ValueError(f"rtsp://a:geheim@b {ESCAPES}")
    except ValueError:
        record = logging.LogRecord("a", logging.ERROR, "a", 1, "x\ny", (), sys.exc_info())
    text = LogFormatter("%(message)s").format(record)
    assert_harmless(text)
    assert text.startswith("x\\ny\nTraceback (most recent call last):\n")
    assert "geheim" not in text


def test_printable() -> None:
    assert printable("Größe 5 µm") == "Größe 5 µm"
    assert printable("a\tb\x1b") == "a\\tb\\x1b"
    assert one_line("a\nb") == "a b"


def test_a_list_with_a_byte_order_mark(
    outfeed: Outfeed, configure: Callable[..., Path], tmp_path: Path
) -> None:
    path = configure()
    frames = sorted((path.parent / "frames").iterdir())[:2]
    listed = tmp_path / "list.txt"
    bundle = path.parent / "small.outfeed"
    listed.write_bytes(b"\xef\xbb\xbf" + "\r\n".join(map(str, frames)).encode())
    result = outfeed("inspect", "--list", listed, "-b", bundle)
    assert (result.status, len(result.records)) == (0, 2)
    listed.write_text("\n".join(map(str, frames)), encoding="utf-16")
    result = outfeed("inspect", "--list", listed, "-b", bundle)
    assert result.status == 2
    assert result.err.rstrip().endswith("list.txt: is UTF-16 text; expected UTF-8")


def test_keys_with_a_byte_order_mark(
    outfeed: Outfeed, configure: Callable[..., Path], tmp_path: Path
) -> None:
    assert outfeed("bundle", "keygen", "--out", tmp_path / "plant").status == 0
    for name in ("plant.pub", "plant.key"):
        file = tmp_path / name
        file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    path = configure(trust="plant.pub")
    bundle = path.parent / "small.outfeed"
    assert outfeed("bundle", "sign", bundle, "--key", tmp_path / "plant.key").status == 0
    assert outfeed("run", "-c", path).status == 0
