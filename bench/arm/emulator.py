"""QEMU's user mode with a Python, the wheels of the lock and the plugin that counts.

It needs Debian 12 with the packages qemu-user, mmdebstrap and gcc, and no root. Files under the
emulated root hide those of the machine, all others are those of the machine.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path

from bench.arm.cores import CORES, Core
from bench.arm.trace import Trace, read_trace
from edge.errors import OutfeedError

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
TOOLS = ("qemu-aarch64", "mmdebstrap", "gcc", "setarch")
DEBIAN = "python3.11,libstdc++6,libgcc-s1"
# Of requirements/pi.txt: what the chain and its engines import.
LIBRARIES = (
    "ai-edge-litert",
    "annotated-types",
    "backports-strenum",
    "cffi",
    "cryptography",
    "flatbuffers",
    "ml-dtypes",
    "numpy",
    "onnxruntime",
    "opencv-python-headless",
    "packaging",
    "protobuf",
    "pycparser",
    "pydantic",
    "pydantic-core",
    "simplejpeg",
    "tqdm",
    "typing-extensions",
    "typing-inspection",
)
_GLIBC = (36, 35, 34, 31, 28, 27, 17)
_PLATFORMS = [f"--platform=manylinux_2_{minor}_aarch64" for minor in _GLIBC]
_PIP = (
    "-m",
    "pip",
    "--quiet",
    "--disable-pip-version-check",
    "install",
    "--no-deps",
    "--no-compile",
    "--only-binary=:all:",
    "--python-version=3.11",
    "--implementation=cp",
    *_PLATFORMS,
    "--platform=manylinux2014_aarch64",
)


class Emulator:
    """An emulated Python 3.11 for arm64 in a folder. Blocks for a minute where it is made first.

    Raises OutfeedError, one line, where a tool is missing or fails.
    """

    def __init__(self, folder: Path, *, ncnn: bool = False) -> None:
        missing = [tool for tool in TOOLS if shutil.which(tool) is None]
        if missing:
            raise OutfeedError(
                f"{missing[0]} is not installed; expected Debian with qemu-user, mmdebstrap and gcc"
            )
        self._folder = folder.resolve()
        self._root = self._folder / "root"
        self._folder.mkdir(parents=True, exist_ok=True)
        self._make_root()
        self._make_site()
        if ncnn and not (self._folder / "ncnn").is_dir():
            self._install(self._folder / "ncnn", ["ncnn"])
        self._plugin = self._folder / "count.so"
        _run("gcc", "-O2", "-shared", "-fPIC", "-o", self._plugin, HERE / "count.c")

    def run(self, core: Core, job: Path) -> Trace:
        """Run guest.py with a job on a core, and return what it counted. Blocks for minutes.

        The addresses and the seeds are fixed, so that two runs count the same.
        """
        out = self._folder / f"{core.name}-{job.stem}.trace"
        python, sites = self._python(core)
        _run(
            "env",
            "-i",
            "PYTHONHASHSEED=0",
            "OMP_NUM_THREADS=1",
            "OPENBLAS_NUM_THREADS=1",
            "setarch",
            "-R",
            *python[:1],
            "-seed",
            "1",
            "-cpu",
            core.cpu,
            "-plugin",
            f"{self._plugin},out={out}",
            *python[1:],
            "-s",
            "-S",
            "-B",
            HERE / "guest.py",
            job,
            str(ROOT),
            *sites,
        )
        return read_trace(out)

    def _python(self, core: Core) -> tuple[list[str | Path], list[str]]:
        """Return QEMU with its options and the Python to run, and the folders of its packages."""
        if core.ports is None:
            emulator = shutil.which("qemu-x86_64") or "qemu-x86_64"
            return [emulator, Path(sys.executable).resolve()], [sysconfig.get_path("purelib")]
        root = self._root_of(core)
        emulator = shutil.which("qemu-aarch64") or "qemu-aarch64"
        sites = [str(self._folder / name) for name in ("site", "ncnn")]
        return [emulator, "-L", root, root / "usr/bin/python3.11"], sites

    def _make_root(self) -> None:
        if (self._folder / "root.made").exists():
            return
        shutil.rmtree(self._root, ignore_errors=True)
        _run(
            "mmdebstrap",
            "--quiet",
            "--variant=extract",
            "--arch=arm64",
            f"--include={DEBIAN}",
            "bookworm",
            self._root,
        )
        # ONNX Runtime ends with a segmentation fault where it sees the processors of the machine.
        processors = self._root / "sys/devices/system/cpu"
        processors.mkdir(parents=True)
        for name in ("possible", "present", "online", "kernel_max"):
            (processors / name).write_text("0\n", encoding="ascii")
        (self._folder / "root.made").touch()

    def _make_site(self) -> None:
        site, lock = self._folder / "site", self._folder / "lock.txt"
        if (self._folder / "site.made").exists():
            return
        shutil.rmtree(site, ignore_errors=True)
        only = [word for name in LIBRARIES for word in ("--only", name)]
        done = _run(sys.executable, "-m", "tools.debian.locks", ROOT / "requirements/pi.txt", *only)
        lock.write_text(done, encoding="utf-8")
        self._install(site, ["--require-hashes", f"--requirement={lock}"])
        (self._folder / "site.made").touch()

    def _install(self, target: Path, what: Sequence[str]) -> None:
        _run(sys.executable, *_PIP, f"--target={target}", *what)

    def _root_of(self, core: Core) -> Path:
        """Return a copy of the root by hard links, with the /proc/cpuinfo of the core."""
        root = self._folder / f"root-{core.name}"
        if not root.is_dir():
            _run("cp", "--archive", "--link", self._root, root)
        path = root / "proc/cpuinfo"
        path.unlink(missing_ok=True)
        path.parent.mkdir(exist_ok=True)
        lines = (
            "processor\t: 0",
            "BogoMIPS\t: 108.00",
            f"Features\t: {core.features}",
            "CPU implementer\t: 0x41",
            "CPU architecture: 8",
            "CPU variant\t: 0x0",
            f"CPU part\t: {core.part:#x}",
            "CPU revision\t: 1",
        )
        path.write_text("\n".join((*lines, "", "")), encoding="ascii")
        return root


def _run(*command: str | Path) -> str:
    """Run a command and return its output. Raises OutfeedError with its last line."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [str(word) for word in command],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env=environment,
    )
    if done.returncode:
        last = (done.stderr.strip() or "no reason given").splitlines()[-1]
        raise OutfeedError(f"{Path(str(command[0])).name} ended with {done.returncode}: {last}")
    return done.stdout


def core_of(name: str) -> Core:
    """Return the core with this name. Raises OutfeedError, one line, for another name."""
    if name not in CORES:
        raise OutfeedError(f"core {name!r}: expected one of {', '.join(CORES)}")
    return CORES[name]
