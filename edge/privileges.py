"""Giving up root's rights: a command on a station's state acts as the owner of that state.

The owner may have put anything into the folder, for instance a link, a picture or a bundle. Root
must not follow, parse or write it. So root's rights are given up before the folder is used.
"""

from __future__ import annotations

import os
import pwd
import resource
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from edge.active_bundle import with_active_bundle
from edge.config.station import StationConfig, load_config
from edge.errors import ConfigError

# As LimitRTPRIO= and LimitMEMLOCK= of the unit, so that a station that root starts can use
# real-time priority too.
_REAL_TIME_PRIORITY = 99


@dataclass(frozen=True, slots=True)
class Owner:
    """A user and its primary group, by number. name: None if the user has no account here."""

    uid: int
    gid: int
    name: str | None = None
    home: str = "/"


def open_config(path: Path) -> StationConfig:
    """Read station.toml. If root runs the process, it then acts as the owner of ``state_dir``.

    Its bundle is the accepted one, where one came over the network. Raises ConfigError.
    """
    settings = load_config(path)
    act_as_owner(settings.state_dir)
    return with_active_bundle(settings)


def act_as_owner(folder: Path) -> None:
    """Replace root's rights by those of the folder's owner, permanently.

    Do nothing for other users, and for a folder of root. Raises ConfigError if a third user could
    replace the folder.
    """
    if os.geteuid() != 0:
        return
    owner = owner_of(folder)
    if owner.uid == 0:
        return
    for limit in (resource.RLIMIT_RTPRIO, resource.RLIMIT_MEMLOCK):
        wanted = _REAL_TIME_PRIORITY if limit == resource.RLIMIT_RTPRIO else resource.RLIM_INFINITY
        with suppress(OSError, ValueError):  # in a container root may not have this right
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
    """Return the owner of the folder; if it is missing, the owner of the nearest folder above it.

    Raises ConfigError if another user could replace the folder: if a part of the path belongs
    neither to root nor to the owner, or if the folder belongs to root and others may write a part
    of its path.
    """
    existing = folder.absolute()
    while not existing.exists() and existing != existing.parent:
        existing = existing.parent
    status = existing.stat()
    is_roots = status.st_uid == 0
    for part in dict.fromkeys((*_steps(existing), *_steps(existing.resolve()))):
        step = part.lstat()
        if step.st_uid not in (0, status.st_uid):
            raise ConfigError(
                f"key 'state_dir': {folder}: {part} belongs to {_name(step.st_uid)}, who could "
                f"replace it; expected root or {_name(status.st_uid)}"
            )
        if is_roots and not stat.S_ISLNK(step.st_mode) and _writable_by_others(step):
            raise ConfigError(
                f"key 'state_dir': {folder}: belongs to root, but others may write {part}; give "
                "the folder to the station's user"
            )
    return _owner(status)


def _steps(path: Path) -> tuple[Path, ...]:
    return (path, *path.parents)


def _writable_by_others(status: os.stat_result) -> bool:
    """Return True if others may replace files. In a sticky folder such as /tmp they may not."""
    if status.st_mode & stat.S_ISVTX:
        return False
    by_group = status.st_mode & stat.S_IWGRP and status.st_gid != 0
    return bool(by_group or status.st_mode & stat.S_IWOTH)


def _owner(status: os.stat_result) -> Owner:
    try:
        user = pwd.getpwuid(status.st_uid)
    except KeyError:
        return Owner(status.st_uid, status.st_gid)
    return Owner(user.pw_uid, user.pw_gid, user.pw_name, user.pw_dir)


def _name(uid: int) -> str:
    try:
        return f"user {pwd.getpwuid(uid).pw_name}"
    except KeyError:
        return f"user {uid}"
