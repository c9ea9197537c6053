"""The section [page]: who can reach it, and the combinations that are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.config.page import PageConfig
from edge.errors import ConfigError
from tests.support.configurations import BY_TIME, load

TLS = 'tls_cert = "page.pem"\ntls_key = "page.key"\n'
PEOPLE = 'people = "people.json"\n'


def test_by_default_only_this_machine_sees_it_and_nobody_marks() -> None:
    page = PageConfig()
    assert (page.bind, page.port, page.is_local, page.marking) == ("127.0.0.1", 8490, True, False)


def test_files_are_beside_the_configuration(tmp_path: Path) -> None:
    text = f'{BY_TIME}[page]\nbind = "0.0.0.0"\nmarking = true\n{TLS}{PEOPLE}'
    config = load(tmp_path / "station.toml", text)
    page = config.page
    assert not page.is_local
    assert (page.tls_cert, page.tls_key) == (tmp_path / "page.pem", tmp_path / "page.key")
    assert page.people == tmp_path / "people.json"
    assert page.marking
    # Without a folder of its own the page writes to that of the station.
    assert config.paths.page_marks == tmp_path / "state/page-marks"


def test_a_folder_of_its_own(tmp_path: Path) -> None:
    config = load(tmp_path / "station.toml", f'{BY_TIME}[page]\nstate_dir = "mine"\n')
    assert config.paths.page_marks == tmp_path / "mine/page-marks"


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ('bind = "0.0.0.0"', "lets other machines reach the page: expected tls_cert, tls_key and"),
        (f'bind = "192.168.1.4"\n{TLS}', "lets other machines reach the page"),
        (f'bind = "::"\n{PEOPLE}', "lets other machines reach the page"),
        ('bind = "localhost"', "expected an IP address, for instance 0.0.0.0"),
        ('tls_cert = "page.pem"', "tls_cert and tls_key: expected both, or neither"),
        ("marking = true", "marking needs people"),
        ("port = 0", "greater than or equal to 1"),
        ('shifts = ["24:00"]', "'24:00': expected a time of day, for instance 06:00"),
        ('shifts = ["6:00"]', "expected a time of day"),
        ("shifts = []", "expected 1 to 12 times"),
        ('shifts = ["14:00", "06:00"]', "expected ascending times, each once"),
        ('shifts = ["06:00", "06:00"]', "expected ascending times, each once"),
    ],
)
def test_what_is_refused(tmp_path: Path, lines: str, reason: str) -> None:
    with pytest.raises(ConfigError, match="page") as error:
        load(tmp_path / "station.toml", f"{BY_TIME}[page]\n{lines}\n")
    assert reason in str(error.value)
    assert "\n" not in str(error.value)


def test_marks_need_pictures(tmp_path: Path) -> None:
    text = f"{BY_TIME}[pictures]\nenabled = false\n[page]\nmarking = true\n{PEOPLE}"
    with pytest.raises(ConfigError, match=r"page\.marking needs pictures\.enabled"):
        load(tmp_path / "station.toml", text)
