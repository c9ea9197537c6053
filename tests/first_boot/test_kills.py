"""The import is killed at every change that it makes to a disk, and goes on at the next boot.

The process really ends (os._exit), before the system call, which is also after the one before it,
or in the middle of a write. What a power loss takes from the memory of the kernel is not simulated:
the tests of the image do that with QEMU.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.first_boot.folder import IdentityFolder
from edge.first_boot.installation import finish, import_identity, is_installed
from edge.first_boot.state import has_identity
from tests.first_boot.conftest import Identities, contents

_CALLS = ("fsync", "rename", "replace", "unlink", "rmdir", "mkdir", "write", "fchmod", "fchown")
_KILLED = 137


def boot(source: Path, target: Path) -> None:
    """Do what the service does for one folder."""
    finish(target)
    if (source / "identity.json").exists():
        folder = IdentityFolder.read(source)
        if not is_installed(folder, target):
            import_identity(folder, target)
        folder.erase()


def killed_at(number: int, when: str, work: Callable[[], None]) -> bool:
    """Do the work in a child process that ends at its nth change of the disk.

    when: "before" the change, or "halfway": of the nth write, half of the bytes are written. Return
    False where the work has fewer changes, or fewer writes.
    """
    pid = os.fork()
    if pid == 0:
        left = number

        def patched(name: str) -> Callable:
            real = getattr(os, name)

            def call(*arguments: object, **options: object) -> object:
                nonlocal left
                left -= 1
                if left == 0 and when == "halfway":
                    data = bytes(arguments[1])  # type: ignore[arg-type]
                    real(arguments[0], data[: len(data) // 2])
                if left == 0:
                    os._exit(_KILLED)
                return real(*arguments, **options)

            return call

        try:
            for name in ("write",) if when == "halfway" else _CALLS:
                setattr(os, name, patched(name))
            work()
            os._exit(0)
        except BaseException:  # noqa: BLE001
            os._exit(1)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert status in (0, _KILLED)
    return status == _KILLED


@pytest.fixture(autouse=True)
def _without_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel keeps what a process that ended has written, also without fsync."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.mark.parametrize(("when", "changes"), [("before", 40), ("halfway", 5)])
def test_a_first_import_that_is_killed_at_every_step(
    made: Path, tmp_path: Path, when: str, changes: int
) -> None:
    wanted = contents(made)
    for number in range(1, 500):
        place = tmp_path / f"{number}"
        source = Path(shutil.copytree(made, place / "stick/press-3"))
        target = place / "etc"
        target.mkdir()
        if not killed_at(number, when, lambda: boot(source, target)):  # noqa: B023
            assert number > changes
            return
        if has_identity(target):
            # Whole, or waiting for its last move: never a station.toml with another key.
            seen = {name: data for name, data in contents(target).items() if name in wanted}
            assert seen == wanted, number
        else:
            # The source is not touched before the identity is complete.
            assert contents(source) == wanted or (target / ".identity.new").is_dir(), number
        boot(source, target)
        assert contents(target) == wanted, number
        assert [each.name for each in target.iterdir() if each.is_dir()] == [], number
        assert not source.exists() or not contents(source), number
        shutil.rmtree(place)
    pytest.fail("the import has more steps than expected")


@pytest.mark.parametrize(("when", "changes"), [("before", 40), ("halfway", 5)])
def test_a_replacement_that_is_killed_at_every_step(
    made: Path, identities: Identities, tmp_path: Path, when: str, changes: int
) -> None:
    new = identities.make(tmp_path / "new", "press-9", replaces=made / "station.pem")
    old_files, new_files = contents(made), contents(new)
    for number in range(1, 500):
        place = tmp_path / f"{number}"
        source = Path(shutil.copytree(new, place / "stick/press-9"))
        target = Path(shutil.copytree(made, place / "etc"))
        if not killed_at(number, when, lambda: boot(source, target)):  # noqa: B023
            assert number > changes
            return
        if has_identity(target):
            seen = contents(target)
            seen.pop("station.toml.before", None)
            assert seen in (old_files, new_files), number
        boot(source, target)
        after = contents(target)
        assert after.pop("station.toml.before") == old_files["station.toml"], number
        assert after == new_files, number
        assert not source.exists() or not contents(source), number
        shutil.rmtree(place)
    pytest.fail("the import has more steps than expected")
