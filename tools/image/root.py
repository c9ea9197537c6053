"""The file system of a slot: the base, kernel modules, the package, and the image's own files."""

from __future__ import annotations

import hashlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from tools.image.base import LISTS
from tools.image.board import Board
from tools.image.commands import ImageError, run
from tools.image.users import read_users

# Below the kernel's drivers and net: what no inspection unit uses, and what is large.
_DROPPED_MODULES = (
    "sound",
    "drivers/gpu",
    "drivers/infiniband",
    "drivers/isdn",
    "drivers/net/wireless",
    "drivers/staging",
    "drivers/media/dvb-frontends",
    "drivers/media/tuners",
    "drivers/iio",
    "drivers/scsi",
    "drivers/target",
    "drivers/mtd",
    "fs/ocfs2",
    "fs/xfs",
    "fs/btrfs",
    "fs/ceph",
    "fs/smb",
    "fs/gfs2",
    "fs/nfs",
    "fs/nfsd",
    "net/batman-adv",
    "net/mac80211",
    "net/wireless",
)
# The kernel's own drivers/scsi has the disks too.
_KEPT_MODULES = tuple(
    f"drivers/scsi/{name}.ko" for name in ("scsi_mod", "scsi_common", "sd_mod", "virtio_scsi")
)

# Made on each unit, or only needed to install packages.
_REMOVED = (
    "var/kernel",
    "var/lib/apt",
    "var/lib/dpkg",
    "var/cache",
    "var/log",
    "etc/machine-id",
    "etc/hostname",
    "etc/resolv.conf",
    "etc/apt",
    "root/.cache",
)
_FOLDERS = ("data", "var/cache", "var/log", "var/lib", "boot/config")
# The users are complete when the image is built; on a unit these would only hide those of the next.
_MASKED = (
    "systemd-sysusers.service",
    "systemd-firstboot.service",
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "fstrim.timer",
)
_UNITS = "/lib/systemd/system"
# Links below /etc/systemd/system, and the unit that each one enables.
_ENABLED = {
    "multi-user.target.wants/systemd-networkd.service": "systemd-networkd.service",
    "multi-user.target.wants/systemd-resolved.service": "systemd-resolved.service",
    "dbus-org.freedesktop.resolve1.service": "systemd-resolved.service",
    "multi-user.target.wants/outfeed-confirm.service": "outfeed-confirm.service",
    "sysinit.target.wants/systemd-repart.service": "systemd-repart.service",
    "multi-user.target.wants/outfeed-grow.service": "outfeed-grow.service",
}


@dataclass(frozen=True, slots=True)
class SystemRoot:
    """The folder of a slot's files.

    Attributes:
        folder: The files, owned as on the unit.
        kernel: The kernel; None where the board's maker supplies it.
        modules: The folder lib/modules/VERSION; None without a kernel.
        packages: Lines "name version architecture SHA-256" of all Debian packages.
    """

    folder: Path
    kernel: Path | None
    modules: Path | None
    packages: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SystemSource:
    """The sources of the files of a slot.

    Attributes:
        base: The archive of make_base.
        package: outfeed_VERSION_ARCH.deb.
        version: What the system calls itself, for instance 1.4.0.
        keys: The certificates whose updates are accepted, as PEM.
        kernel_modules: lib/modules/VERSION of a kernel that is not Debian's.
    """

    base: Path
    package: Path
    version: str
    keys: Path
    kernel_modules: Path | None = None


def make_root(board: Board, source: SystemSource, folder: Path, *, epoch_s: int) -> SystemRoot:
    """Fill ``folder`` with the files of a slot. Files that are newer get the time ``epoch_s``."""
    shutil.rmtree(folder, ignore_errors=True)
    root = folder / "root"
    root.mkdir(parents=True)
    run("tar", "-xf", str(source.base), "-C", str(root), "--exclude=./dev/*", epoch_s=epoch_s)
    listed = (root / "var/kernel/packages").read_text().splitlines()
    kernel, modules = _unpack_kernel(root, folder, epoch_s)
    if source.kernel_modules is not None:
        modules = root / "usr/lib/modules" / source.kernel_modules.name
        shutil.copytree(source.kernel_modules, modules, symlinks=True)
        run("depmod", "-b", str(root), modules.name, epoch_s=epoch_s)
    control = root / "var/kernel/kernel.control"
    if control.exists():
        fields = dict(line.split(": ", 1) for line in control.read_text().splitlines())
        archive = next((root / "var/kernel").glob("*.deb"))
        known = " ".join(fields[name] for name in ("Package", "Version", "Architecture"))
        listed.append(f"{known} {file_sha256(archive)}")
    (root / "package.deb").write_bytes(source.package.read_bytes())
    _chroot(root, "dpkg --force-depends --force-confnew -i /package.deb", epoch_s)
    (root / "package.deb").unlink()
    read_users(LISTS / "users").check(root)
    run("cp", "-rT", "--no-preserve=ownership", str(LISTS / "files"), str(root), epoch_s=epoch_s)
    (root / "usr/lib/outfeed").mkdir(parents=True, exist_ok=True)
    config = (LISTS / "rauc.conf.in").read_text()
    config = config.replace("@COMPATIBLE@", board.compatible).replace("@LOADER@", board.loader)
    (root / "usr/lib/outfeed/rauc.conf").write_text(config)
    (root / "usr/lib/outfeed/system-keys.pem").write_bytes(source.keys.read_bytes())
    (root / "usr/lib/outfeed/system").write_text(
        f"BOARD={board.name}\nCOMPATIBLE={board.compatible}\nLOADER={board.loader}\nVERSION={source.version}\n"
    )
    (root / "usr/lib/outfeed/packages").write_text("\n".join(sorted(listed)) + "\n")
    _tidy(root)
    _date(root, epoch_s)
    return SystemRoot(root, kernel, modules, tuple(sorted(listed)))


def check_packages(found: tuple[str, ...], wanted: Path | None) -> None:
    """Raise ImageError where a list is given and the packages of an image differ from it."""
    if wanted is None:
        return
    expected = tuple(wanted.read_text().splitlines())
    different = sorted(set(found) ^ set(expected))
    if different:
        raise ImageError(
            f"{wanted}: {len(different)} packages differ, for instance {different[0]}; a mirror "
            "with the day of the list (MIRROR=) has the same ones"
        )


def squash(root: Path, out: Path, *, epoch_s: int) -> Path:
    """Write the folder as one read-only file system; the same bytes each time."""
    out.unlink(missing_ok=True)
    # One processor: the order in which several finish must not matter, and others use the machine.
    run(
        *("mksquashfs", str(root), str(out), "-quiet", "-no-progress", "-noappend", "-no-xattrs"),
        *("-comp", "zstd", "-Xcompression-level", "6", "-processors", "1"),
        epoch_s=epoch_s,
    )
    return out


def _unpack_kernel(root: Path, folder: Path, epoch_s: int) -> tuple[Path | None, Path | None]:
    archives = sorted((root / "var/kernel").glob("linux-image-*.deb"))
    if not archives:
        return None, None
    unpacked = folder / "kernel"
    run("dpkg-deb", "-x", str(archives[0]), str(unpacked), epoch_s=epoch_s)
    version = next((unpacked / "lib/modules").iterdir()).name
    kept = unpacked / "lib/modules" / version / "kernel"
    saved = {name: (kept / name).read_bytes() for name in _KEPT_MODULES if (kept / name).exists()}
    for name in _DROPPED_MODULES:
        shutil.rmtree(kept / name, ignore_errors=True)
    for name, content in saved.items():
        (kept / name).parent.mkdir(parents=True, exist_ok=True)
        (kept / name).write_bytes(content)
    target = root / "usr/lib/modules" / version
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(unpacked / "lib/modules" / version, target, symlinks=True)
    for link in ("build", "source"):
        (target / link).unlink(missing_ok=True)
    run("depmod", "-b", str(root), version, epoch_s=epoch_s)
    return unpacked / "boot" / f"vmlinuz-{version}", target


def _chroot(root: Path, command: str, epoch_s: int) -> None:
    """Run a command of the shell inside, with /proc and /dev in a mount namespace of its own.

    Without /sys: onnxruntime under emulation crashes where it sees the host's.
    """
    script = """
mount -t proc proc "$1/proc"
mount --bind /dev "$1/dev"
exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin SOURCE_DATE_EPOCH="$3" PYTHONHASHSEED=0 \\
    DEBIAN_FRONTEND=noninteractive chroot "$1" sh -ec "$2"
"""
    inside = ("sh", "-ec", script, "sh", str(root), command, str(epoch_s))
    run("unshare", "--mount", "--propagation=private", *inside, epoch_s=epoch_s)


def _tidy(root: Path) -> None:
    for name in _REMOVED:
        path = root / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    for key in (root / "etc/ssh").glob("ssh_host_*"):
        key.unlink()
    for backup in (*(root / "etc").glob("*-"), root / "etc/.pwd.lock"):
        backup.unlink(missing_ok=True)
    for name in _FOLDERS:
        (root / name).mkdir(parents=True, exist_ok=True)
    (root / "etc/machine-id").write_text("")
    (root / "etc/hostname").write_text("outfeed\n")
    (root / "etc/resolv.conf").symlink_to("/run/systemd/resolve/stub-resolv.conf")
    units = root / "etc/systemd/system"
    for name in _MASKED:
        (units / name).unlink(missing_ok=True)
        (units / name).symlink_to("/dev/null")
    for name, target in _ENABLED.items():
        (units / name).parent.mkdir(parents=True, exist_ok=True)
        (units / name).unlink(missing_ok=True)
        (units / name).symlink_to(f"{_UNITS}/{target}")
    if not (root / "lib/systemd/systemd").exists():
        raise ImageError("the base system has no systemd")


def _date(root: Path, epoch_s: int) -> None:
    """Give what is newer, such as files that scripts of packages wrote, the time of the source."""

    for path in (root, *root.rglob("*")):
        if path.lstat().st_mtime > epoch_s:
            os.utime(path, (epoch_s, epoch_s), follow_symlinks=False)
    # Days since a password was set.
    shadow = root / "etc/shadow"
    lines = [line.split(":") for line in shadow.read_text().splitlines()]
    for fields in lines:
        fields[2] = str(epoch_s // 86400)
    content = "\n".join(":".join(fields) for fields in lines) + "\n"
    shadow.write_text(content)
    os.utime(shadow, (epoch_s, epoch_s))


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
