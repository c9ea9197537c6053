"""The users of an image. Their numbers are fixed, because files on the data partition keep them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tools.image.commands import ImageError

# Debian gives numbers in this range in the order of installation.
_FIRST, _LAST = 100, 999
# Groups of Debian that base-passwd numbers itself, outside the list.
_GIVEN = {"users", "nogroup"}


@dataclass(frozen=True, slots=True)
class ImageUsers:
    """The list firmware-config/image/users.

    Attributes:
        groups: Number of each group.
        users: Number, group and home of each user.
    """

    groups: dict[str, int]
    users: dict[str, tuple[int, str, str]]

    def hook(self) -> str:
        """Return a script for sh that adds all of them to the system in ``$1``."""
        numbers = {**self.groups, "nogroup": 65534}
        groups = [f"{name}:x:{number}:" for name, number in self.groups.items()]
        users = [
            f"{name}:x:{number}:{numbers[group]}::{home}:/usr/sbin/nologin"
            for name, (number, group, home) in self.users.items()
        ]
        secrets = [f"{name}:!:1::::::" for name in self.users]
        return "".join(
            f'cat >>"$1/etc/{name}" <<"END"\n' + "\n".join(lines) + "\nEND\n"
            for name, lines in (("group", groups), ("passwd", users), ("shadow", secrets))
        )

    def check(self, root: Path) -> None:
        """Raise ImageError for a user or group of the image that has another number, or none here.

        root: the files of the image.
        """
        numbers = {name: number for name, (number, _, _) in self.users.items()}
        for file, listed in (("passwd", numbers), ("group", self.groups)):
            for line in (root / "etc" / file).read_text().splitlines():
                name, _, number, *_ = line.split(":")
                wanted = listed.get(name)
                is_given = name in _GIVEN or not _FIRST <= int(number) <= _LAST
                if wanted != int(number) and not (wanted is None and is_given):
                    expected = "no such entry" if wanted is None else f"number {wanted}"
                    raise ImageError(
                        f"etc/{file}: {name} has number {number}, "
                        f"firmware-config/image/users has {expected}"
                    )


def read_users(path: Path) -> ImageUsers:
    """Read the list. Raises ImageError, one line."""
    groups: dict[str, int] = {}
    users: dict[str, tuple[int, str, str]] = {}
    for count, line in enumerate(path.read_text().splitlines(), 1):
        match line.split():
            case ["group", name, number] if number.isdecimal():
                groups[name] = int(number)
            case ["user", name, number, group, home] if number.isdecimal():
                users[name] = (int(number), group, home)
            case [] | ["#", *_]:
                continue
            case _:
                raise ImageError(f"{path}:{count}: expected `group NAME NUMBER` or `user …`")
    for name, (_, group, _) in users.items():
        if group not in groups and group != "nogroup":
            raise ImageError(f"{path}: group {group} of user {name} is missing")
    return ImageUsers(groups, users)
