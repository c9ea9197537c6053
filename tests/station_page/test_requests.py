"""The page over real connections: what it shows, to whom, and what it refuses."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
from dataclasses import replace
from pathlib import Path

import cv2
import pytest

from edge.bundle import read_bundle
from edge.errors import OutfeedError
from edge.events.event import ActuationAction, ActuationCause, gap_event, mark_event
from edge.inbox import Inbox, Mark, PageMarks
from edge.journal.reader import JournalReader
from edge.pictures.file_name import PictureName
from edge.pictures.keep_rules import KeepReason
from edge.provision import make_authority, make_broker, read_file
from edge.records import Decision
from edge.station.monitor.self_test_state import SelfTestState, write_self_test
from edge.station_page.run import run_page
from edge.uplink.state import UplinkPaths, UplinkState
from tests.support.bundles import HOLE, small_bundle
from tests.support.station_page import (
    action,
    defect,
    page_config,
    part,
    station_page,
    write_journal,
    write_people,
)

P, R, U = Decision.PASS, Decision.REJECT, Decision.UNKNOWN
HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(1)>&amp;\u202e'


def test_state_figures_rejects_guidance_and_ejector(tmp_path: Path) -> None:
    config = page_config(tmp_path)
    small = defect("stain", "Clean the rollers.", outline=(), peak_severity=3.25)
    write_journal(
        config,
        [
            part(1),
            part(2, R, defect()),
            action(2),
            part(3, R, small, reason="stain: 1 of severity up to 3.3"),
            action(3, ActuationAction.MISSED, ActuationCause.TOO_CLOSE),
            part(4, U, reason="no frame"),
        ],
    )
    with station_page(config) as page:
        text = page.shows("Part 4").text
        assert "NOT READY" in text
        assert "the station does not run" in text
        assert '<dt>parts</dt><dd class="">4</dd>' in text
        assert "25.0 %" in text
        assert "1 part that had to be ejected passed in the last 60 minutes" in text
        assert "What to do: scratch" not in text  # an earlier part; its own page has it
        assert "NOT EJECTED, although it had to be: too close to another part" in text
        assert "no picture, and no place of a defect" in text
        assert 'points="10,20 60,25 30,40"' in text
        assert "severity 3.2 of 12" in text
        part_3 = page.get("/parts/3").text
        assert "What to do: stain" in part_3
        assert "Clean the rollers." in part_3
        assert 'points="10,20 60,20 60,40 10,40"' in part_3  # its box, without an outline
        assert page.get("/parts/99").status == 404
        assert '<a href="/parts/1">1</a>' in page.get("/parts").text


def test_hostile_payloads_are_shown_as_text(tmp_path: Path) -> None:
    config = page_config(tmp_path)
    far = ((0, 0), (1 << 60, 5), (-4, 1))
    bad = defect(HOSTILE, HOSTILE, outline=(far, ()), box=(-9, 1 << 50, 3, 2), peak_severity=1e300)
    write_journal(
        config,
        [
            part(1, R, bad, reason=HOSTILE, bundle=HOSTILE, utc=HOSTILE),
            part(2**62, R, *[defect(f"{HOSTILE}{n}") for n in range(64)], reason=HOSTILE),
            gap_event("press-1", count=1, reason=HOSTILE),
            part(3, U, reason=HOSTILE, utc="\x00\x1b[2J"),
        ],
    )
    with station_page(config) as page:
        for path in ("/", "/live", "/parts", "/parts/1", f"/parts/{2**62}"):
            answer = page.shows("&lt;script&gt;", path)
            assert answer.status == 200
            assert "<script>alert" not in answer.text
            assert "<img" not in answer.text
            assert "\u202e" not in answer.text
            assert "\x1b" not in answer.text
        assert str(1 << 60) not in page.get("/parts/1").text
        policy = page.get("/").headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self';" in policy


def test_the_picture_of_a_part(tmp_path: Path) -> None:
    config = page_config(tmp_path)
    write_journal(config, [part(5, R, defect()), part(6, R, defect())])
    with station_page(config) as page:
        page.shows("Part 6")
        journal = JournalReader(config.paths.journal).journal()
        config.paths.pictures.mkdir()
        name = str(PictureName(1, journal[:8], 6, KeepReason.REJECT))
        cv2.imwrite(str(config.paths.pictures / name), HOLE)
        damaged = str(PictureName(2, journal[:8], 5, KeepReason.REJECT))
        (config.paths.pictures / damaged).write_bytes(
            (config.paths.pictures / name).read_bytes()[:-30]
        )
        text = page.shows(name).text  # it appears by itself
        height, width = HOLE.shape
        assert f'viewBox="0 0 {width} {height}"' in text
        answer = page.get(f"/pictures/{name}")
        assert (answer.status, answer.headers["content-type"]) == (200, "image/jpeg")
        assert answer.headers["cache-control"] == "private, max-age=3600"
        assert page.get(f"/pictures/{damaged}").status == 404
        for other in ("x.png", "..%2Fstation.toml", "..%2f..%2fetc%2fpasswd", f"{name}.part"):
            assert page.get(f"/pictures/{other}").status == 404
        (tmp_path / "elsewhere.png").write_bytes((config.paths.pictures / name).read_bytes())
        link = str(PictureName(3, journal[:8], 7, KeepReason.REJECT))
        (config.paths.pictures / link).symlink_to(tmp_path / "elsewhere.png")
        assert page.get(f"/pictures/{link}").status == 404


def test_faults_of_self_test_and_uplink(tmp_path: Path) -> None:
    config = page_config(tmp_path)
    config.paths.uplink_lock.touch()
    write_journal(config, [part(1)])
    with station_page(config) as page:
        page.shows("the uplink does not run")
        failed = SelfTestState(
            utc="2099-01-01T00:00:00Z",
            bundle="b",
            subject="golden/1.png",
            reason="found <nothing>",
            is_starved=False,
        )
        write_self_test(config.paths.self_test, failed)
        page.shows("Self-test failed: golden/1.png: found &lt;nothing&gt;")
        state = UplinkState(trouble="no route", since_utc="2026-01-31T10:00:00Z")
        UplinkPaths(config.paths.uplink).state.write_text(state.model_dump_json())
        for path in (config.paths.drift, config.paths.self_test, config.paths.cursor):
            path.write_bytes(b"\xff{damaged")  # files that cannot be read are no error
        assert page.shows("NOT READY").status == 200


def test_guidance_of_the_bundle_is_shown_in_full(tmp_path: Path) -> None:
    bundle = small_bundle(tmp_path / "small.outfeed")
    config = page_config(tmp_path).model_copy(update={"bundle": bundle})
    short = defect("hole", "Check the pu…")
    own = read_bundle(bundle).id
    write_journal(config, [part(1, R, short, bundle=own), part(2, R, short, bundle="other-2")])
    with station_page(config) as page:
        page.shows("Part 2")
        assert "Check the punch." in page.get("/parts/1").text
        assert "Check the pu…" in page.get("/parts/2").text


def test_the_live_part_is_sent_only_where_it_changed(tmp_path: Path) -> None:
    config = page_config(tmp_path)
    write_journal(config, [part(1, R, defect())])
    with station_page(config) as page:
        page.shows("Part 1", "/live")
        first = page.get("/live")
        again = page.get("/live", if_none_match=first.headers["etag"])
        assert (again.status, again.text) == (304, "")
        write_journal(config, [part(2, R, defect())])
        later = page.shows("Part 2", "/live")
        assert later.headers["etag"] != first.headers["etag"]


def test_without_people_nobody_logs_in_and_nobody_marks(tmp_path: Path) -> None:
    config = page_config(tmp_path)
    write_journal(config, [part(1, R, defect())])
    with station_page(config) as page:
        text = page.shows("Part 1").text
        assert "Log in" not in text
        assert "page.people is not set" in page.get("/login").text
        assert page.post("/mark", {"part": 1, "kind": "look"}).status == 403
        assert page.get("/mark").status == 403
        assert 'name="kind"' not in page.get("/parts/1").text
    assert not config.paths.page_marks.exists()


def test_another_name_of_the_machine_is_refused(tmp_path: Path) -> None:
    with station_page(page_config(tmp_path)) as page:
        assert page.get("/", host="evil.example").status == 421
        assert page.get("/", host="localhost:1").status == 200
        assert page.send("DELETE", "/").status == 405
        assert page.post("/login", {}, sec_fetch_site="cross-site").status == 403
        assert page.post("/login", {}, origin="http://evil.example").status == 403
        assert page.send("POST", "/login", b"x" * 9_000).status == 413
        assert page.get("/page/../../station.toml").status == 404
        assert page.get("/nothing").status == 404


def test_a_mark_goes_to_the_folder_that_the_station_reads(tmp_path: Path) -> None:
    people = write_people(tmp_path / "people.json", ada="mark", bob="view")
    config = page_config(tmp_path, people=people, marking=True)
    write_journal(config, [part(1), part(2, R, defect())])
    with station_page(config) as page:
        page.shows("Part 2")
        assert page.get("/mark").headers["location"] == "/login?next=%2Fmark"
        bob = page.log_in("bob")
        assert 'name="kind"' not in bob.get("/parts/1").text
        refused = bob.post("/mark", {"part": 1, "kind": "look", "token": bob.token()})
        assert refused.status == 403
        ada = page.log_in("ada")
        fields = {"part": 1, "kind": "escape", "note": "a <b>dent</b>\n", "token": ada.token()}
        assert ada.post("/mark", {**fields, "token": bob.token()}).status == 403
        assert ada.post("/mark", {**fields, "token": ""}).status == 403
        for wrong, reason in (
            ({"part": 3}, "part 3 does not exist; the last one is 2"),
            ({"part": "x"}, "expected the number of a part"),
            ({"part": 0}, "expected a number from 1 on"),
            ({"part": "9" * 30}, "expected the number of a part"),
            ({"kind": "self-test"}, "kind: expected escape, false-reject, true-reject, look"),
            ({"note": "x" * 300}, "the note is too long"),
        ):
            answer = ada.post("/mark", {**fields, **wrong})
            assert answer.status == 422
            assert reason in answer.text
        assert not config.paths.page_marks.exists()
        done = ada.post("/mark", fields)
        assert (done.status, done.headers["location"]) == (303, "/parts/1?marked")
        assert "The mark is saved." in ada.get("/parts/1?marked").text
        page.shows("1 mark waits for the station to take")
        (mark,) = PageMarks(config.paths.page_marks).waiting()
        assert isinstance(mark, Mark)
        assert (mark.part_id, mark.kind, mark.note) == (1, "escape", "ada: a <b>dent</b>")
        # The station journals it, and then the page removes the file.
        write_journal(config, [mark_event("press-1", mark, None)])
        page.shows("a &lt;b&gt;dent&lt;/b&gt;", "/parts/1")
        assert Inbox(config.paths.page_marks).waiting() == []
        token = ada.token()
        assert ada.post("/logout", {"token": "x"}).status == 403
        assert ada.post("/logout", {"token": token}).status == 303
        assert ada.post("/mark", fields).status == 403


def test_other_machines_need_https_and_a_login(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.web.server._reachable_host", lambda: "192.168.7.7")
    authority = make_authority(tmp_path / "authority")
    revoked = read_file(tmp_path / "authority/revoked.pem")
    make_broker(tmp_path / "page", authority, revoked, ["127.0.0.1"])
    config = page_config(
        tmp_path,
        bind="0.0.0.0",
        tls_cert=tmp_path / "page/broker.pem",
        tls_key=tmp_path / "page/broker.key",
        people=write_people(tmp_path / "people.json", bob="view"),
    )
    write_journal(config, [part(1, R, defect())])
    tls = ssl.create_default_context(cafile=str(tmp_path / "page/ca.pem"))
    with station_page(config, tls) as page:
        for path in ("/", "/parts", "/parts/1", "/pictures/x.png"):
            answer = page.get(path)
            assert answer.status == 303
            assert answer.headers["location"].startswith("/login?next=")
            assert "Part 1" not in answer.text
        assert page.get("/live").status == 401
        assert page.post("/mark", {}).status == 401
        wrong = page.post("/login", {"name": "bob", "password": "wrong password"})
        assert (wrong.status, "Name or password is wrong" in wrong.text) == (403, True)
        for target, kept in (("/parts", "/parts"), ("//evil.example", "/"), ("https://x", "/")):
            answer = page.post(
                "/login", {"name": "bob", "password": "a long secret", "next": target}
            )
            assert answer.headers["location"] == kept
            assert "secure" in answer.headers["set-cookie"].lower()
            assert "samesite=strict" in answer.headers["set-cookie"].lower()
        page.log_in("bob").shows("Part 1")
        with pytest.raises(http.client.RemoteDisconnected):
            replace(page, tls=None).get("/")
        with pytest.raises(ssl.SSLCertVerificationError):
            replace(page, tls=ssl.create_default_context()).get("/")


def test_a_certificate_that_is_being_replaced_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.station_page.run._CERTIFICATE_S", 0.2)
    authority = make_authority(tmp_path / "authority")
    revoked = read_file(tmp_path / "authority/revoked.pem")
    for name in ("page", "renewed"):
        make_broker(tmp_path / name, authority, revoked, ["127.0.0.1"])
    files = {"tls_cert": tmp_path / "page/broker.pem", "tls_key": tmp_path / "page/broker.key"}
    config = page_config(tmp_path, **files)
    key = files["tls_key"].read_bytes()
    files["tls_key"].write_bytes(b"half a key")
    tls = ssl.create_default_context(cafile=str(tmp_path / "page/ca.pem"))

    def served() -> bytes | None:
        with (
            socket.create_connection(("127.0.0.1", config.page.port)) as link,
            tls.wrap_socket(link, server_hostname="127.0.0.1") as secured,
        ):
            return secured.getpeercert(binary_form=True)

    threading.Timer(1.0, lambda: files["tls_key"].write_bytes(key)).start()
    with station_page(config, tls):
        first = served()
        for kind in ("key", "pem"):
            renewed = (tmp_path / f"renewed/broker.{kind}").read_bytes()
            (tmp_path / f"page/broker.{kind}").write_bytes(renewed)
        limit_s = time.monotonic() + 60
        while served() == first:
            assert time.monotonic() < limit_s
            time.sleep(0.1)


def test_a_port_in_use_and_a_wrong_file_of_people_are_one_line(tmp_path: Path) -> None:
    config = page_config(tmp_path)
    with (
        socket.create_server(("127.0.0.1", config.page.port)),
        pytest.raises(OutfeedError, match=r"page\.bind 127\.0\.0\.1:\d+: cannot be used"),
    ):
        run_page(config, threading.Event())
    config = page_config(tmp_path, people=tmp_path / "absent.json")
    with pytest.raises(OutfeedError, match=r"page\.people: .*absent\.json"):
        run_page(config, threading.Event())
