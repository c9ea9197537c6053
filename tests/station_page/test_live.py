"""A real station, its page as a process of its own, and a person in real Chromium."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from edge.config.station import load_config
from edge.events.condition import drift_event
from edge.events.event import MarkEvent, PartEvent
from edge.events.identity import parse_payload
from edge.journal.reader import JournalReader
from edge.records import Decision
from tests.hangs.line import write_line
from tests.support.bundles import small_bundle
from tests.support.label_browser import DESKTOP, PHONE
from tests.support.station_page import (
    PASSWORD,
    PageClient,
    defect,
    eventually,
    free_port,
    page_config,
    part,
    station_page,
    write_journal,
    write_people,
)

AXE = Path(__file__).parents[1] / "support" / "axe" / "axe.min.js"
WALL = (2560, 1440)
pytestmark = pytest.mark.timeout(300)  # a browser on a busy machine


@dataclass
class Line:
    """A station and its page as processes."""

    folder: Path
    port: int
    processes: dict[str, subprocess.Popen[bytes]]

    def start(self, command: str) -> subprocess.Popen[bytes]:
        arguments = [sys.executable, "-m", "edge", command, "--config", "station.toml"]
        with (self.folder / f"{command}.log").open("ab") as log:
            process = subprocess.Popen(arguments, cwd=self.folder, stdout=log, stderr=log)
        self.processes[command] = process
        return process

    def end(self, command: str) -> int:
        process = self.processes.pop(command)
        process.send_signal(signal.SIGTERM)
        return process.wait(60)

    @property
    def page(self) -> PageClient:
        return PageClient(self.port)

    def events(self) -> list[Any]:
        with JournalReader(self.folder / "state/journal.sqlite") as reader:
            return [parse_payload(row.payload)[1] for row in reader.read(None, 100_000)]


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    folder = tmp_path / "line"
    bundle = small_bundle(tmp_path / "small.outfeed").read_bytes()
    port = free_port()
    path = write_line(folder, bundle)
    write_people(folder / "people.json", ada="mark")
    with path.open("a") as file:
        file.write(f'[page]\nport = {port}\npeople = "people.json"\nmarking = true\n')
    running = Line(folder, port, {})
    yield running
    for command in list(running.processes):
        running.end(command)


def test_the_page_shows_what_a_real_station_writes_and_is_no_part_of_it(line: Line) -> None:
    line.start("run")
    page = line.start("page")
    shown = line.page
    eventually(lambda: _can_connect(shown), "a page")
    assert "Clean" not in shown.shows("READY").text
    text = shown.shows("What to do: hole").text
    assert "Check the punch." in text
    assert "ejected" in text
    # The page is killed, and the station goes on.
    page.kill()
    page.wait(30)
    before = len(line.events())
    eventually(lambda: len(line.events()) > before + 10, "a station that goes on")
    line.start("page")
    eventually(lambda: _can_connect(shown), "a page")
    # A mark reaches the journal by the road of `outfeed mark`.
    ada = shown.log_in("ada")
    rejects = [e for e in line.events() if isinstance(e, PartEvent) and e.decision == "REJECT"]
    number = rejects[-1].part_id
    fields = {"part": number, "kind": "false-reject", "note": "dust", "token": ada.token()}
    shown.shows(f">{number}<", "/parts")
    assert ada.post("/mark", fields).status == 303
    ada.shows("ada: dust", f"/parts/{number}")
    (mark,) = [each for each in line.events() if isinstance(each, MarkEvent)]
    assert (mark.part_id, mark.mark, mark.note) == (number, "false-reject", "ada: dust")
    marks = line.folder / "state/page-marks"
    eventually(lambda: not list(marks.iterdir()), "the file of the mark is removed")
    # After an orderly stop, the page shows this and the same numbers as the journal.
    assert line.end("run") == 0
    text = shown.shows("NOT READY").text
    parts = [each for each in line.events() if isinstance(each, PartEvent)]
    rejected = sum(each.decision is Decision.REJECT for each in parts)
    text = shown.shows(f'<dt>parts</dt><dd class="">{len(parts)}</dd>').text
    assert f'<dt>rejected</dt><dd class="">{rejected}</dd>' in text
    assert len([e for e in line.events() if isinstance(e, MarkEvent)]) == 1
    assert line.end("page") == 0
    assert "Traceback" not in (line.folder / "page.log").read_text()


def _can_connect(page: PageClient) -> bool:
    try:
        return page.get("/live").status == 200
    except OSError:
        return False


@pytest.mark.parametrize("rounds", [2, pytest.param(30, marks=pytest.mark.slow)])
def test_the_memory_stays_flat(line: Line, rounds: int) -> None:
    """Thousands of events and requests add less than 12 MB, however many they are."""
    config = load_config(line.folder / "station.toml")
    write_journal(config, [part(n, Decision.REJECT, defect()) for n in range(1, 601)])
    process = line.start("page")
    eventually(lambda: _can_connect(line.page), "a page")
    line.page.shows("Part 600")
    for _ in range(40):
        line.page.get("/")
    first = _resident(process.pid)
    for number in range(1, rounds + 1):
        events = [part(600 * number + n, Decision.REJECT, defect()) for n in range(600)]
        write_journal(config, events)
        line.page.shows(f"Part {600 * number + 599}")
        for _ in range(60):
            line.page.get("/live")
    assert _resident(process.pid) - first < 12 << 20


def _resident(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@contextmanager
def browser_page(browser: Any, size: tuple[int, int], **options: Any) -> Iterator[Any]:
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
        assert [each for each in faults if "Failed to load resource" not in each] == []
    finally:
        context.close()


def furnished(tmp_path: Path) -> Any:
    """A station with rejects, a loss and a person who may mark."""
    people = write_people(tmp_path / "people.json", ada="mark")
    config = page_config(tmp_path, people=people, marking=True)
    events = [
        part(n, Decision.REJECT, defect(f"kind {n}"), defect("stain", "")) if n % 2 else part(n)
        for n in range(1, 30)
    ]
    write_journal(config, events)
    config.paths.uplink_lock.touch()
    return config


@pytest.mark.parametrize(
    ("size", "scheme"),
    [(PHONE, "dark"), (DESKTOP, "light"), (WALL, "dark")],
    ids=["phone-dark", "desk-light", "wall-dark"],
)
def test_pages_fit_and_have_no_violation(
    chromium: Any, tmp_path: Path, size: tuple[int, int], scheme: str
) -> None:
    config = furnished(tmp_path)
    with station_page(config) as served:
        served.shows("Part 29")
        with browser_page(chromium, size, color_scheme=scheme) as page:
            paths = ["/", "/parts", "/parts/29", "/login?next=/parts/29", "/parts/29", "/mark"]
            paths.append("/parts/20")  # it passed
            for path in paths:
                page.goto(served.url + path)
                assert page.evaluate("document.documentElement.scrollWidth") <= size[0], path
                # The policy of the page refuses a foreign script; the debugger may evaluate one.
                page.evaluate(AXE.read_text(encoding="utf-8"))
                found = page.evaluate("axe.run()")["violations"]
                assert [(each["id"], each["nodes"][0]["html"]) for each in found] == [], path
                if path.startswith("/login"):
                    page.get_by_label("Name").fill("ada")
                    page.get_by_label("Password").fill(PASSWORD)
                    page.get_by_role("button", name="Log in").click()
                    page.get_by_role("button", name="Save the mark").wait_for()


def test_it_changes_by_itself_and_states_a_lost_connection(chromium: Any, tmp_path: Path) -> None:
    config = furnished(tmp_path)
    with browser_page(chromium, DESKTOP) as page:
        with station_page(config) as served:
            served.shows("Part 29")
            page.goto(served.url)
            page.locator("#earlier a").first.focus()
            link = page.evaluate("document.activeElement.textContent")
            page.evaluate("window.state = document.getElementById('state')")
            write_journal(config, [part(31, Decision.REJECT, defect("dent", "Call the fitter."))])
            page.get_by_text("What to do: dent").wait_for()
            assert page.get_by_text("Call the fitter.").is_visible()
            assert page.evaluate("document.activeElement.textContent") in (link, "Part 27")
            # The same element: a screen reader reads the change only.
            assert page.evaluate("window.state === document.getElementById('state')")
            drift = drift_event(
                "press-1",
                "b",
                state="raised",
                severity="mild",
                measure="focus",
                stream="focus",
                unit="1",
                value=1.0,
                expected=2.0,
                since_part=1,
                part_id=2,
                place=None,
            )
            write_journal(config, [drift])
        page.get_by_text("No connection to the station. The figures are old.").wait_for()
        with station_page(config):
            page.locator("#link").wait_for(state="hidden")
            page.get_by_text("What to do: dent").wait_for()


def test_without_scripts_it_shows_the_state_and_marks(chromium: Any, tmp_path: Path) -> None:
    config = furnished(tmp_path)
    with station_page(config) as served:
        served.shows("Part 29")
        with browser_page(chromium, PHONE, java_script_enabled=False) as page:
            page.goto(served.url)
            assert page.locator(".state").inner_text() == "NOT READY"
            assert page.locator('noscript meta[http-equiv="refresh"]').count() == 1
            page.get_by_role("link", name="Log in").click()
            page.get_by_label("Name").fill("ada")
            page.get_by_label("Password").fill(PASSWORD)
            page.get_by_role("button", name="Log in").click()
            page.goto(f"{served.url}/parts/28")
            page.get_by_label("escape: it passed").check()
            page.get_by_label("Note").fill("seen at packing")
            page.get_by_role("button", name="Save the mark").click()
            page.get_by_text("The mark is saved.").wait_for()
    assert len(list(config.paths.page_marks.iterdir())) == 1
