"""outfeed label as a command: its options, its refusals, its end and a kill."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from edge.labelling import LabelFolder
from tests.cli.conftest import Outfeed
from tests.support.folders import images, mask, put
from tests.support.keys import TRUST
from tests.support.label_pages import SESSION, unlabelled

OTHER_KEY = "ed25519:" + "11" * 32


@contextmanager
def running(*arguments: object) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The command as a process of its own, and the address that it printed."""
    command = [sys.executable, "-m", "edge", "label", *map(str, arguments)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            address = ""
            while not address:
                line = process.stdout.readline()
                assert line, process.stderr.read() if process.stderr else ""
                address = line.removeprefix("open ").strip() if line.startswith("open ") else ""
            yield process, address
        finally:
            process.kill()
            process.communicate()


class Browser:
    """A client that is let in by the printed address."""

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        self.host, self.port = parts.hostname, parts.port
        self.headers: dict[str, str] = {}
        status, headers, body = self.send("GET", f"/?{parts.query}")
        assert status == 200
        token = re.search(rb'outfeed-token" content="([^"]+)"', body)
        assert token is not None
        self.headers = {
            "cookie": headers["set-cookie"].partition(";")[0],
            "x-outfeed-token": token[1].decode(),
        }

    def send(self, method: str, path: str, fields: object = None) -> tuple[int, dict, bytes]:
        connection = http.client.HTTPConnection(self.host, self.port, timeout=60)
        body = None if fields is None else json.dumps(fields)
        connection.request(method, path, body, self.headers)
        answer = connection.getresponse()
        found = {key.lower(): value for key, value in answer.getheaders()}
        data = answer.read()
        connection.close()
        return answer.status, found, data

    def post(self, path: str, **fields: object) -> dict:
        status, _, body = self.send("POST", path, {"session": SESSION, "person": "Ada"} | fields)
        assert status == 200, body
        return json.loads(body)

    def save(self, name: str, label: str) -> None:
        opened = self.post("/api/open", name=name)
        self.post("/api/save", name=name, version=opened["version"], label=label)


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[tuple[LabelFolder, str]]:
    """The command without its server: what it would have served, and on which address."""
    from edge.cli import labelling

    found: list[tuple[LabelFolder, str]] = []

    def record(app: object, listening: socket.socket, **_: object) -> None:
        found.append((app, "{}:{}".format(*listening.getsockname()[:2])))

    monkeypatch.setattr(labelling, "serve", record)
    return found


def test_a_save_outlives_a_kill_and_the_next_start_goes_on(tmp_path: Path) -> None:
    root = unlabelled(tmp_path / "d", 3)
    with running(root, "--listen", "127.0.0.1:0") as (process, address):
        Browser(address).save("1.png", "good")
        process.kill()  # at once after the answer
    with running(root, "--listen", "127.0.0.1:0") as (process, address):
        browser = Browser(address)
        assert browser.post("/api/open", name="1.png")["label"] == "good"
        assert browser.post("/api/next")["name"] == "2.png"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_cleanly(tmp_path: Path, number: int) -> None:
    root = unlabelled(tmp_path / "d", 1)
    with running(root, "--listen", "127.0.0.1:0") as (process, address):
        Browser(address).save("1.png", "good")
        os.kill(process.pid, number)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0
        assert out == "ended; everything that was saved is on the disk\n"
        assert "Traceback" not in err


def test_a_port_in_use_is_one_line(outfeed: Outfeed, tmp_path: Path) -> None:
    root = unlabelled(tmp_path / "d", 1)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        result = outfeed("label", root, "--listen", address)
    assert (result.status, result.line) == (
        1,
        f"outfeed: --listen {address}: cannot be used: Address already in use",
    )
    assert not (root / ".outfeed-label").exists()


@pytest.mark.parametrize("address", ["8470", "0.0.0.0", "example.org:80", "127.0.0.1:70000", ":1"])
def test_an_address_that_is_none_is_wrong_usage(
    outfeed: Outfeed, tmp_path: Path, address: str
) -> None:
    result = outfeed("label", unlabelled(tmp_path / "d", 1), "--listen", address)
    assert (result.status, result.line) == (
        2,
        f"outfeed: --listen {address}: expected ADDRESS:PORT, for instance 0.0.0.0:8470",
    )


def test_it_listens_on_this_machine_only_or_where_it_is_asked_to(
    outfeed: Outfeed, tmp_path: Path, served: list, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = unlabelled(tmp_path / "d", 1)
    result = outfeed("label", root)
    assert result.status == 0
    assert served[0][1] == "127.0.0.1:8470"
    assert re.search(r"^open http://127\.0\.0\.1:8470/\?code=\w{20}$", result.out, re.MULTILINE)
    assert "1 picture; labels go to" in result.out
    assert outfeed("label", root, "--listen", "[::1]:0").status == 0
    assert served[1][1].startswith("::1:")
    # The tests may not ask the kernel for the way to another machine.
    monkeypatch.setattr("edge.web.server._reachable_host", lambda: "192.168.7.7")
    result = outfeed("label", root, "--listen", "0.0.0.0:0")
    assert served[2][1].startswith("0.0.0.0:")
    assert "open http://192.168.7.7:" in result.out


def test_the_codes_of_two_starts_differ(outfeed: Outfeed, tmp_path: Path, served: list) -> None:
    root = unlabelled(tmp_path / "d", 1)
    codes = {
        outfeed("label", root, "--listen", "127.0.0.1:0").out.split("code=")[1][:20] for _ in "ab"
    }
    assert len(codes) == 2


def test_pictures_that_counted_as_good_are_announced(
    outfeed: Outfeed, tmp_path: Path, served: list
) -> None:
    root = unlabelled(tmp_path / "d", 2)
    result = outfeed("label", root, "--listen", "127.0.0.1:0")
    assert "2 pictures without a mask counted as good parts until now" in result.line
    assert outfeed("label", root, "--listen", "127.0.0.1:0", "--known-good").err == ""


def test_faults_of_the_folder_are_named(outfeed: Outfeed, tmp_path: Path, served: list) -> None:
    root = images(tmp_path / "d", 2)
    put(root / "masks/dent/999.png", mask())
    result = outfeed("label", root, "--listen", "127.0.0.1:0", "--known-good")
    assert result.status == 0
    assert "make train would stop at this folder:" in result.err
    assert "999.png: is a mask without an image" in result.err


def test_a_loose_folder_needs_a_place_for_the_labels(
    outfeed: Outfeed, pictures: Path, tmp_path: Path, served: list
) -> None:
    result = outfeed("label", pictures)
    assert result.status == 2
    assert "--out DATA" in result.line
    out = tmp_path / "data"
    result = outfeed("label", pictures, "--out", out, "--listen", "127.0.0.1:0")
    assert (result.status, result.err) == (0, "")
    assert f"4 pictures; labels go to {out}" in result.out


def test_a_second_command_on_the_folder_is_one_line(outfeed: Outfeed, tmp_path: Path) -> None:
    root = unlabelled(tmp_path / "d", 1)
    with running(root, "--listen", "127.0.0.1:0"):
        result = outfeed("label", root, "--listen", "127.0.0.1:0")
    assert (result.status, "another process labels this folder" in result.line) == (1, True)


def test_a_bundle_proposes_with_the_options_of_inspect(
    outfeed: Outfeed, pictures: Path, bundle: Path, tmp_path: Path
) -> None:
    arguments = (pictures, "--out", tmp_path / "data", "--bundle", bundle)
    chain = ("--trust", TRUST, "--engine", "ort", "--precision", "int8", "--threads", 2)
    with running(*arguments, *chain, "--listen", "127.0.0.1:0") as (_, address):
        browser = Browser(address)
        about = json.loads(browser.send("GET", "/api/about")[2])
        assert about["network"].pop("bundle").startswith("dark-spots-1.0-")
        assert about["network"] == {"limit": 4.0, "threshold": 4.0}
        assert about["kinds"] == ["hole", "stain"]
        proposal = json.loads(browser.send("GET", "/api/proposal?name=hole.png")[2])
        assert [each["kind"] for each in proposal["defects"]] == ["hole"]
        assert browser.send("GET", "/severity?name=hole.png")[1]["content-type"] == "image/png"
    for options, reason in (
        (("--trust", OTHER_KEY), "signed"),
        (("--engine", "none"), "--engine none: expected"),
        (("--precision", "int4"), "--precision int4: expected"),
    ):
        result = outfeed("label", *arguments, *options)
        assert result.status in (1, 2)
        assert reason in result.line
    result = outfeed("label", *arguments, "--threads", 0)
    assert result.status == 2


def test_a_bundle_that_is_none_is_one_line(outfeed: Outfeed, tmp_path: Path) -> None:
    root = unlabelled(tmp_path / "d", 1)
    result = outfeed("label", root, "--bundle", tmp_path / "none.outfeed")
    assert (result.status, "none.outfeed" in result.line) == (1, True)


def test_without_the_web_framework_it_names_the_extra(
    outfeed: Outfeed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    result = outfeed("label", unlabelled(tmp_path / "d", 1))
    assert (result.status, result.line) == (
        2,
        "outfeed: label needs uvicorn: pip install 'outfeed[label]'",
    )


def test_another_machine_is_served_with_a_warning_or_by_tls(
    outfeed: Outfeed, tmp_path: Path, served: list, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = images(tmp_path / "d", 2)
    monkeypatch.setattr("edge.web.server._reachable_host", lambda: "192.168.7.7")
    result = outfeed("label", root, "--known-good", "--listen", "0.0.0.0:0")
    assert "the connection is not encrypted" in result.line
    assert "outfeed provision broker 192.168.7.7 --days 800 --out page" in result.line
    # The commands of the warning, as they stand there.
    monkeypatch.chdir(tmp_path)
    assert outfeed("provision", "authority").status == 0
    made = outfeed(*["provision", "broker", "192.168.7.7", "--days", "800", "--out", "page"])
    assert made.status == 0
    pair = ["--certificate", "page/broker.pem", "--key", "page/broker.key"]
    result = outfeed("label", root, "--known-good", "--listen", "0.0.0.0:0", *pair)
    assert (result.status, result.err) == (0, "")
    assert "open https://192.168.7.7:" in result.out
    result = outfeed("label", root, *pair[:2])
    assert (result.status, result.line) == (
        2,
        "outfeed: --certificate and --key: expected both, or neither",
    )
    result = outfeed("label", root, *pair[:2], "--key", "page/ca.pem")
    assert (result.status, "page/ca.pem: is not a private key" in result.line) == (1, True)


def test_it_states_what_it_took_over_from_another_tool(
    outfeed: Outfeed, tmp_path: Path, served: list
) -> None:
    root, out = tmp_path / "export", tmp_path / "data"
    images(root, 1)
    side = 'name="000.png" width="50" height="40"'
    put(root / "cvat.xml", f'<annotations><image id="0" {side}></image></annotations>')
    result = outfeed("label", root, "--out", out, "--listen", "127.0.0.1:0")
    assert (result.status, result.err) == (0, "")
    assert (
        f"{root}: took over the labels of 1 picture from CVAT into {out}; the label" in result.out
    )
    assert f"1 picture; labels go to {out}" in result.out
    result = outfeed("label", root)
    assert (result.status, "expected --out DATA" in result.line) == (2, True)
