"""Description of the machine that produced the figures."""

from __future__ import annotations

import os
import platform
import re
from dataclasses import dataclass
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

LIBRARIES = (
    "outfeed",
    "numpy",
    "opencv-python-headless",
    "onnxruntime",
    "openvino",
    "ai-edge-litert",
    "torch",
)
# Instructions that decide how fast int8 can be, as Linux names them on x86 and on Arm.
_INT8 = ("avx2", "avx_vnni", "avx512_vnni", "amx_int8", "asimddp", "i8mm", "sve")


@dataclass(frozen=True, slots=True)
class Machine:
    """A processor, its kernel and the libraries. ``core`` is the core that ran everything."""

    cpu: str
    instructions: tuple[str, ...]
    cores: int
    core: int
    kernel: str
    python: str
    versions: dict[str, str]
    date: str  # day of the measurement, ISO 8601


def this_machine(core: int) -> Machine:
    """Return this Linux machine, with the installed libraries."""
    text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    return Machine(
        _field(text, "model name") or platform.machine(),
        tuple(name for name in _INT8 if name in (_field(text, "flags|Features") or "").split()),
        os.cpu_count() or 1,
        core,
        f"{platform.system()} {platform.release()}",
        platform.python_version(),
        dict(_versions()),
        date.today().isoformat(),
    )


def _field(cpuinfo: str, name: str) -> str | None:
    match = re.search(rf"^(?:{name})\s*:\s*(.+)$", cpuinfo, re.MULTILINE)
    return match[1].strip() if match else None


def _versions() -> list[tuple[str, str]]:
    libraries = []
    for name in LIBRARIES:
        try:
            libraries.append((name, version(name)))
        except PackageNotFoundError:
            continue
    return libraries
