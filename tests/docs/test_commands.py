"""Every command that a guide names exists, with its options, variables and targets."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
import typer

pytest.importorskip("torch", reason="torch is not installed: pip install torch")

from edge.__main__ import app
from tests.docs.commands import GUIDES, ROOT, SOURCES, Command, commands

ALL = list({str(c): c for guide in (*GUIDES, *SOURCES) for c in commands(guide)}.values())
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


PLACEHOLDERS = ("COMMAND", "…", "...")


def of(program: str) -> list[Command]:
    return [command for command in ALL if command.program == program]


def test_the_guides_are_read() -> None:
    assert len(of("make")) >= 15
    assert len(of("outfeed")) >= 30
    assert len(of("python")) >= 2


@pytest.mark.parametrize("command", of("make"), ids=str)
def test_targets_and_variables_are_in_the_makefile(command: Command) -> None:
    for word in command.words[1:]:
        if word in ("sure", "it"):
            return  # prose
        name, equals, _ = word.partition("=")
        if equals:
            assert f"$({name})" in MAKEFILE, f"{command}: nothing reads {name}"
        elif re.fullmatch(r"[a-z-]+", word):
            assert re.search(rf"^{word}:", MAKEFILE, re.MULTILINE), f"{command}: no such target"


@pytest.mark.parametrize("command", of("outfeed"), ids=str)
def test_commands_and_options_exist(command: Command) -> None:
    level: list[Any] = [typer.main.get_command(app)]
    words = list(command.words[1:])
    while words and hasattr(level[0], "commands"):
        if words[0] in PLACEHOLDERS:
            return
        if words[0].startswith("-"):
            break  # an option of the command so far
        names = words.pop(0).split("|")
        for name in names:
            assert any(name in each.commands for each in level), f"{command}: no command {name}"
        level = [each.commands[n] for each in level for n in names if n in each.commands]
    params = [param for each in level for param in each.params]
    known = {option for p in params for option in (*p.opts, *p.secondary_opts)} | {"--help"}
    for word in words:
        if re.fullmatch(r"--[a-z][a-z-]*(=.*)?|-[a-z]", word):
            assert word.split("=")[0] in known, f"{command}: no option {word}"


@pytest.mark.parametrize("command", of("python"), ids=str)
def test_modules_and_their_options_exist(command: Command) -> None:
    words = list(command.words)
    if "-m" not in words:
        return
    name = words[words.index("-m") + 1]
    if name in ("pytest", "module") or name.split(".")[0] in sys.stdlib_module_names:
        return
    path = ROOT / name.replace(".", "/")
    source = path / "__main__.py" if path.is_dir() else path.with_suffix(".py")
    assert source.is_file(), f"{command}: no module"
    for word in words[words.index("-m") :]:
        if word.startswith("--"):
            # Named by argparse or, in the same words, by typer's parameter.
            key = word.removeprefix("--").split("=")[0].removeprefix("no-").replace("-", "_")
            text = source.read_text(encoding="utf-8")
            assert word.split("=")[0] in text or f"{key}:" in text, f"{command}: no option {word}"


def test_readme_names_the_place_of_outfeed() -> None:
    """Above "On a line" nothing is on the PATH: every command has its path."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    workstation = readme[: readme.index("## On a line")]
    assert re.findall(r"(?:^|`)((?:outfeed|python) [a-z-]\S*)", workstation, re.MULTILINE) == []
    assert "/opt/outfeed/bin/outfeed" in readme


def test_readme_fits_on_two_screens() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 90


def test_what_a_unit_is_installed_from(tmp_path: Path) -> None:
    """The archive of `make dist`; no key or run that lies about goes along."""
    archive = tmp_path / "some where" / "outfeed.tar.gz"
    made = subprocess.run(
        ["make", "-s", "-C", ROOT, "dist", f"DIST={archive}"],
        check=False,
        capture_output=True,
        text=True,
    )
    assert made.returncode == 0, made.stderr
    with tarfile.open(archive) as tar:
        names = tar.getnames()
    inside = {name.partition("/")[2] for name in names}
    assert {name.partition("/")[0] for name in names} == {"outfeed"}
    for needed in (
        "pyproject.toml",
        "README.md",
        "edge/__main__.py",
        "models/zoo/zoo.pub",
        "firmware-config/systemd/outfeed-station.service",
        "firmware-config/sysusers.d/outfeed.conf",
    ):
        assert needed in inside
    unwanted = [
        n for n in inside if n.endswith(".key") or "__pycache__" in n or n.startswith("runs")
    ]
    assert unwanted == []
