"""The options of ``outfeed system``, and its one line on a machine without an image."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from edge.__main__ import app
from edge.errors import UsageError
from edge.updates.system import report, session
from edge.updates.system.boot_state import BootStateError

RUN = CliRunner()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """The arguments of the commands of the session."""
    found: dict[str, object] = {}

    def note(name: str):  # type: ignore[no-untyped-def]
        def take(*words: object, **options: object) -> None:
            options.pop("tell")
            found.update({"command": name, "words": words, **options})

        return take

    for name in ("update_system", "switch_system", "roll_back_system", "confirm_system"):
        monkeypatch.setattr(session, name, note(name))
    return found


@pytest.mark.parametrize(
    ("line", "changed"),
    [
        ("update x.raucb", {"idle_s": 60.0, "later": False, "allow_older": False}),
        ("update x.raucb --now", {"idle_s": 0.0}),
        ("update x.raucb --later", {"later": True}),
        ("update x.raucb --idle-s 5", {"idle_s": 5.0}),
        ("update x.raucb --allow-older", {"allow_older": True}),
        ("update x.raucb --ca ca.pem", {"authority": Path("ca.pem")}),
        ("switch", {"command": "switch_system", "idle_s": 60.0}),
        ("switch --idle-s 0", {"idle_s": 0.0}),
        ("rollback --reason dark", {"command": "roll_back_system", "words": ("dark",)}),
        ("confirm", {"command": "confirm_system", "limit_s": 600.0, "steady_s": 30.0}),
        ("confirm --limit-s 9 --steady-s 1", {"limit_s": 9.0, "steady_s": 1.0}),
    ],
)
def test_each_option_reaches_the_session(
    asked: dict[str, object], line: str, changed: dict[str, object]
):
    result = RUN.invoke(app, ["system", *line.split()])
    assert result.exit_code == 0, result.output
    assert {name: asked[name] for name in changed} == changed


def test_now_and_later_exclude_each_other(asked: dict[str, object]):
    result = RUN.invoke(app, ["system", "update", "x.raucb", "--now", "--later"])
    assert isinstance(result.exception, UsageError)
    assert asked == {}


def test_the_status_is_shown_as_lines_or_as_json(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(report, "report", lambda: "lines")
    monkeypatch.setattr(report, "report_json", lambda: "{}")
    assert RUN.invoke(app, ["system", "status"]).output == "lines\n"
    assert RUN.invoke(app, ["system", "status", "--json"]).output == "{}\n"


def test_a_machine_without_an_image_is_named():
    result = RUN.invoke(app, ["system", "status"])
    assert isinstance(result.exception, BootStateError)
    assert "expected a system made by `make image`" in str(result.exception)
