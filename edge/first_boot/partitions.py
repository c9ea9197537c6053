"""The FAT file systems of a unit: mounted ones, and those of sticks."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from logging import getLogger
from pathlib import Path

_log = getLogger(__name__)

_KIND = "vfat"
# Nothing of the stick is run, and no other user reads it.
_OPTIONS = "nosuid,nodev,noexec,umask=0077"
_MOUNT_S = 20.0
# An escape of mountinfo (proc(5)): a backslash and three octal digits.
_ESCAPE = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True, slots=True)
class FatPartition:
    """A mounted FAT file system. is_writable: as it is mounted now."""

    path: Path
    is_writable: bool

    @contextmanager
    def writable(self) -> Iterator[None]:
        """Mount it for writing, where it is not, and as before afterwards. Raises OSError."""
        if not self.is_writable:
            _mount("-o", "remount,rw", str(self.path))
        try:
            yield
        finally:
            if not self.is_writable:
                with suppress(OSError):
                    _mount("-o", "remount,ro", str(self.path))


@contextmanager
def fat_partitions(folder: Path, root: Path = Path("/")) -> Iterator[list[FatPartition]]:
    """Yield the FAT file systems of the unit. Those that are not mounted are mounted meanwhile.

    Needs root. A file system that cannot be mounted is left out, with a line in the log.

    Args:
        folder: Where they are mounted, read only, each in a folder of its own.
        root: The root of the file system, for tests.
    """
    found, used = _mounted(root)
    own: list[Path] = []
    try:
        for name in _unmounted(root, used):
            place = folder / name
            try:
                place.mkdir(mode=0o700, parents=True, exist_ok=True)
                _mount("-t", _KIND, "-o", f"ro,{_OPTIONS}", f"/dev/{name}", str(place))
            except OSError as error:
                _log.warning("partition_not_mounted device=%s reason=%s", name, error)
                continue
            own.append(place)
            found.append(FatPartition(place, is_writable=False))
        yield found
    finally:
        for place in own:
            with suppress(OSError):
                _run("umount", str(place))
            with suppress(OSError):
                place.rmdir()


def _mounted(root: Path) -> tuple[list[FatPartition], set[str]]:
    """Return the mounted FAT file systems, and the device numbers of everything that is mounted."""
    found: dict[str, FatPartition] = {}
    used = set()
    for line in (root / "proc/self/mountinfo").read_text(errors="replace").splitlines():
        fields, _, more = line.partition(" - ")
        parts, kind = fields.split(), more.split()
        if len(parts) < 6 or len(kind) < 3:
            continue
        used.add(parts[2])
        # A bind mount of a folder shows only a part of the file system.
        if kind[0] == _KIND and parts[3] == "/":
            place = Path(_ESCAPE.sub(lambda each: chr(int(each[1], 8)), parts[4]))
            rights = {parts[5].split(",")[0], kind[2].split(",")[0]}
            found[parts[2]] = FatPartition(place, is_writable="ro" not in rights)
    return list(found.values()), used


def _unmounted(root: Path, used: set[str]) -> Iterator[str]:
    """Yield the names of block devices with a FAT that is not mounted, as udev has found them."""
    for device in sorted((root / "sys/class/block").glob("*/dev")):
        try:
            number = device.read_text().strip()
            facts = (root / "run/udev/data" / f"b{number}").read_text(errors="replace")
        except OSError:
            continue
        if number not in used and f"E:ID_FS_TYPE={_KIND}" in facts.splitlines():
            yield device.parent.name


def _mount(*arguments: str) -> None:
    _run("mount", *arguments)


def _run(*command: str) -> None:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_MOUNT_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise OSError(f"{' '.join(command)}: no answer within {_MOUNT_S:g} s") from error
    if done.returncode:
        raise OSError(done.stderr.strip() or f"{' '.join(command)}: status {done.returncode}")
