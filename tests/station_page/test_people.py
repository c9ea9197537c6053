"""The people at the page: their file, passwords, sessions and the command that writes the file."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from edge.__main__ import main
from edge.station_page.people import SESSION_S, PagePeople, PeopleError, hash_password, read_people
from tests.support.configurations import BY_TIME
from tests.support.station_page import PASSWORD, write_people


class Clock:
    def __init__(self) -> None:
        self.s = 0.0

    def __call__(self) -> float:
        return self.s


def test_a_password_is_stored_as_a_hash() -> None:
    one, two = hash_password(PASSWORD), hash_password(PASSWORD)
    assert one != two
    assert PASSWORD not in one
    assert one.startswith("scrypt$")


def test_log_in_and_out(tmp_path: Path) -> None:
    clock = Clock()
    people = PagePeople(write_people(tmp_path / "p.json", ada="mark", bob="view"), clock)
    secret = people.log_in("ada", PASSWORD)
    assert secret is not None
    found = people.find(secret)
    assert found is not None
    assert (found[0].name, found[0].may) == ("ada", "mark")
    assert people.log_in("ada", "wrong password") is None
    assert people.log_in("nobody", PASSWORD) is None
    assert people.find("x") is None
    people.log_out(secret)
    assert people.find(secret) is None
    secret = people.log_in("bob", PASSWORD)
    assert secret is not None
    clock.s += SESSION_S + 1
    assert people.find(secret) is None


def test_after_ten_wrong_passwords_nobody_logs_in_for_a_minute(tmp_path: Path) -> None:
    clock = Clock()
    people = PagePeople(write_people(tmp_path / "p.json", ada="view"), clock)
    for _ in range(10):
        assert people.log_in("ada", "wrong password") is None
    assert people.log_in("ada", PASSWORD) is None
    clock.s += 61
    assert people.log_in("ada", PASSWORD) is not None


def test_a_changed_file_ends_sessions_and_a_damaged_one_does_not(tmp_path: Path) -> None:
    path = write_people(tmp_path / "p.json", ada="mark", bob="view")
    people = PagePeople(path, Clock())
    ada, bob = people.log_in("ada", PASSWORD), people.log_in("bob", PASSWORD)
    assert ada is not None
    assert bob is not None
    path.write_text("{half a fi")
    assert people.find(ada) is not None
    write_people(path, bob="mark")
    assert people.find(ada) is None
    found = people.find(bob)
    assert found is not None
    assert found[0].may == "mark"
    changed = json.loads(path.read_text())
    changed["people"][0]["password"] = hash_password("another secret")
    path.write_text(json.dumps(changed))
    assert people.find(bob) is None


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "invalid json"),
        ("[]", "p.json"),
        ('{"people": [{"name": "a", "may": "all", "password": "x"}]}', "people.0.may"),
        ('{"people": [{"name": "", "may": "view", "password": "x"}]}', "people.0.name"),
        ('{"people": [{"name": "a", "may": "view", "password": "plain"}]}', "people.0.password"),
        ('{"people": [], "more": 1}', "unknown key 'more'"),
        ("x" * 300_000, "larger than 256 KiB"),
    ],
)
def test_a_wrong_file_is_one_line(tmp_path: Path, content: str, reason: str) -> None:
    path = tmp_path / "p.json"
    path.write_text(content)
    with pytest.raises(PeopleError) as error:
        PagePeople(path)
    assert error.value.exit_status == 78
    assert reason in str(error.value).lower() or reason in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_file_and_a_link(tmp_path: Path) -> None:
    with pytest.raises(PeopleError, match="No such file"):
        PagePeople(tmp_path / "absent.json")
    (tmp_path / "link.json").symlink_to(write_people(tmp_path / "p.json", ada="view"))
    with pytest.raises(PeopleError, match="cannot be read"):
        PagePeople(tmp_path / "link.json")


@pytest.fixture
def station(tmp_path: Path) -> Path:
    path = tmp_path / "station.toml"
    path.write_text(f'{BY_TIME}[page]\npeople = "people.json"\n')
    (tmp_path / "secret").write_text(f"{PASSWORD}\n")
    return path


def test_the_command_adds_changes_and_removes(
    station: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    secret = str(station.parent / "secret")
    path = station.parent / "people.json"
    call = ["--config", str(station), "--password-file", secret]
    assert main(["page-person", "ada", *call]) == 0
    assert main(["page-person", "bob", "--may", "mark", *call]) == 0
    assert main(["page-person", "ada", "--may", "mark", *call]) == 0
    assert {each.name: each.may for each in read_people(path).people} == {
        "ada": "mark",
        "bob": "mark",
    }
    assert path.stat().st_mode & 0o777 == 0o640
    assert PASSWORD not in path.read_text()
    assert PagePeople(path).log_in("bob", PASSWORD) is not None
    assert main(["page-person", "ada", "--remove", "--config", str(station)]) == 0
    assert [each.name for each in read_people(path).people] == ["bob"]
    assert "ada is removed" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["ada", "--may", "all"], "--may all: expected view or mark"),
        (["a" * 41], "NAME: expected 1 to 40 printable characters"),
        (["a\nb"], "NAME: expected"),
        (["ada", "--password-file", "absent"], "--password-file absent: No such file"),
        (["ada", "--password-file", "short"], "short: expected 8 to 200 characters"),
        (["nobody", "--remove"], "has no person 'nobody'"),
        (["ada"], "a password needs a terminal"),
    ],
)
def test_wrong_use_changes_nothing(
    station: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    reason: str,
) -> None:
    monkeypatch.chdir(station.parent)
    monkeypatch.setattr("sys.stdin", io.StringIO())
    Path("short").write_text("short")
    before = write_people(station.parent / "people.json", bob="view").read_text()
    assert main(["page-person", *arguments, "--config", str(station)]) == 2
    error = capsys.readouterr().err
    assert reason in error
    assert error.count("\n") == 1
    assert (station.parent / "people.json").read_text() == before


def test_without_the_key_there_is_no_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "station.toml").write_text(BY_TIME)
    assert main(["page-person", "ada", "--config", str(tmp_path / "station.toml")]) == 2
    assert "page.people is missing in station.toml" in capsys.readouterr().err
