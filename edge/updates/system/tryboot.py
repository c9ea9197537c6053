"""The state of the slots on a Raspberry Pi: autoboot.txt, and the rest beside it.

The firmware starts the partition of ``[all]``. After ``reboot "0 tryboot"`` it starts the partition
of ``[tryboot]``, once: the flag is gone at the next start. The firmware counts no attempts. The
documentation of the firmware is the source: config.txt, autoboot.txt, "Example update flow".
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge.files import write_durably
from edge.updates.system.boot_state import (
    BootState,
    BootStateError,
    Slot,
    other,
    parse_variables,
)

PARTITIONS: dict[Slot, int] = {"A": 2, "B": 3}
AUTOBOOT = "autoboot.txt"


class TrybootFiles:
    """autoboot.txt on the first partition, and what it cannot hold in a file on the data partition.

    Synchronization: one process at a time; the callers hold a lock.
    """

    def __init__(self, config: Path, rest: Path) -> None:
        """Open nothing.

        Args:
            config: The device of the first partition; a folder in tests.
            rest: The file of the variables.
        """
        self._config = config
        self._rest = rest

    def read(self) -> BootState:
        """Return the state. autoboot.txt decides which slot is started without a trial."""
        with self._mounted(writable=False) as folder:
            first = parse_autoboot(_read(folder / AUTOBOOT))
        try:
            lines = self._rest.read_text().splitlines()
            state = parse_variables(dict(line.split("=", 1) for line in lines if "=" in line))
        except (OSError, BootStateError):
            return BootState().confirmed(first)
        trial = not state.of(state.order[0]).good and state.order[0] != first
        return state if trial else state.confirmed(first)

    def write(self, state: BootState) -> None:
        """Write both files. A slot on trial never gets into ``[all]``. Raises BootStateError."""
        primary = state.primary()
        first = primary if state.of(primary).good else other(primary)
        text = "".join(f"{name}={value}\n" for name, value in state.variables().items())
        try:
            self._rest.parent.mkdir(parents=True, exist_ok=True)
            write_durably(self._rest, text)
        except OSError as error:
            raise BootStateError(f"{self._rest}: cannot be written: {error.strerror}") from error
        with self._mounted(writable=True) as folder:
            path = folder / AUTOBOOT
            if not path.exists() or parse_autoboot(_read(path)) != first:
                _overwrite(path, autoboot(first).encode())

    @contextmanager
    def _mounted(self, *, writable: bool) -> Iterator[Path]:
        if self._config.is_dir():
            yield self._config
            return
        with tempfile.TemporaryDirectory() as name:
            options = "rw,sync" if writable else "ro"
            _run("mount", "-t", "vfat", "-o", options, str(self._config), name)
            try:
                yield Path(name)
            finally:
                _run("umount", name)


def autoboot(first: Slot) -> str:
    """Return autoboot.txt, always of the same length, at most 512 bytes."""
    return (
        f"[all]\ntryboot_a_b=1\nboot_partition={PARTITIONS[first]}\n"
        f"[tryboot]\nboot_partition={PARTITIONS[other(first)]}\n"
    )


def parse_autoboot(text: str) -> Slot:
    """Return the slot of ``[all]``. Raises BootStateError."""
    section = "[all]"
    for line in text.splitlines():
        word = line.strip()
        if word.startswith("["):
            section = word
        elif section == "[all]" and word.startswith("boot_partition="):
            for slot, number in PARTITIONS.items():
                if word == f"boot_partition={number}":
                    return slot
    raise BootStateError(f"{AUTOBOOT}: [all] boot_partition: expected 2 or 3")


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError as error:
        raise BootStateError(f"{path.name}: cannot be read: {error.strerror}") from error


def _overwrite(path: Path, content: bytes) -> None:
    """Write in place: one sector of a file whose length stays is old or new, never absent."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            os.pwrite(descriptor, content, 0)
            os.ftruncate(descriptor, len(content))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise BootStateError(f"{path.name}: cannot be written: {error.strerror}") from error


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BootStateError(f"{command[0]}: {done.stderr.strip() or 'failed'}")
