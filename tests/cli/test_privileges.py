"""The station's user cannot use the station's state to attack commands that root runs on it."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge.__main__ import main
from edge.errors import ConfigError
from edge.privileges import act_as_owner, owner_of
from tests.support.users import GROUP, STATION, STRANGER, acting_as, needs_root, open_folder, owned

pytestmark = needs_root

_TOML = """\
id = "press-3"
bundle = "{bundle}"
state_dir = "{state}"
[trust]
keys = []
[camera]
kind = "files"
path = "frames"
[line]
travel_ms = 400
budget_ms = 200
"""


@pytest.fixture
def place() -> Iterator[Path]:
    with open_folder() as folder:
        yield folder


@pytest.fixture
def state(place: Path) -> Path:
    return owned(place / "state", STATION)


@pytest.fixture
def config(place: Path, state: Path) -> Path:
    path = place / "station.toml"
    path.write_text(_TOML.format(bundle=place / "none.outfeed", state=state))
    return path


@pytest.fixture
def victim(place: Path) -> Path:
    """A folder of root's, as /etc is, with a file in it."""
    folder = place / "etc"
    folder.mkdir()
    (folder / "passwd").write_text("root:x:0:0::/root:/bin/sh\n")
    return folder


def untouched(victim: Path) -> bool:
    found = [path.name for path in victim.iterdir()]
    text = (victim / "passwd").read_text()
    owners = {path.stat().st_uid for path in (victim, victim / "passwd")}
    return found == ["passwd"] and text.startswith("root:x:0:0:") and owners == {0}


def command(*words: object) -> Callable[[], object]:
    """The command line, and as whom the process ended."""

    def run() -> object:
        status = main([str(word) for word in words])
        return status, os.getresuid(), os.getgroups()

    return run


def test_a_mark_of_root_is_the_stations(config: Path, state: Path) -> None:
    said = acting_as(command("mark", 7, "--as", "escape", "--config", config))
    assert said == f"(0, ({STATION}, {STATION}, {STATION}), [])"
    for path in (state / "inbox", *(state / "inbox").iterdir()):
        assert (path.stat().st_uid, path.stat().st_gid) == (STATION, GROUP)
        assert not path.stat().st_mode & 0o027
    assert len(list((state / "inbox").iterdir())) == 1


def test_an_inbox_that_leads_elsewhere(config: Path, state: Path, victim: Path) -> None:
    (state / "inbox").symlink_to(victim)
    said = acting_as(command("mark", 7, "--config", config))
    assert said.startswith(f"(1, ({STATION}, {STATION}, {STATION})")
    assert untouched(victim)


@pytest.mark.parametrize("kind", ["fifo", "file", "socket"])
def test_an_inbox_that_is_no_folder(config: Path, state: Path, kind: str) -> None:
    path = state / "inbox"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "file":
        path.write_bytes(b"")
    else:
        os.mknod(path, 0o140600)
    os.chown(path, STATION, GROUP)
    assert acting_as(command("mark", 7, "--config", config)).startswith("(1, ")


def test_hard_links_in_the_inbox_change_nothing(config: Path, state: Path, victim: Path) -> None:
    """Test only where the kernel allows a user to make hard links (fs.protected_hardlinks)."""
    inbox = owned(state / "inbox", STATION)
    os.link(victim / "passwd", inbox / "a.json")
    assert acting_as(command("mark", 7, "--config", config)).startswith("(0, ")
    (inbox / "a.json").unlink()
    assert untouched(victim)


@pytest.mark.parametrize(
    "words",
    [
        ("replay", "--all"),
        ("replay", 7),
        ("mark", "--last"),
        ("disk-usage",),
        ("doctor", "--no-golden"),
        ("bench", "--select"),
        ("commission", "--batch"),
        ("run",),
        ("quarantine", "collect", "--out", "set-aside"),
    ],
    ids=lambda words: words[0],
)
def test_every_command_gives_roots_rights_up(
    config: Path, state: Path, victim: Path, words: tuple[object, ...]
) -> None:
    """With links wherever a station keeps something: each ends, and root's is untouched."""
    for name in ("pictures", "bundles", "inbox"):
        (state / name).symlink_to(victim)
    for name in ("journal.sqlite", "bundles.json", "engine.json", "commission.json", "drift.json"):
        (state / name).symlink_to(victim / "passwd")
        (state / f".{name}.part").symlink_to(victim / "passwd")
    said = acting_as(command(*words, "--config", config))
    assert f"({STATION}, {STATION}, {STATION})" in said, said
    assert untouched(victim)


def test_the_uplinks_command_acts_as_the_owner_of_its_own_folder(place: Path, state: Path) -> None:
    own = owned(place / "uplink", STRANGER)
    assert owner_of(own).uid == STRANGER
    text = _TOML.format(bundle="x", state=state) + f'[uplink]\nstate_dir = "{own}"\n'
    text += 'tls_ca = "nowhere.pem"\n'
    (place / "station.toml").write_text(text)

    def until_it_runs() -> None:
        """It retries whatever its certificates are: stopped once it has its folder."""
        while not (own / "uplink.lock").exists():
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGTERM)

    def run() -> object:
        threading.Thread(target=until_it_runs, daemon=True).start()
        return command("uplink", "--config", place / "station.toml")()

    said = acting_as(run)
    assert f"({STRANGER}, {STRANGER}, {STRANGER})" in said, said


def test_there_is_no_way_back(state: Path) -> None:
    def task() -> object:
        act_as_owner(state)
        os.setuid(0)

    assert "PermissionError" in acting_as(task)


def test_a_folder_of_roots_own_stays_roots(place: Path) -> None:
    own = owned(place / "own", 0, 0)
    assert owner_of(own).uid == 0
    assert owner_of(own / "not/there/yet").uid == 0
    assert acting_as(lambda: (act_as_owner(own), os.geteuid())) == "(None, 0)"


def test_a_folder_that_a_third_user_could_exchange(place: Path) -> None:
    theirs = owned(place / "theirs", STRANGER, mode=0o755)
    inner = owned(theirs / "state", STATION)
    with pytest.raises(ConfigError, match=f"theirs belongs to user {STRANGER}, who could replace"):
        owner_of(inner)
    roots = owned(theirs / "roots", 0, 0)
    with pytest.raises(ConfigError, match="key 'state_dir': "):
        owner_of(roots)
    link = place / "link"
    link.symlink_to(inner)
    with pytest.raises(ConfigError, match="theirs belongs to"):
        owner_of(link)


def test_a_link_of_a_third_user(place: Path, state: Path) -> None:
    """Not where it leads to but who could lead it elsewhere decides."""
    link = place / "link"
    link.symlink_to(state)
    assert owner_of(link).uid == STATION
    os.chown(link, STRANGER, GROUP, follow_symlinks=False)
    with pytest.raises(ConfigError, match=f"link belongs to user {STRANGER}"):
        owner_of(link)


@pytest.mark.parametrize(("gid", "mode"), [(0, 0o777), (0, 0o757), (GROUP, 0o775)])
def test_a_folder_of_roots_that_others_may_write(place: Path, gid: int, mode: int) -> None:
    outer = owned(place / "outer", 0, gid, mode)
    inner = owned(outer / "state", 0, 0)
    with pytest.raises(ConfigError, match=r"belongs to root, but others may write .*outer"):
        owner_of(inner)
    outer.chmod(mode | 0o1000)
    assert owner_of(inner).uid == 0
