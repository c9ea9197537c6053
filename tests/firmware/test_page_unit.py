"""The unit of the station's page under a real systemd: its user, its sandbox and its marks."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from edge.events.event import MarkEvent
from edge.events.identity import parse_payload
from edge.journal.reader import JournalReader
from tests.firmware.machine import Machine, goes_on, main_pid, start
from tests.support.station_page import PASSWORD, PageClient

PAGE = "outfeed-page"
STATE = "/var/lib/outfeed"
PRIORITY = "[Service]\nNice=0\nCPUWeight=100\nIOSchedulingClass=best-effort\n"
TOML = "/etc/outfeed/station.toml"
LINES = '[page]\npeople = "page-people.json"\nmarking = true\nstate_dir = "/var/lib/outfeed-page"\n'


@pytest.fixture
def with_page(machine: Machine) -> Iterator[Machine]:
    """The machine with a page on which Ada may mark parts."""
    machine.run("cp", TOML, f"{TOML}.before")
    machine.run("sh", "-c", f"cat >> {TOML}", input=LINES)
    machine.run("sh", "-c", "cat > /root/secret", input=PASSWORD)
    arguments = ("--may", "mark", "--password-file", "/root/secret", "--config", TOML)
    added = machine.run("/opt/outfeed/bin/outfeed", "page-person", "ada", *arguments)
    assert "ada may mark" in added, added
    # The machine of the tests is shared: with its own priority the page would start after minutes.
    folder = f"/run/systemd/system/{PAGE}.service.d"
    machine.run("mkdir", "-p", folder)
    machine.run("sh", "-c", f"cat > {folder}/priority.conf", input=PRIORITY)
    machine.run("systemctl", "daemon-reload")
    yield machine
    machine.run("systemctl", "stop", PAGE)
    machine.run("mv", f"{TOML}.before", TOML)
    machine.run("sh", "-c", "rm -rf /var/lib/outfeed-page/*")


def test_the_page_reads_and_marks_and_can_do_the_station_no_harm(with_page: Machine) -> None:
    machine, client = with_page, PageClient(8490)
    start(machine)
    goes_on(machine)
    station = main_pid(machine)
    said = machine.run("systemctl", "start", PAGE)
    assert said == "", f"{said}\n{machine.log(PAGE)}"
    # In its sandbox it sees that the station runs, the journal, the pictures and the bundle.
    client.shows("READY")
    client.shows("Check the punch.")
    picture = client.shows("/pictures/").text.partition('href="/pictures/')[2].partition('"')[0]
    assert client.get(f"/pictures/{picture}").status == 200
    pid = machine.show(PAGE, "MainPID")
    status = machine.run("cat", f"/proc/{pid}/status")
    user = machine.run("id", "-u", "outfeed-page")
    assert re.search(rf"^Uid:\t{user}\t{user}\t{user}\t{user}$", status, re.MULTILINE)
    assert re.search(r"^CapBnd:\t0+$", status, re.MULTILINE)
    assert re.search(r"^Seccomp:\t2$", status, re.MULTILINE)
    # A mark reaches the journal of the other user, and the page removes its file.
    ada = client.log_in("ada")
    token = ada.token()
    assert ada.post("/mark", {"part": 1, "kind": "look", "token": token}).status == 303
    machine.eventually(lambda: marks(machine), "a mark in the journal")
    assert [(each.part_id, each.mark, each.note) for each in marks(machine)] == [(1, "look", "ada")]
    folder = "/var/lib/outfeed-page/page-marks"
    machine.eventually(lambda: machine.run("ls", folder) == "", "the file is removed")
    for command in (
        f"kill -KILL {station}",
        f"touch {STATE}/inbox/20260101T000000Z-{'0' * 32}.json",
        f"rm -f {STATE}/bundles.json",
        f": >> {STATE}/journal.sqlite",
        f": >> {STATE}/journal.sqlite-shm",
        f"rm -rf {STATE}/pictures",
        f"flock --nonblock {STATE}/journal.lock true",
        "touch /var/lib/outfeed-uplink/mine",
        f"touch {TOML} /etc/outfeed/page-people.json",
    ):
        words = ("runuser", "-u", "outfeed-page", "-g", "outfeed", "--", "sh", "-c")
        assert "it can" not in machine.run(*words, f"{command} && echo it can"), command
    # It is killed, and restarted by systemd; the station goes on.
    machine.run("kill", "-KILL", pid)
    machine.eventually(lambda: machine.show(PAGE, "MainPID") not in ("0", pid), "another page")
    client_again = PageClient(8490)
    machine.eventually(lambda: answers(client_again), "a page that answers")
    assert main_pid(machine) == station
    machine.run("systemctl", "stop", "outfeed-station")
    client_again.shows("NOT READY")
    log = machine.log(PAGE)
    assert "manager_not_told" not in log
    assert "Traceback" not in log
    machine.run("systemctl", "stop", PAGE)
    assert machine.show(PAGE, "Result") == "success", log[-3000:]


def test_a_page_that_is_not_configured_for_others_ends_with_78(machine: Machine) -> None:
    machine.run("cp", TOML, f"{TOML}.before")
    try:
        machine.run("sh", "-c", f"cat >> {TOML}", input='[page]\nbind = "0.0.0.0"\n')
        machine.run("systemctl", "start", PAGE)
        assert machine.show(PAGE, "ExecMainStatus") == "78"
        assert "expected tls_cert, tls_key and people" in machine.log(PAGE)
        assert machine.show(PAGE, "ActiveState") == "failed"
    finally:
        machine.run("mv", f"{TOML}.before", TOML)
        machine.run("systemctl", "reset-failed")


def marks(machine: Machine) -> list[MarkEvent]:
    with JournalReader(machine.state / "journal.sqlite") as reader:
        rows = reader.read(None, 100_000)
    events = [parse_payload(row.payload)[1] for row in rows]
    return [each for each in events if isinstance(each, MarkEvent)]


def answers(client: PageClient) -> bool:
    try:
        return client.get("/live").status == 200
    except OSError:
        return False
