"""outfeed-central account, line and audit, each in this process on a new database."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from central.__main__ import main
from central.config.sections import DatabaseConfig
from central.store.database import Database
from central.store.judgements import write_guidance
from edge.bundle.guidance import read_guidance_file
from tests.support.central_access import PASSWORD

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command, and returns its status, output and errors."""
    monkeypatch.chdir(tmp_path)

    def command(*arguments: str, password: str = "") -> tuple[int, str, str]:
        monkeypatch.setattr("sys.stdin", io.StringIO(password))
        capsys.readouterr()
        status = main(["--quiet", *arguments])
        found = capsys.readouterr()
        return status, found.out, found.err

    return command


def add(run: Run, name: str, *roles: str, password: str = PASSWORD) -> tuple[int, str, str]:
    options = [each for role in roles for each in ("--role", role)]
    return run("account", "add", name, *options, "--password-stdin", password=password + "\n")


def test_account_is_created_with_roles_and_listed(run: Run) -> None:
    assert run("line", "add", "Ulm", "press")[0] == 0
    assert run("line", "add", "Ulm", "paint")[0] == 0
    assert add(run, "Anna", "admin", "quality@Ulm", "production@Ulm/press")[:2] == (
        0,
        "account anna created\n",
    )
    roles = "admin, quality at Ulm, production at Ulm/press"
    assert run("account", "list")[1] == f"anna\tenabled\t{roles}\tlocal\n"
    assert run("account", "roles", "anna", "-r", "quality")[0] == 0
    assert run("account", "disable", "anna")[0] == 0
    assert run("account", "list")[1] == "anna\tdisabled\tquality\tlocal\n"
    assert run("account", "enable", "anna")[0] == 0
    assert run("account", "roles", "anna")[0] == 0
    assert run("account", "list")[1] == "anna\tenabled\tno role\tlocal\n"


def test_display_name_and_new_password(run: Run, tmp_path: Path) -> None:
    status, _, _ = run(
        "account", "add", "anna", "--display", "Anna A.", "--password-stdin", password=PASSWORD
    )
    assert status == 0
    database = Database(DatabaseConfig(path=tmp_path / "central.db"))
    before = _stored(database)
    assert run("account", "password", "anna", "--password-stdin", password="x" * 9)[0] == 2
    assert _stored(database) == before
    assert run("account", "password", "anna", "--password-stdin", password="twelve words")[0] == 0
    after = _stored(database)
    database.close()
    assert after[0] == before[0] == "Anna A."
    assert after[1] != before[1]


def _stored(database: Database) -> tuple[str, str]:
    with database.read() as connection:
        return tuple(connection.execute(text("SELECT display, password FROM users")).one())


def test_stations_of_a_line(run: Run) -> None:
    run("line", "add", "Ulm", "press")
    assert run("line", "assign", "press-3", "Ulm", "press")[0] == 0
    assert run("line", "list")[1] == "Ulm/press\tpress-3\n"


def test_token_is_printed_once(run: Run) -> None:
    add(run, "anna")
    status, out, _ = run("account", "token", "anna", "--label", "report", "--days", "3")
    assert status == 0
    assert out.startswith("oft_")
    assert out.strip() not in run("audit", "export")[1]
    assert '\\"days\\":3' in run("audit", "export")[1]


def test_audit_is_exported_and_verified(run: Run, tmp_path: Path) -> None:
    assert run("audit", "verify")[1] == "the audit log is empty\n"
    add(run, "anna", "admin")
    rows = [json.loads(line) for line in run("audit", "export")[1].splitlines()]
    assert [row["action"] for row in rows] == ["account.created", "account.roles"]
    assert {row["via"] for row in rows} == {"command line"}
    head = f"2:{rows[1]['hash']}"
    assert run("audit", "verify", "--head", head)[1] == f"correct to {head}\n"
    database = Database(DatabaseConfig(path=tmp_path / "central.db"))
    with database.write() as connection:
        connection.execute(text("DROP TRIGGER audit_no_delete"))
        connection.execute(text("DELETE FROM audit WHERE sequence = 2"))
    database.close()
    assert run("audit", "verify")[0] == 0
    status, _, error = run("audit", "verify", "--head", head)
    assert status == 1
    assert error == "outfeed-central: audit: row 2 is missing, the log ends with row 1\n"


@pytest.mark.parametrize(
    ("arguments", "password", "message"),
    [
        (["account", "add", "anna", "-r", "boss", "--password-stdin"], PASSWORD, "expected one of"),
        (["account", "add", "anna", "-r", "admin@Rom", "--password-stdin"], PASSWORD, "no plant"),
        (["account", "add", "a b", "--password-stdin"], PASSWORD, "name of an account"),
        (["account", "add", "anna", "--password-stdin"], "", "standard input has no password"),
        (["account", "add", "anna", "--password-stdin"], "short", "expected at least 12"),
        (["account", "add", "anna"], PASSWORD, "no terminal to ask"),
        (["account", "roles", "carl"], "", "there is no account 'carl'"),
        (["account", "password", "carl", "--password-stdin"], PASSWORD, "no account"),
        (["account", "disable", "carl"], "", "no account"),
        (["account", "token", "carl", "--label", "x"], "", "no account"),
        (["line", "assign", "press-3", "Ulm", "press"], "", "no plant 'Ulm'"),
        (["line", "add", "a/b", "c"], "", "no slash"),
        (["audit", "verify", "--head", "1"], "", "expected a row and its hash"),
    ],
)
def test_wrong_usage_is_one_line_and_changes_nothing(
    run: Run, arguments: list[str], password: str, message: str
) -> None:
    status, _, error = run(*arguments, password=password)
    assert status == 2
    assert message in error
    assert error.count("\n") == 1
    assert run("audit", "export")[1] == ""
    assert run("account", "list")[1] == ""


def test_other_configuration(run: Run, tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text('[database]\npath = "own.db"\n', encoding="utf-8")
    for group in (["account", "list"], ["line", "list"], ["audit", "verify"]):
        assert run(*group, "--config", "own.toml")[0] == 0
        assert run(*group, "--config", "none.toml")[0] == 78
    assert (tmp_path / "own.db").exists()
    assert not (tmp_path / "central.db").exists()


def test_guidance_is_exported_for_bundles(run: Run, tmp_path: Path) -> None:
    assert run("line", "list")[0] == 0  # makes the tables
    database = Database(DatabaseConfig(path=tmp_path / "central.db"))
    with database.write() as connection:
        for kind, body in (("scratch", "old"), ("scratch", "Stop.\nClean."), ("dent", "Call ada.")):
            write_guidance(connection, kind, body, "ada", 1)
    database.close()
    status, out, errors = run("guidance", "export", "guidance.json")
    assert (status, out, errors) == (0, "guidance.json: guidance for 2 kinds\n", "")
    found = read_guidance_file(tmp_path / "guidance.json")
    assert [(each.kind, each.version, each.text) for each in found.kinds] == [
        ("dent", 1, "Call ada."),
        ("scratch", 2, "Stop.\nClean."),
    ]
    status, out, errors = run("guidance", "export", "none/guidance.json")
    assert (status, out) == (1, "")
    assert "none/guidance.json: cannot be written: No such file" in errors
