"""A command in a process of its own, which gets one SIGINT at a certain call of a function."""

from __future__ import annotations

import importlib
import os
import runpy
import signal
import subprocess
import sys
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from tests.support import preloaded


def call(
    module: str, *words: object, at: str = "", number: int = 1
) -> subprocess.CompletedProcess[str]:
    """Run ``python -m module words`` in a process of its own and return its result.

    at: the function at whose call ``number`` the process gets SIGINT, for instance
    "models.training.fit:Fit._step"; "" sends nothing. The function then runs as usual.
    """
    imports = [preloaded.main_of(module)]
    if module.startswith("models.training"):
        imports.append("torch._dynamo")  # by the first optimizer, in another three seconds
    arguments = [at, str(number), module, *(str(word) for word in words)]
    return preloaded.run("tests.support.interrupted:main", imports, arguments)


def _interrupt_at(target: str, number: int) -> None:
    module, _, path = target.partition(":")
    *owners, name = path.split(".")
    owner: Any = importlib.import_module(module)
    for each in owners:
        owner = getattr(owner, each)
    function, calls = getattr(owner, name), 0

    def counted(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == number:
            os.kill(os.getpid(), signal.SIGINT)
        return function(*args, **kwargs)

    setattr(owner, name, counted)


def main() -> None:
    """Do what ``call`` has asked for, in the new process."""
    target, number, module, *words = sys.argv[1:]
    # A shell starts what is put into the background with SIGINT ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if target:
        _interrupt_at(target, int(number))
    sys.argv = [module, *words]
    with _traces_of(module):
        runpy.run_module(module, run_name="__main__", alter_sys=True)


def _traces_of(module: str) -> AbstractContextManager[None]:
    """Trace the networks of an export once for all processes of the run."""
    if module.partition(".")[0] != "export":
        return nullcontext()
    from tests.support.traced import traces_shared  # loads torch, as the command does

    return traces_shared()


if __name__ == "__main__":
    main()
