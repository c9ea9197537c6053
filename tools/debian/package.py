"""One Debian package: its files, its control file and its scripts; the same bytes each time."""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from edge.errors import OutfeedError

_SKIPPED = {"__pycache__", ".pytest_cache"}


class PackageError(OutfeedError):
    """A package cannot be built."""


@dataclass(frozen=True, slots=True)
class DebianPackage:
    """The description of a package.

    Attributes:
        name: The name, as dpkg knows it.
        version: A version of Debian's form.
        architecture: For instance amd64, or all.
        depends: The line Depends.
        summary: One line of the description.
        description: Further lines.
        trees: Folders or files of the source, by their absolute path on the machine.
        texts: Further files: their content by absolute path. An executable begins with ``#!``.
        links: The targets of symbolic links, by absolute path.
        conffiles: Files that belong to the administrator after the installation.
        scripts: The maintainer scripts, by name (preinst, postinst, prerm, postrm).
        recommends: The line Recommends; empty: none.
        bytecode: Folders on the machine whose modules are compiled into the package, for the Python
            that builds it. Their times are those of the sources, so that Python accepts them.
    """

    name: str
    version: str
    architecture: str
    depends: str
    summary: str
    description: tuple[str, ...]
    trees: dict[str, Path]
    texts: dict[str, str] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    conffiles: tuple[str, ...] = ()
    scripts: dict[str, str] = field(default_factory=dict)
    recommends: str = ""
    bytecode: tuple[str, ...] = ()

    @property
    def file_name(self) -> str:
        """Return the name of the package file."""
        return f"{self.name}_{self.version}_{self.architecture}.deb"


def build_package(package: DebianPackage, folder: Path, epoch_s: int) -> Path:
    """Write the package file into the folder, and return its path. Needs dpkg-deb.

    Equal sources give equal bytes: owners, modes, times and order do not depend on this machine.
    Raises PackageError.

    Args:
        package: The description.
        folder: Where the package file is written. An existing one is replaced.
        epoch_s: The time of all files, in seconds since 1970.
    """
    tool = shutil.which("dpkg-deb")
    if tool is None:
        raise PackageError("dpkg-deb is not installed (apt install dpkg)")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="outfeed-package-") as name:
        root = Path(name) / "root"
        _fill(package, root)
        _normalise(root, epoch_s)
        _compile(package, root)
        _write_control(package, root)
        _normalise(root, epoch_s)
        part = folder / f".{package.file_name}.part"
        done = subprocess.run(
            [
                # gzip: xz takes over 10 minutes for the 375 MB of libraries on a busy machine.
                *(tool, "--root-owner-group", "-Zgzip", "-z6"),
                *("--build", str(root), str(part)),
            ],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "SOURCE_DATE_EPOCH": str(epoch_s), "LC_ALL": "C"},
        )
        if done.returncode:
            part.unlink(missing_ok=True)
            raise PackageError(f"dpkg-deb: {done.stderr.strip().splitlines()[-1]}")
        return part.replace(folder / package.file_name)


def _fill(package: DebianPackage, root: Path) -> None:
    for place, source in sorted(package.trees.items()):
        target = root / place.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, symlinks=True, ignore=_ignored, dirs_exist_ok=True)
            _forget_scripts(target)
        elif source.is_file():
            shutil.copyfile(source, target)
        else:
            raise PackageError(f"{source}: is missing")
    for place, text in sorted(package.texts.items()):
        target = root / place.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        if place.endswith(".gz"):
            target.write_bytes(gzip.compress(text.encode(), 9, mtime=0))
        else:
            target.write_text(text)
    for place, to in sorted(package.links.items()):
        target = root / place.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(to)


def _forget_scripts(folder: Path) -> None:
    """Remove the scripts of libraries from pip's lists of files.

    The scripts are not packed. Their hashes depend on the folder in which pip ran.
    """
    for record in sorted(folder.glob("*.dist-info/RECORD")):
        lines = record.read_text().splitlines(keepends=True)
        kept = [line for line in lines if not line.startswith("../../bin/")]
        if len(kept) < len(lines):
            record.unlink()  # a file of its own, not the one of the source
            record.write_text("".join(kept))


def _compile(package: DebianPackage, root: Path) -> None:
    """Write the bytecode. One process and a fixed hash seed: the same bytes each time."""
    for place in package.bytecode:
        subprocess.run(
            [
                *(sys.executable, "-m", "compileall", "-qq", "-s", str(root), "-p", "/"),
                *("--invalidation-mode", "timestamp", str(root / place.lstrip("/"))),
            ],
            capture_output=True,
            # Without a check: libraries contain templates that are no modules.
            check=False,
            env={**os.environ, "PYTHONHASHSEED": "0"},
        )


def _ignored(_: str, names: list[str]) -> set[str]:
    return {each for each in names if each in _SKIPPED or each.endswith((".pyc", ".key"))}


def _write_control(package: DebianPackage, root: Path) -> None:
    files = sorted(each for each in root.rglob("*") if each.is_file() and not each.is_symlink())
    size_kb = sum(max(1, -(-each.stat().st_size // 1024)) for each in files)
    sums = "".join(
        f"{hashlib.md5(each.read_bytes(), usedforsecurity=False).hexdigest()}  "
        f"{each.relative_to(root)}\n"
        for each in files
    )
    control = root / "DEBIAN"
    control.mkdir()
    lines = [
        f"Package: {package.name}",
        f"Version: {package.version}",
        f"Architecture: {package.architecture}",
        "Maintainer: Outfeed contributors <outfeed@localhost>",
        f"Installed-Size: {size_kb}",
        f"Depends: {package.depends}",
        *([f"Recommends: {package.recommends}"] if package.recommends else []),
        "Section: misc",
        "Priority: optional",
        f"Description: {package.summary}",
        *(f" {line}" for line in package.description),
    ]
    (control / "control").write_text("\n".join(lines) + "\n")
    (control / "md5sums").write_text(sums)
    if package.conffiles:
        (control / "conffiles").write_text("".join(f"{each}\n" for each in package.conffiles))
    for name, text in package.scripts.items():
        (control / name).write_text(text)


def _normalise(root: Path, epoch_s: int) -> None:
    """Give every file the mode that its kind has, and the same time."""
    for each in sorted(root.rglob("*"), reverse=True):
        if not each.is_symlink():
            each.chmod(0o755 if each.is_dir() or _is_script(each) else 0o644)
        os.utime(each, (epoch_s, epoch_s), follow_symlinks=False)
    root.chmod(0o755)
    os.utime(root, (epoch_s, epoch_s))


def _is_script(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"#!"
