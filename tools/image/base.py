"""The Debian that all boards of an architecture share: one archive, made once per package list."""

from __future__ import annotations

import hashlib
from pathlib import Path

from tools.image.board import Board
from tools.image.commands import run
from tools.image.users import read_users

SUITE = "bookworm"
LISTS = Path(__file__).parents[2] / "firmware-config" / "image"
_EXCLUDED = ("doc/*", "info/*", "locale/*", "man/*", "lintian/*", "bash-completion/*")

# The kernel is unpacked and not installed: its own initrd is not used. In the archive it lies in
# /var/kernel, with the packages' names, versions and hashes of Debian's index beside it.
# The machine's own apt reads the lists of the image: inside, there is no name service.
_KERNEL = """
export APT_CONFIG="$MMDEBSTRAP_APT_CONFIG"
mkdir "$1/var/kernel"
cd "$1/var/kernel"
if [ -n "{kernel}" ]; then
    name=$(apt-cache depends {kernel} | sed -n 's/.*Depends: \\(linux-image-[^ ]*\\).*/\\1/p')
    apt-get -qq -o APT::Sandbox::User=root download "$name"
    dpkg-deb -f linux-image-*.deb Package Version Architecture >kernel.control
fi
dpkg-query --admindir="$1/var/lib/dpkg" -W -f '${{Package}}:${{Architecture}}=${{Version}}\\n' |
    sed 's/:all=/=/' >installed
apt-cache show $(cat installed) | awk -F': ' '
    $1 == "Package" {{ name = $2 }} $1 == "Version" {{ version = $2 }}
    $1 == "Architecture" {{ machine = $2 }}
    $1 == "SHA256" {{ print name, version, machine, $2 }}' >packages
rm installed
"""


def packages(board: Board) -> list[str]:
    """Return the names of firmware-config/image/packages."""
    lines = (LISTS / "packages").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def make_base(board: Board, folder: Path, *, mirror: str, epoch_s: int) -> Path:
    """Return the archive of the base system, made again only when its description changed.

    Args:
        board: The architecture and the kernel are used.
        folder: Archives are kept here.
        mirror: The address of a Debian mirror; empty takes that of this machine.
        epoch_s: The time of all files that are newer.
    """
    names = packages(board)
    script = _KERNEL.format(kernel=board.kernel)
    users = read_users(LISTS / "users").hook()
    wanted = "\n".join((*names, script, users, mirror, *_EXCLUDED))
    key = hashlib.sha256(wanted.encode()).hexdigest()[:12]
    archive = folder / f"base-{board.architecture}-{key}.tar"
    if archive.exists():
        return archive
    folder.mkdir(parents=True, exist_ok=True)
    hooks = {"customize": script, "essential": users}  # the users before other packages add them
    for name, content in hooks.items():
        hook = folder / f"{name}-hook.sh"
        hook.write_text(f"#!/bin/sh\nset -eu\n{content}")
        hook.chmod(0o755)
    part = archive.with_suffix(".part")
    command = ["mmdebstrap", "--quiet", "--format=tar", "--variant=minbase"]
    command += [f"--arch={board.architecture}", f"--include={','.join(names)}"]
    command += [f"--dpkgopt=path-exclude=/usr/share/{each}" for each in _EXCLUDED]
    command += [f"--{name}-hook={(folder / name).resolve()}-hook.sh" for name in hooks]
    run(*command, SUITE, str(part), *([mirror] if mirror else []), epoch_s=epoch_s)
    part.replace(archive)
    return archive
