"""The commands of ``outfeed system`` on this machine."""

from __future__ import annotations

import fcntl
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from edge.clock import boot_id
from edge.errors import UsageError
from edge.inbox import Inbox
from edge.updates.system.boot_loader import (
    BootLoader,
    SystemImage,
    open_loader,
    read_image,
    reboot_command,
)
from edge.updates.system.confirm import ConfirmTimes, confirm
from edge.updates.system.fetch import fetch
from edge.updates.system.function import JOURNAL, SystemdObserver
from edge.updates.system.install import (
    InstallOptions,
    install,
    new_update,
    record_refusal,
    roll_back,
    switch,
    wait_until_idle,
)
from edge.updates.system.offer import SystemUpdateError
from edge.updates.system.record import FOLDER, deliver_notes

Tell = Callable[[str], None]
_JUDGED = Path("/run/outfeed-boot/judged")
_LOCK = Path("/run/outfeed-system.lock")
_INBOX = JOURNAL.parent / "inbox"


def update_system(
    bundle: str,
    *,
    authority: Path | None,
    allow_older: bool,
    idle_s: float,
    later: bool,
    tell: Tell,
) -> None:
    """Download, install, read back, and switch when the belt is idle. Blocks.

    Raises:
        UsageError, SystemUpdateError and BootStateError, each with one line.
    """
    with _alone() as (image, loader):
        _yield_to_inspection()
        remote = bundle.startswith(("https://", "http://"))
        path = _fetch(bundle, authority, image) if remote else Path(bundle)
        if not path.is_file():
            raise UsageError(f"BUNDLE: expected a file or an https address, found none at {bundle}")
        record = install(path, image, loader, InstallOptions(allow_older=allow_older))
        if remote:
            path.unlink(missing_ok=True)
        deliver_notes(Inbox(_INBOX))
        tell(f"version {record.version} is in slot {record.slot} and was read back")
        if not later:
            _switch(image, loader, idle_s, tell)


def switch_system(*, idle_s: float, tell: Tell) -> None:
    """Switch to the installed system when the belt is idle. Blocks. Raises as update_system."""
    with _alone() as (image, loader):
        _switch(image, loader, idle_s, tell)


def roll_back_system(reason: str, *, tell: Tell) -> None:
    """Go back to the other slot. Raises as update_system."""
    with _alone() as (image, loader):
        slot = roll_back(image, loader, reason=reason)
        tell(f"the unit restarts into slot {slot}")
        _reboot(image, loader)


def confirm_system(*, limit_s: float, steady_s: float, tell: Tell) -> None:
    """Judge this start. Blocks. Raises as update_system."""
    with _alone() as (image, loader):
        observer = SystemdObserver(boot_id())
        outcome = confirm(image, loader, observer, ConfirmTimes(limit_s, steady_s))
        tell(f"slot {image.slot}, version {image.version}: {outcome}")
        if outcome == "refused":
            _reboot(image, loader)
        else:
            # Without it the initrd ends a trial after 20 minutes.
            _JUDGED.write_text(f"{outcome}\n")


def _fetch(address: str, authority: Path | None, image: SystemImage) -> Path:
    try:
        return fetch(address, FOLDER, authority=authority)
    except SystemUpdateError as error:
        record_refusal(new_update(image), image, str(error))
        raise


def _switch(image: SystemImage, loader: BootLoader, idle_s: float, tell: Tell) -> None:
    observer = SystemdObserver(boot_id())
    tell(f"waits until no part came for {idle_s:g} s" if idle_s else "switches at once")
    wait_until_idle(observer, idle_s)
    record = switch(image, loader, observer, boot_id())
    deliver_notes(Inbox(_INBOX))
    tell(f"the unit restarts into slot {record.slot} on trial")
    _reboot(image, loader)


def _reboot(image: SystemImage, loader: BootLoader) -> None:
    command = reboot_command(image, loader.read())
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemUpdateError(f"reboot: {done.stderr.strip() or 'systemctl failed'}")


@contextmanager
def _alone() -> Iterator[tuple[SystemImage, BootLoader]]:
    """Hold the lock of system updates. Raises UsageError, SystemUpdateError, BootStateError."""
    if os.geteuid() != 0:
        raise UsageError("outfeed system: expected to run as root, for instance with sudo")
    image = read_image()
    descriptor = os.open(_LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise SystemUpdateError("another `outfeed system` command is at work") from error
        try:
            yield image, open_loader(image)
        finally:
            deliver_notes(Inbox(_INBOX))
    finally:
        os.close(descriptor)


def _yield_to_inspection() -> None:
    """Take the lowest priorities of processor and disk."""
    os.nice(19)
    subprocess.run(("ionice", "-c", "3", "-p", str(os.getpid())), check=False, capture_output=True)
