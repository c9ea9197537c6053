"""``outfeed page`` and marks of the page that wait, as other commands see them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from edge.inbox import Inbox, new_mark
from tests.cli.conftest import Outfeed
from tests.support.configurations import BY_TIME


def test_the_missing_extra_is_one_line(
    outfeed: Outfeed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "starlette", None)
    result = outfeed("page", "--config", tmp_path / "station.toml")
    assert result.status == 2
    assert "page needs starlette: pip install 'outfeed[page]'" in result.line


def test_a_wrong_configuration_is_status_78(outfeed: Outfeed, tmp_path: Path) -> None:
    path = tmp_path / "station.toml"
    path.write_text(f'{BY_TIME}[page]\nbind = "0.0.0.0"\n')
    result = outfeed("page", "--config", path)
    assert (result.status, "station.toml" in result.line) == (78, True)
    path.write_text(f'{BY_TIME}[page]\npeople = "absent.json"\nport = 8497\n')
    result = outfeed("page", "--config", path)
    assert (result.status, "absent.json" in result.line) == (78, True)


def test_the_quarantine_names_marks_of_the_page_that_wait(outfeed: Outfeed, tmp_path: Path) -> None:
    path = tmp_path / "station.toml"
    path.write_text(f'{BY_TIME}[page]\nmarking = true\npeople = "people.json"\n')
    (tmp_path / "state").mkdir()
    Inbox(tmp_path / "state/page-marks").post(new_mark(3, "escape", "ada"))
    result = outfeed("quarantine", "collect", "--config", path, "--out", tmp_path / "q")
    assert result.status == 1
    assert "page-marks: 1 mark waits that the station has not read" in result.err
