"""Commands in processes of their own, forked from one that has imported their modules.

torch and what an export needs take some three seconds to import, for each command anew.
"""

from __future__ import annotations

import atexit
import functools
import importlib
import importlib.util
import json
import os
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).resolve().parents[2]


def run_module(module: str, *words: object, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run ``python -W ignore -m module words`` in a process of its own, and return its result."""
    arguments = [module, *(str(word) for word in words)]
    return run("tests.support.preloaded:main", [main_of(module)], arguments, cwd=cwd)


def main_of(module: str) -> str:
    """Return the module that ``python -m module`` runs."""
    found = importlib.util.find_spec(module)
    is_package = found is not None and found.submodule_search_locations is not None
    return f"{module}.__main__" if is_package else module


def main() -> None:
    """Do what ``run_module`` has asked for, in the new process."""
    module, *words = sys.argv[1:]
    sys.argv = [module, *words]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def run(
    function: str, imports: list[str], arguments: list[str], *, cwd: Path = ROOT
) -> subprocess.CompletedProcess[str]:
    """Run a function in a new process that ends as an interpreter does, and return its result.

    function: "module:name", which is called with ``arguments`` as sys.argv[1:]. imports: the
    modules that the parent of the new process imports first. The process has the environment of
    this one, and nothing to read.
    """
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        order = {
            "function": function,
            "imports": imports,
            "arguments": arguments,
            "cwd": str(cwd),
            "environment": dict(os.environ),
            "files": [f"/proc/{os.getpid()}/fd/{file.fileno()}" for file in (out, err)],
        }
        parent = _parent()
        _stream(parent.stdin).write(json.dumps(order) + "\n")
        _stream(parent.stdin).flush()
        status = _stream(parent.stdout).readline()
        assert status, "the parent of the commands has ended"
        for file in (out, err):
            file.seek(0)
        return subprocess.CompletedProcess(arguments, int(status), out.read(), err.read())


@functools.cache
def _parent() -> subprocess.Popen[str]:
    parent = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "tests.support.preloaded"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )

    def end() -> None:
        _stream(parent.stdin).close()
        parent.wait()
        _stream(parent.stdout).close()

    atexit.register(end)
    return parent


def _stream(one: IO[str] | None) -> IO[str]:
    assert one is not None
    return one


def _serve() -> Callable[[], object] | None:
    """Fork a process for each line of orders. Return its function there, and None at the end."""
    for line in iter(sys.stdin.readline, ""):
        order = json.loads(line)
        for name in order["imports"]:
            importlib.import_module(name)
        child = os.fork()
        if child == 0:
            _become(order)
            module, _, name = order["function"].partition(":")
            function: Callable[[], object] = getattr(importlib.import_module(module), name)
            return function
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)
    return None


def _become(order: dict[str, Any]) -> None:
    out, err = order["files"]
    for path, number in (("/dev/null", 0), (out, 1), (err, 2)):
        opened = os.open(path, os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_APPEND)
        os.dup2(opened, number)
        os.close(opened)
    os.chdir(order["cwd"])
    os.environ.clear()
    os.environ.update(order["environment"], OMP_NUM_THREADS="1")
    sys.argv[1:] = order["arguments"]


if __name__ == "__main__":
    if (command := _serve()) is not None:
        command()
