"""A command that root runs on a station's state acts as the user to whom the state belongs.

What lies in that folder was put there by this user: a link, a picture, a bundle. Root must neither
follow nor parse nor write it, so root's rights are given up before the folder is touched.
"""

from __future__ import annotations

import os
import pwd
import resource
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from edge.config.station import StationConfig, load_config
from edge.errors import ConfigError

# As LimitRTPRIO= and LimitMEMLOCK= of the unit: a station that root starts keeps its real time.
_REAL_TIME_PRIORITY = 99


@dataclass(frozen=True, slots=True)
class Owner:
    """A user and its primary group, by number. name: None where the machine has no such user."""

    uid: int
    gid: int
    name: str | None = None
    home: str = "/"


def open_config(path: Path) -> StationConfig:
    """Read station.toml; from then on the process acts as the owner of its state_dir where root
    runs it. Raises ConfigError."""
    settings = load_config(path)
    act_as_owner(settings.state_dir)
    return settings


def act_as_owner(folder: Path) -> None:
    """Give up root's rights for those of the folder's owner, for good. Does nothing for other users
    and for a folder that is root's own. Raises ConfigError where a third user could exchange the
    folder."""
    if os.geteuid() != 0:
        return
    owner = owner_of(folder)
    if owner.uid == 0:
        return
    for limit in (resource.RLIMIT_RTPRIO, resource.RLIMIT_MEMLOCK):
        wanted = _REAL_TIME_PRIORITY if limit == resource.RLIMIT_RTPRIO else resource.RLIM_INFINITY
        with suppress(OSError, ValueError):  # in a container root may be refused it
            resource.setrlimit(limit, (wanted, wanted))
    if owner.name is None:
        os.setgroups([])
    else:
        os.initgroups(owner.name, owner.gid)
    os.setresgid(owner.gid, owner.gid, owner.gid)
    os.setresuid(owner.uid, owner.uid, owner.uid)
    os.environ["HOME"] = owner.home
    os.umask(os.umask(0o077) | 0o027)


def owner_of(folder: Path) -> Owner:
    """To whom the folder belongs, or, where it is not there yet, what it would be made in.

    Raises ConfigError where a part of the path belongs to neither root nor that user, or where the
    folder is root's and others may write a part of its path: they could put another in its place.
    """
    there = folder.absolute()
    while not there.exists() and there != there.parent:
        there = there.parent
    found = there.stat()
    ours = found.st_uid == 0
    for part in dict.fromkeys((*_steps(there), *_steps(there.resolve()))):
        step = part.lstat()
        if step.st_uid not in (0, found.st_uid):
            raise ConfigError(
                f"key 'state_dir': {folder}: {part} belongs to {_name(step.st_uid)}, who could put "
                f"another in its place; expected root or {_name(found.st_uid)}"
            )
        if ours and not stat.S_ISLNK(step.st_mode) and _writable_by_others(step):
            raise ConfigError(
                f"key 'state_dir': {folder}: belongs to root, but others may write {part}; give "
                "the folder to the station's user"
            )
    return _owner(found)


def _steps(path: Path) -> tuple[Path, ...]:
    return (path, *path.parents)


def _writable_by_others(found: os.stat_result) -> bool:
    """A sticky folder is none: nobody can exchange what is another's in it (/tmp)."""
    if found.st_mode & stat.S_ISVTX:
        return False
    by_group = found.st_mode & stat.S_IWGRP and found.st_gid != 0
    return bool(by_group or found.st_mode & stat.S_IWOTH)


def _owner(found: os.stat_result) -> Owner:
    try:
        user = pwd.getpwuid(found.st_uid)
    except KeyError:
        return Owner(found.st_uid, found.st_gid)
    return Owner(user.pw_uid, user.pw_gid, user.pw_name, user.pw_dir)


def _name(uid: int) -> str:
    try:
        return f"user {pwd.getpwuid(uid).pw_name}"
    except KeyError:
        return f"user {uid}"
