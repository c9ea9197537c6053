"""The file system that the kernel unpacks first: busybox, modules, firmware-config/image/init."""

from __future__ import annotations

import gzip
import os
import shutil
from pathlib import Path

from tools.image.base import LISTS
from tools.image.commands import ImageError, run
from tools.image.root import SystemRoot


def order_modules(dependencies: str, wanted: list[str]) -> list[str]:
    """Return the files of modules in the order in which they can be loaded.

    Args:
        dependencies: The text of modules.dep.
        wanted: Names without folder and ending; those that the kernel lacks are left out.
    """
    needs: dict[str, list[str]] = {}
    files: dict[str, str] = {}
    for line in dependencies.splitlines():
        file, _, rest = line.partition(":")
        needs[file] = rest.split()
        files[_name(file)] = file
    ordered: list[str] = []

    def add(file: str) -> None:
        # modules.dep lists what a module needs from the nearest to the farthest.
        for needed in reversed(needs[file]):
            if needed not in ordered:
                ordered.append(needed)
        if file not in ordered:
            ordered.append(file)

    for name in wanted:
        if _name(name) in files:
            add(files[_name(name)])
    return ordered


def make_initrd(system: SystemRoot, folder: Path, *, epoch_s: int) -> bytes:
    """Return the initrd of a system, compressed; the same bytes each time."""
    if system.modules is None:
        raise ImageError("the kernel has no modules")
    tree = folder / "initrd"
    shutil.rmtree(tree, ignore_errors=True)
    (tree / "bin").mkdir(parents=True)
    (tree / "modules").mkdir()
    shutil.copy(system.folder / "bin/busybox", tree / "bin/busybox")
    shutil.copy(LISTS / "init", tree / "init")
    (tree / "init").chmod(0o755)
    lines = (LISTS / "modules").read_text().splitlines()
    wanted = [line for line in lines if line and not line.startswith("#")]
    ordered = order_modules((system.modules / "modules.dep").read_text(), wanted)
    for file in ordered:
        shutil.copy(system.modules / file, tree / "modules" / Path(file).name)
    (tree / "modules/order").write_text("".join(f"{Path(file).name}\n" for file in ordered))
    paths = sorted(tree.rglob("*"))
    for path in (tree, *paths):
        os.utime(path, (epoch_s, epoch_s))
    names = "".join(f"{path.relative_to(tree)}\n" for path in paths).encode()
    archive = run(
        *("cpio", "--create", "--format=newc", "--reproducible", "--owner=0:0", "--quiet"),
        epoch_s=epoch_s,
        stdin=names,
        cwd=tree,
    )
    return gzip.compress(archive, mtime=0)


def _name(file: str) -> str:
    """modprobe makes no difference between - and _."""
    return Path(file).name.split(".", 1)[0].replace("-", "_")
