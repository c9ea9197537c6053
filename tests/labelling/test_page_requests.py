"""The page over HTTP: what it answers, and every request that it refuses."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.images import read_image
from edge.labelling.requests import MOST_BODY_BYTES
from edge.labelling.runs import encode_runs
from models.data.layouts import open_dataset
from tests.support.folders import put, turned
from tests.support.label_pages import (
    OTHER,
    SESSION,
    LabelPage,
    label_page,
    square,
    unlabelled,
    write,
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return unlabelled(tmp_path / "d", 3)


@pytest.fixture
def page(root: Path) -> Iterator[LabelPage]:
    with label_page(root) as running:
        yield running.admit()


# What the page does


def test_a_person_opens_saves_and_gets_the_next_picture(page: LabelPage, root: Path) -> None:
    first = page.post("/api/next").json
    assert (first["name"], first["label"], first["held_by"]) == ("1.png", "none", "")
    assert (first["width"], first["height"], first["masks"]) == (80, 60, {})
    runs = encode_runs(square(3, 4, 13, 9))
    fields = {"name": "1.png", "version": first["version"], "label": "bad", "masks": {"dent": runs}}
    saved = page.post("/api/save", **fields)
    assert saved.status == 200
    assert saved.json["masks"] == {"dent": runs}
    assert (saved.json["by"], saved.json["kinds"]) == ("Ada", ["dent"])
    assert saved.json["counts"] == {"all": 3, "bad": 1, "none": 2}
    assert page.post("/api/next", after="1.png").json["name"] == "2.png"
    assert np.array_equal(
        open_dataset(root).load_kind_map(open_dataset(root).samples[0]) > 0, square(3, 4, 13, 9)
    )


def test_next_goes_round_and_ends_where_all_have_a_label(page: LabelPage) -> None:
    assert page.post("/api/next", after="2.png").json["name"] == "3.png"
    assert page.post("/api/next", after="3.png").json["name"] == "1.png"
    for name in ("1.png", "2.png"):
        assert page.save(name, "good").status == 200
    assert page.post("/api/next", after="2.png").json["name"] == "3.png"
    assert page.post("/api/next", after="3.png").json["name"] == ""


def test_a_picture_that_somebody_has_open_is_not_offered(page: LabelPage) -> None:
    assert page.post("/api/next").json["name"] == "1.png"
    assert page.post("/api/next", OTHER, "Ben").json["name"] == "2.png"
    opened = page.post("/api/open", OTHER, "Ben", name="1.png").json
    assert opened["held_by"] == "Ada"
    assert page.post("/api/beat", name="1.png").json["held"] == {"1.png": "Ben"}
    assert page.post("/api/leave", OTHER, "Ben").status == 200
    assert page.post("/api/beat", name="1.png").json["held"] == {}
    assert page.get("/api/pictures").json["held"] == {"1.png": "Ada"}


def test_a_save_on_an_old_version_is_answered_with_the_other_person(page: LabelPage) -> None:
    version = page.post("/api/open", name="1.png").json["version"]
    fields = {"name": "1.png", "version": version}
    assert page.post("/api/save", OTHER, "Ben", **fields, label="good").status == 200
    refused = page.post("/api/save", **fields, label="bad")
    assert refused.status == 409
    assert refused.json["by"] == "Ben"
    assert page.post("/api/open", name="1.png").json["label"] == "good"


def test_a_kind_is_added_for_everybody(page: LabelPage) -> None:
    assert page.post("/api/kind", kind=" dent ").json == {"kind": "dent", "kinds": ["dent"]}
    assert page.post("/api/beat", OTHER, "Ben").json["kinds"] == ["dent"]
    refused = page.post("/api/kind", kind="Dent")
    assert (refused.status, refused.json["error"]) == (
        422,
        "kind 'Dent': differs from 'dent' in capitals only; use that",
    )


def test_a_kind_keeps_its_place_and_so_its_key(page: LabelPage) -> None:
    page.post("/api/kind", kind="scratch")
    page.post("/api/kind", kind="dent")
    runs = encode_runs(square(3, 4, 13, 9))
    saved = page.save("1.png", "bad", masks={"dent": runs})
    assert saved.json["kinds"] == ["scratch", "dent"]
    page.save("1.png", "good")
    assert page.get("/api/about").json["kinds"] == ["scratch", "dent"]


def test_the_picture_is_that_of_a_station(page: LabelPage, root: Path) -> None:
    answer = page.get("/picture", "1.png")
    assert answer.headers["content-type"] == "image/png"
    shown = cv2.imdecode(np.frombuffer(answer.body, np.uint8), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(shown, cv2.imread(str(root / "images/1.png"), cv2.IMREAD_UNCHANGED))


def test_a_picture_that_browsers_show_otherwise_is_sent_as_png(page: LabelPage, root: Path) -> None:
    put(root / "images/1.png", turned(".png", 6))
    answer = page.get("/picture", "1.png")
    shown = cv2.imdecode(np.frombuffer(answer.body, np.uint8), cv2.IMREAD_UNCHANGED)
    # Not turned, as a station sees it.
    assert np.array_equal(shown, read_image(root / "images/1.png"))
    assert b"eXIf" not in answer.body
    assert "EXIF orientation 6" in page.post("/api/open", name="1.png").json["remarks"][0]
    bitmap = cv2.imencode(".bmp", np.full((5, 6), 130, np.uint8))[1].tobytes()
    (root / "images/2.png").write_bytes(bitmap)
    assert page.get("/picture", "2.png").headers["content-type"] == "image/png"
    (root / "images/3.png").unlink()
    assert page.get("/picture", "3.png").status == 422
    assert "cannot be read" in page.post("/api/open", name="3.png").json["fault"]


def test_a_picture_that_cannot_be_read_says_so(page: LabelPage, root: Path) -> None:
    (root / "images/1.png").write_bytes(b"\x89PNG\r\n\x1a\n cut")
    opened = page.post("/api/open", name="1.png").json
    assert opened["fault"].startswith(f"{root}/images/1.png: is cut short")
    assert opened.get("version") is None


def test_without_a_bundle_there_is_no_proposal(page: LabelPage) -> None:
    assert page.get("/api/about").json["network"] is None
    assert page.get("/api/proposal", "1.png").json == {"state": "none"}
    assert page.get("/severity", "1.png").status == 422


# What it refuses


@pytest.mark.parametrize(
    "path", ["/api/about", "/api/pictures", "/picture?name=1.png", "/page/main.js", "/api/proposal"]
)
def test_without_the_code_nothing_is_shown(root: Path, path: str) -> None:
    with label_page(root) as page:
        answer = page.send("GET", path)
        assert answer.status == 403
        assert "code is missing" in answer.json["error"]
        assert (
            page.send("GET", path, headers={"cookie": f"outfeed_label_{page.port}=x"}).status == 403
        )


def test_a_wrong_code_opens_the_form_only(root: Path) -> None:
    with label_page(root) as page:
        for path in ("/", "/?code=wrong", "/?code=" + "é"):
            answer = page.send("GET", path.replace("é", "%C3%A9"))
            assert (answer.status, "set-cookie" in answer.headers) == (403, False)
            assert page.access.token.encode() not in answer.body
            assert b"<h1>Code</h1>" in answer.body
        assert page.send("POST", "/login", {"code": "wrong"}).status == 403
        assert page.send("GET", "/page/login.js").status == 200
        fine = page.send("POST", "/login", {"code": f" {page.access.code} "})
        assert fine.json == {"token": page.access.token}
        page.cookie = fine.headers["set-cookie"].partition(";")[0]
        assert page.get("/api/about").status == 200


def test_the_cookie_is_strict_and_hidden_from_scripts(page: LabelPage) -> None:
    page.cookie = ""
    cookie = page.send("GET", f"/?code={page.access.code}").headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie


@pytest.mark.parametrize("token", ["", "x", "é"])
def test_a_change_without_the_token_of_the_page_is_refused(
    page: LabelPage, root: Path, token: str
) -> None:
    fields = {"session": SESSION, "person": "Ada", "name": "1.png", "version": "", "label": "good"}
    header = {"x-outfeed-token": token.encode().decode("latin-1")}
    answer = page.send("POST", "/api/save", fields, headers=header)
    assert (answer.status, not (root / "labelled.csv").exists()) == (403, True)


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8470", "127.0.0.1.evil.example", ""]
)
def test_a_foreign_host_is_refused(page: LabelPage, host: str) -> None:
    assert page.send("GET", "/", headers={"host": host or " "}).status == 421


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:1", "192.168.1.5:8470", "[::1]:8470"])
def test_an_address_and_localhost_are_own_hosts(page: LabelPage, host: str) -> None:
    assert page.send("GET", "/", headers={"host": host}).status == 200


@pytest.mark.parametrize(
    "name", ["../secret.png", "..%2Fsecret.png", "/etc/passwd", "images/1.png", "", "1.png\x00"]
)
def test_a_path_out_of_the_folder_is_no_picture(page: LabelPage, root: Path, name: str) -> None:
    write(root.parent / "secret.png", np.zeros((20, 20), np.uint8))
    assert page.get("/picture", name).status == 404
    assert page.post("/api/open", name=name or "?").status == 404


@pytest.mark.parametrize(
    "path",
    ["/page/", "/page/../app.py", "/page/%2e%2e/app.py", "/page/..%2fapp.py", "/page/app.py", "/x"],
)
def test_only_the_files_of_the_page_are_served(page: LabelPage, path: str) -> None:
    assert page.send("GET", path).status == 404


def test_other_methods_are_refused(page: LabelPage) -> None:
    assert [page.send(method, "/").status for method in ("PUT", "DELETE", "OPTIONS")] == [405] * 3
    assert page.send("GET", "/api/save").status == 405


def test_a_request_that_is_too_large_is_refused(page: LabelPage) -> None:
    assert page.send("POST", "/api/save", raw=b" " * (MOST_BODY_BYTES + 1)).status == 413
    # Without its length in the header, the body is read up to the limit.
    with socket.create_connection(("127.0.0.1", page.port), timeout=120) as raw:
        head = (
            f"POST /api/save HTTP/1.1\r\nhost: 127.0.0.1\r\ncookie: {page.cookie}\r\n"
            f"x-outfeed-token: {page.access.token}\r\ntransfer-encoding: chunked\r\n\r\n"
        )
        raw.sendall(head.encode())
        piece = b"100000\r\n" + b" " * (1 << 20) + b"\r\n"
        for _ in range(MOST_BODY_BYTES // (1 << 20) + 1):
            raw.sendall(piece)
        assert raw.recv(100).startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize(
    ("path", "fields", "reason"),
    [
        ("/api/save", {"name": "1.png"}, "key 'version' is missing"),
        ("/api/save", {"name": "1.png", "version": "", "label": "fine"}, "key 'label'"),
        ("/api/save", {"name": "1.png", "version": "", "label": "bad", "x": 1}, "unknown key 'x'"),
        (
            "/api/save",
            {"name": "1.png", "version": "", "label": "bad", "masks": {"dent": ["1", 2]}},
            "key 'masks.dent.0'",
        ),
        ("/api/open", {"name": "1.png", "person": ""}, "key 'person'"),
        ("/api/open", {"name": "1.png", "session": "me"}, "key 'session'"),
    ],
)
def test_a_request_that_is_not_as_expected_is_one_line(
    page: LabelPage, path: str, fields: dict[str, object], reason: str
) -> None:
    answer = page.send("POST", path, {"session": SESSION, "person": "Ada"} | fields)
    assert answer.status == 400
    assert reason in answer.json["error"]
    assert len(answer.json["error"].splitlines()) == 1


def test_what_is_no_json_is_one_line(page: LabelPage) -> None:
    for raw in (b"", b"{", b"[1]", b"\xff\xfe", b'{"a":' * 5000):
        answer = page.send("POST", "/api/open", raw=raw)
        assert (answer.status, list(answer.json)) == (400, ["error"])


@pytest.mark.parametrize("runs", [[1], [0, 0], [4799, 2], [5, 5, 6, 1], [-1, 3], [2**63, 1]])
def test_runs_outside_the_picture_are_refused(page: LabelPage, root: Path, runs: list[int]) -> None:
    answer = page.save("1.png", "bad", masks={"dent": runs})
    assert (answer.status, answer.json["error"]) == (
        422,
        "runs: expected ascending pairs of start and length inside 80×60 px",
    )
    assert not (root / "masks").exists()


def test_every_answer_has_the_headers_of_a_closed_page(page: LabelPage) -> None:
    for path in ("/", "/page/main.js", "/api/about", "/none"):
        headers = page.send("GET", path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert headers["referrer-policy"] == "no-referrer"
        assert "server" not in headers


def test_the_page_names_nothing_outside_of_itself() -> None:
    folder = Path(__file__).parents[2] / "edge/labelling/page"
    for path in folder.iterdir():
        text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert "http:" not in text, path
        assert "https:" not in text, path
        assert " style=" not in text, path


def test_the_name_of_a_folder_cannot_become_html(tmp_path: Path) -> None:
    root = unlabelled(tmp_path / "<b>d</b>", 1)
    with label_page(root) as page:
        body = page.send("GET", f"/?code={page.access.code}").body
        assert b"&lt;b&gt;d&lt;/b&gt;" not in body  # the last part of the path is "b>"
        assert b"<h1>b&gt;</h1>" in body


def test_json_bodies_are_bounded_in_their_numbers(page: LabelPage) -> None:
    many = json.dumps(
        {
            "session": SESSION,
            "person": "Ada",
            "name": "1.png",
            "version": "",
            "label": "bad",
            "masks": {str(n): [1] for n in range(61)},
        }
    )
    answer = page.send("POST", "/api/save", raw=many.encode())
    assert answer.status == 400
    assert "key 'masks'" in answer.json["error"]
