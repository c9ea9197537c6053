"""FAT file systems, written without mounting them; the same bytes each time."""

from __future__ import annotations

import os
import tempfile
import zlib
from pathlib import Path

from tools.image.board import MIB
from tools.image.commands import run


def make_fat(out: Path, files: dict[str, bytes], *, label: str, size: int, epoch_s: int) -> Path:
    """Write a file system of ``size`` bytes with ``files``, by their paths."""
    out.unlink(missing_ok=True)
    with out.open("wb") as image:
        image.truncate(size)
    number = f"{zlib.crc32(label.encode()):08x}"
    width = "32" if size >= 64 * MIB else "16" if size >= 16 * MIB else "12"
    run(
        *("mkfs.vfat", "--invariant", "-F", width, "-n", label, "-i", number, str(out)),
        epoch_s=epoch_s,
    )
    with tempfile.TemporaryDirectory() as name:
        made: set[str] = set()
        for path in sorted(files):
            parents = [str(each) for each in reversed(Path(path).parents) if str(each) != "."]
            for parent in parents:
                if parent not in made:
                    made.add(parent)
                    run("mmd", "-i", str(out), f"::{parent}", epoch_s=epoch_s)
            source = Path(name) / "file"
            source.write_bytes(files[path])
            os.utime(source, (epoch_s, epoch_s))
            run("mcopy", "-m", "-i", str(out), str(source), f"::{path}", epoch_s=epoch_s)
    return out
