"""The numbers of users and groups of an image."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tools.image.base import LISTS
from tools.image.commands import ImageError
from tools.image.users import read_users

USERS = read_users(LISTS / "users")
SYSUSERS = LISTS.parent / "sysusers.d" / "outfeed.conf"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The files of Debian before other packages, with the users of the list added by the hook."""
    etc = tmp_path / "etc"
    etc.mkdir()
    (etc / "passwd").write_text(
        "root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534::/:/bin/no\n"
    )
    (etc / "group").write_text("root:x:0:\nvideo:x:44:\nusers:x:100:\nnogroup:x:65534:\n")
    (etc / "shadow").write_text("root:*:1::::::\n")
    subprocess.run(["sh", "-euc", USERS.hook(), "sh", str(tmp_path)], check=True)
    return tmp_path


def test_the_hook_adds_each_user_once(root: Path) -> None:
    USERS.check(root)
    lines = (root / "etc/passwd").read_text().splitlines()
    assert "outfeed-uplink:x:901:900::/var/lib/outfeed-uplink:/usr/sbin/nologin" in lines
    assert "sshd:x:102:65534::/run/sshd:/usr/sbin/nologin" in lines
    names = [line.split(":")[0] for line in lines]
    assert sorted(names) == sorted({"root", "nobody", *USERS.users})
    shadow = (root / "etc/shadow").read_text().splitlines()
    assert [line.split(":")[0] for line in shadow] == ["root", *USERS.users]


def test_no_number_is_used_twice() -> None:
    for numbers in (
        [number for number, _, _ in USERS.users.values()],
        list(USERS.groups.values()),
    ):
        assert len(numbers) == len(set(numbers))


def test_the_users_of_the_package_have_numbers() -> None:
    text = SYSUSERS.read_text()
    users = re.findall(r"^u (\S+) .*?\s(/\S+) ", text, re.MULTILINE)
    assert len(users) >= 4
    for name, home in users:
        assert USERS.users[name][1:] == ("outfeed", home)
    for group in re.findall(r"^g (\S+)", text, re.MULTILINE):
        assert group in USERS.groups or group == "video"  # Debian's own


@pytest.mark.parametrize(
    ("file", "line", "message"),
    [
        ("passwd", "new:x:103:900::/:/bin/no", "new has number 103, .*no such entry"),
        ("group", "new:x:111:", "new has number 111, .*no such entry"),
        ("passwd", "outfeed:x:904:900::/:/bin/no", "outfeed has number 904, .*number 900"),
        ("group", "input:x:50:", "input has number 50, .*number 103"),
    ],
)
def test_another_number_is_refused(root: Path, file: str, line: str, message: str) -> None:
    path = root / "etc" / file
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(ImageError, match=rf"^etc/{file}: {message}"):
        USERS.check(root)


@pytest.mark.parametrize("line", ["user a", "group a b", "user a 1 missing /", "other"])
def test_a_wrong_line_of_the_list_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "users"
    path.write_text(line + "\n")
    with pytest.raises(ImageError, match=rf"^{path}"):
        read_users(path)
