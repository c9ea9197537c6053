"""People at the pages of the central system in real Chromium, on a phone and at a desk."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Connection, update

from bench.central_plant import fill_plant, furnish
from central.access.audit import audited
from central.alarms.service import AlarmService
from central.config.alarms import AlarmsConfig
from central.config.sections import DatabaseConfig
from central.rollouts.advance import advance_rollouts
from central.rollouts.changes import pin_station, start_rollout
from central.rollouts.signatures import take_signatures
from central.store.command_tables import commands
from central.store.database import Database
from central.store.lot_messages import KeptStatement, keep_statement
from central.store.registry import Registry
from central.store.schema import migrate
from central.store.tables import stations
from central.store.writer import BatchWriter
from central.web.app import make_app
from central.web.server import WebServer
from tests.support.central_access import CLI
from tests.support.central_events import PREFIX
from tests.support.label_browser import DESKTOP, PHONE
from tests.support.rollouts import (
    Reporter,
    folder_of,
    plan,
    sign,
    signed_bundle,
    stations_of,
    upload,
)

AXE = Path(__file__).parents[1] / "support" / "axe" / "axe.min.js"
WALL = (3840, 2160)
PAGES = (
    "/",
    "/stations/press-1",
    "/parts",
    "/review",
    "/pareto",
    "/fleet",
    "/lots",
    "/lots?lot=4711",
    "/guidance?kind=scratch",
    "/alarms",
    "/bundles",
    "/rollouts",
    "/rollouts/1",
    "/stations/press-1/updates",
    "/stations/press-1/commands",
)
pytestmark = pytest.mark.timeout(900)  # a browser on a busy machine


def now_us() -> int:
    return time.time_ns() // 1000


def ask(connection: Connection, state: str) -> None:
    """Insert a command in this state."""
    row = {
        "station_id": 1,
        "kind": "mark",
        "action": '{"kind":"mark","part_id":7,"mark":"escape","note":"a shadow"}',
        "journal": "0" * 32,
        "run": "a" * 16,
        "expires_us": now_us() + 3_600_000_000,
        "state": state,
        "answer": "the part is not in the journal" if state in ("refused", "failed") else "",
        "asked_by": "ada",
        "asked_us": now_us(),
    }
    connection.execute(commands.insert().values(row))


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api")
    chromium = Path("/usr/bin/chromium")
    if not chromium.exists():
        pytest.skip("Chromium is not installed (apt install chromium)")
    flags = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=str(chromium), args=flags)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a database of two stations, nine hours and a rollout, and its bundles."""
    folder = tmp_path_factory.mktemp("plant")
    opened = Database(DatabaseConfig(path=folder / "central.db"))
    migrate(opened)
    fill_plant(opened, now_us(), hours=9, per_minute=4)
    furnish(opened, now_us())
    reason = "press-1 works on another lot in this time"
    kept = KeptStatement("Ulm/press", "m-1", "begin", "4712", "", "refused", reason, None, now_us())
    with opened.write() as connection:
        keep_statement(connection, kept)
        for state in ("waiting", "signed", "accepted", "refused", "done", "failed", "withdrawn"):
            ask(connection, state)
    bundle = upload(opened, folder_of(folder / "bundles"))
    number = plan(opened, bundle, ("press-1",), ("press-2",))
    with audited(opened, CLI, now_us()) as change:
        take_signatures(change, number, sign(opened, number))
        start_rollout(change, number)
        pin_station(change, "press-2", "it is measured this week")
    desired = stations_of(opened, number)["press-1"].desired_id
    report = Reporter().report("press-1", desired, "reverted", reason="UNKNOWN rate of 4 %")
    BatchWriter(opened, Registry(), prefix=PREFIX).write([report])
    advance_rollouts(opened, now_us())
    opened.close()
    return folder


@pytest.fixture
def database(plant: Path, tmp_path: Path) -> Iterator[Database]:
    shutil.copytree(plant, tmp_path, dirs_exist_ok=True)
    opened = Database(DatabaseConfig(path=tmp_path / "central.db"))
    yield opened
    opened.close()


@pytest.fixture
def address(database: Database, tmp_path: Path) -> Iterator[str]:
    app = make_app(database, bundles=folder_of(tmp_path / "bundles"))
    server = WebServer(app, host="127.0.0.1", port=0)
    server.start()
    yield server.address.rstrip("/")
    server.close()


@contextmanager
def page_of(browser: Any, size: tuple[int, int], **options: Any) -> Iterator[Any]:
    """A page whose browser must not complain, neither about scripts nor about the policy."""
    viewport = {"width": size[0], "height": size[1]}
    context = browser.new_context(viewport=viewport, reduced_motion="reduce", **options)
    faults: list[str] = []
    try:
        page = context.new_page()
        page.set_default_timeout(120_000)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda text: text.type == "error" and faults.append(text.text))
        yield page
        assert not faults
    finally:
        context.close()


@pytest.mark.parametrize(
    ("size", "scheme", "paths"),
    # The first page is for the wall.
    [(PHONE, "dark", PAGES), (DESKTOP, "light", PAGES), (WALL, "dark", PAGES[:1])],
    ids=["phone-dark", "desk-light", "wall-dark"],
)
def test_pages_fit_and_have_no_violation(
    browser: Any, address: str, size: tuple[int, int], scheme: str, paths: tuple[str, ...]
) -> None:
    with page_of(browser, size, color_scheme=scheme) as page:
        for path in paths:
            page.goto(address + path)
            assert page.evaluate("document.documentElement.scrollWidth") <= size[0], path
            # The policy of the pages refuses a foreign script; the debugger may evaluate one.
            page.evaluate(AXE.read_text(encoding="utf-8"))
            found = page.evaluate("axe.run()")["violations"]
            assert [(each["id"], each["nodes"][0]["html"]) for each in found] == [], path


def test_charts_are_drawn(browser: Any, address: str) -> None:
    with page_of(browser, DESKTOP) as page:
        page.goto(f"{address}/stations/press-1?hours=8")
        assert page.locator(".chart canvas").count() == 2
        drawn = page.locator(".chart canvas").first.evaluate(
            "each => each.getContext('2d').getImageData(0, 0, each.width, each.height)"
            ".data.some((value) => value !== 0)"
        )
        assert drawn
        page.set_viewport_size({"width": 390, "height": 800})
        page.wait_for_function("document.querySelector('.chart canvas').clientWidth < 390")


def test_a_lot_guidance_and_a_review_by_keyboard_and_form(browser: Any, address: str) -> None:
    with page_of(browser, PHONE, timezone_id="Europe/Berlin") as page:
        page.goto(f"{address}/lots")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to content"
        page.get_by_label("Lot", exact=True).fill("4713")
        page.get_by_label("press-2").check()
        hour_ago = datetime.now(ZoneInfo("Europe/Berlin")) - timedelta(hours=1)
        page.get_by_label("From (empty: now)").fill(f"{hour_ago:%Y-%m-%dT%H:%M}")
        page.get_by_role("button", name="Begin this lot").click()
        page.get_by_role("link", name="4713").click()
        # An hour at 4 parts a minute: the time of the browser's zone was understood.
        parts = int(page.locator(".strip dd").nth(1).inner_text())
        assert 230 <= parts <= 250
        page.goto(f"{address}/guidance?kind=burr")
        page.get_by_label("Guidance for the people at the line").fill("File the edge.")
        page.get_by_role("button", name="Save as version 1").click()
        page.get_by_text("File the edge.").wait_for()
        page.goto(f"{address}/review")
        card = page.locator("article").first
        name = card.get_attribute("aria-label")
        card.get_by_role("button", name="correct").click()
        page.wait_for_load_state()
        assert page.get_by_label(str(name), exact=True).count() == 0


def test_a_rollout_by_form_on_a_phone(
    browser: Any, address: str, database: Database, tmp_path: Path
) -> None:
    """Upload, plan, download the plan, upload the signatures, start, pause, resume."""
    bundle, signed = tmp_path / "next.outfeed", tmp_path / "signed.json"
    bundle.write_bytes(signed_bundle("2.0"))
    with page_of(browser, PHONE) as page:
        page.goto(f"{address}/bundles")
        page.get_by_label("A signed bundle").set_input_files(bundle)
        page.get_by_role("button", name="Upload").click()
        page.get_by_role("button", name="Remove dark-spots-2.0").wait_for()
        page.goto(f"{address}/stations/press-2/updates")
        page.get_by_role("button", name="Remove the pin").click()
        page.get_by_label("Reason").wait_for()
        page.goto(f"{address}/rollouts")
        page.get_by_label("Place").select_option("all stations")
        page.get_by_label("Title").fill("new lamp")
        page.get_by_role("button", name="Plan", exact=True).click()
        page.get_by_role("heading", name="Rollout 2 new lamp").wait_for()
        with page.expect_download() as download:
            page.get_by_role("link", name="The file to sign").click()
        assert download.value.suggested_filename == "rollout-2.json"
        signed.write_text(sign(database, 2).model_dump_json())
        page.get_by_label("The signed file").set_input_files(signed)
        page.get_by_role("button", name="Upload").click()
        page.get_by_role("button", name="Release the first cohort").click()
        page.get_by_label("Reason", exact=True).first.wait_for()
        assert "running" in page.locator(".strip").inner_text()
        for name, state in (("Pause", "paused"), ("Resume", "running")):
            form = page.locator("section", has=page.get_by_role("heading", name=name))
            form.get_by_label("Reason").fill("the night shift watches")
            form.get_by_role("button", name=name).click()
            page.locator(".strip dd", has_text=state).wait_for()
        page.wait_for_load_state()  # with its style
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]


def test_an_alarm_appears_on_the_wall_by_itself_and_is_acknowledged(
    browser: Any, address: str, database: Database
) -> None:
    clock = [now_us()]
    alarms = AlarmService(
        database, AlarmsConfig(), disk=None, certificates=(), now_us=lambda: clock[0]
    )
    with page_of(browser, DESKTOP) as page:
        page.goto(address)
        assert page.locator(".alarms").count() == 0
        with database.write() as connection:
            connection.execute(update(stations).values(seen_us=1, status_us=1))
        alarms.evaluate()
        clock[0] += 40_000_000
        alarms.evaluate()
        page.locator(".alarms li.critical").first.wait_for()
        page.goto(f"{address}/alarms")
        page.get_by_label("Note").first.fill("I look at it")
        page.get_by_role("button", name="Acknowledge").first.click()
        page.get_by_text("I look at it").wait_for()
        page.goto(address)
        page.locator(".alarms li.acknowledged").first.wait_for()


def test_the_pictures_of_the_wall_stay_while_it_changes(
    browser: Any, address: str, database: Database
) -> None:
    requests: list[str] = []
    with page_of(browser, DESKTOP) as page:
        page.on("request", lambda one: "thumbnail" in one.url and requests.append(one.url))
        page.goto(address)
        page.wait_for_function("() => document.querySelector('.rejects img').naturalWidth > 0")
        count = page.locator(".rejects img").count()
        page.evaluate("window.first = document.querySelector('.rejects img')")
        for number in range(5):
            with database.write() as connection:
                connection.execute(update(stations).values(note=f"change {number}"))
            page.get_by_text(f"change {number}").first.wait_for()
        assert page.evaluate("document.querySelector('.rejects img') === window.first")
        assert page.locator(".rejects img").count() == count
        # Browsers load what is far below the screen only when it is scrolled to.
        assert len(requests) == len(set(requests)) <= count
