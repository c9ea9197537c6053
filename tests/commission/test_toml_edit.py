"""Edits of one number in station.toml leave every other byte as it was."""

import os
from pathlib import Path

import pytest

from edge.commission.result import Proposal
from edge.commission.toml_edit import set_number, write_proposals
from edge.errors import ConfigError

TRAVEL = Proposal(section="line", key="travel_ms", value=3, why="", mends="")

TEXT = """\
# travel_ms = 1.0
id = "press-3"   # [line]
[line]   # the belt
  travel_ms = 400.0   # measured with a ruler
budget_ms=200.0
# pulse_ms = 20.0
[encoder]
travel_ms = 7
"""


def test_the_value_is_changed_and_nothing_else() -> None:
    found = set_number(TEXT, "line", "travel_ms", 412.5)
    assert found == TEXT.replace("400.0", "412.5")
    assert set_number(TEXT, "line", "budget_ms", 5) == TEXT.replace("200.0", "5")


def test_a_key_that_is_not_there_comes_first() -> None:
    found = set_number(TEXT, "line", "pulse_ms", 12.3)
    assert found == TEXT.replace("# the belt\n", "# the belt\npulse_ms = 12.3\n")
    assert set_number("[line]", "line", "pulse_ms", 3) == "[line]\npulse_ms = 3\n"


def test_line_ends_stay() -> None:
    text = TEXT.replace("\n", "\r\n")
    assert set_number(text, "line", "travel_ms", 1) == text.replace("400.0", "1")
    assert "\r\npulse_ms = 3\r\n" in set_number(text, "line", "pulse_ms", 3)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("line = { travel_ms = 4 }\n", "does not have exactly one header \\[line\\]"),
        ("[line]\n[line]\n", "does not have exactly one header \\[line\\]"),
        ('[line]\na = """\ntravel_ms = 4\n"""\n', "over several lines"),
    ],
)
def test_an_unsafe_edit_is_refused(text: str, expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        set_number(text, "line", "travel_ms", 1)


def test_a_file_keeps_its_mode_and_a_link_stays_one(tmp_path: Path) -> None:
    real, link = tmp_path / "real.toml", tmp_path / "station.toml"
    real.write_text(TEXT)
    real.chmod(0o640)
    link.symlink_to(real)
    assert write_proposals(link, [TRAVEL], str.upper) == TEXT.replace("400.0", "3").upper()
    assert link.is_symlink()
    assert real.read_text() == TEXT.replace("400.0", "3")
    assert real.stat().st_mode & 0o777 == 0o640
    with pytest.raises(ConfigError, match=r"absent\.toml: cannot be read"):
        write_proposals(tmp_path / "absent.toml", [TRAVEL], str)
    real.write_text("x = 1\n")
    with pytest.raises(ConfigError, match=r"station\.toml: does not have exactly one header"):
        write_proposals(link, [TRAVEL], str)


def test_a_text_that_must_not_be_written_leaves_the_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "station.toml"
    path.write_text(TEXT)
    before = path.stat()
    seen: list[str] = []

    def refuse(text: str) -> None:
        seen.append(text)
        raise ConfigError("no")

    pulse = Proposal(section="line", key="pulse_ms", value=7, why="", mends="")
    with pytest.raises(ConfigError, match=r"^no$"):
        write_proposals(path, [TRAVEL, pulse], refuse)
    assert [("travel_ms = 3" in text, "pulse_ms = 7" in text) for text in seen] == [(True, True)]
    after = path.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert [each.name for each in tmp_path.iterdir()] == ["station.toml"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_what_root_writes_stays_whose_it_was(tmp_path: Path) -> None:
    path = tmp_path / "station.toml"
    path.write_text(TEXT)
    os.chown(path, 4711, 4712)
    write_proposals(path, [TRAVEL], str)
    assert (path.stat().st_uid, path.stat().st_gid) == (4711, 4712)
