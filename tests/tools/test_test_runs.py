"""Results that all processes of a run share, forked commands, and tests that a run leaves out."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import cores
from tests.support.cores import own_core
from tests.support.preloaded import run_module
from tests.support.shared import FOLDER_VARIABLE, shared_bytes, shared_folder
from tests.support.slow import REASON, VARIABLE, skip_slow

ROOT = Path(__file__).resolve().parents[2]
# Each process adds a line to the file "made" where it is the one that makes the folder.
ASK = """
import sys, time
from pathlib import Path
from tests.support.shared import shared_folder

def make(folder):
    with Path(sys.argv[1]).open("a") as file:
        file.write("made\\n")
    (folder / "first").touch()
    time.sleep(0.5)
    (folder / "last").touch()

print(sorted(path.name for path in shared_folder("asked for by all", make).iterdir()))
"""


def test_one_of_several_processes_makes_a_folder_and_all_get_it_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    command = [sys.executable, "-c", ASK, str(tmp_path / "made")]
    asking = [
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(4)
    ]
    assert {each.communicate()[0] for each in asking} == {"['first', 'last']\n"}
    assert (tmp_path / "made").read_text() == "made\n"


def test_a_folder_that_failed_is_made_again_from_an_empty_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))

    def fail(folder: Path) -> None:
        (folder / "half").touch()
        raise OSError("no space")

    with pytest.raises(OSError, match="no space"):
        shared_folder("a", fail)
    made = shared_folder("a", lambda folder: (folder / "whole").touch())
    assert [path.name for path in made.iterdir()] == ["whole"]
    assert shared_folder("a", fail) == made
    assert shared_folder("b", lambda _: None) != made


def test_bytes_are_those_of_the_first_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    assert [shared_bytes("a", lambda given=given: given) for given in (b"1", b"2")] == [b"1", b"1"]
    assert shared_bytes("b", lambda: b"2") == b"2"


def test_a_forked_command_ends_as_an_interpreter_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = run_module("calendar", 2026, 1)
    assert (done.returncode, done.stderr) == (0, "")
    assert "January 2026" in done.stdout
    refused = run_module("calendar", "soon")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "soon" in refused.stderr
    monkeypatch.setenv("A_WORD", "given")
    code = (
        "import atexit, os, signal, sys",
        "atexit.register(print, 'the end')",
        "print(os.environ['A_WORD'], os.getcwd(), sys.stdin.read() == '', flush=True)",
    )
    line = f"given {tmp_path} True"
    own = run_module("timeit", "-n", 1, "-r", 1, *code, cwd=tmp_path)
    assert (own.returncode, own.stderr) == (0, "")
    assert own.stdout.splitlines()[0] == line
    assert own.stdout.splitlines()[-1] == "the end"
    die = "os.kill(os.getpid(), signal.SIGKILL)"
    killed = run_module("timeit", "-n", 1, "-r", 1, *code, die, cwd=tmp_path)
    assert (killed.returncode, killed.stdout) == (-9, f"{line}\n")


@pytest.mark.parametrize(
    ("own", "worker", "workers", "usable", "core"),
    [
        ("own", "gw0", "2", [3, 1], 1),
        ("own", "gw1", "2", [3, 1], 3),
        ("own", "gw1", "2", [0], None),  # two on one core would disturb each other all the more
        ("own", "", "", [0, 1], None),
        ("", "gw1", "2", [0, 1], None),
    ],
)
def test_each_worker_has_a_core_of_its_own_where_that_is_asked_for(
    own: str, worker: str, workers: str, usable: list[int], core: int | None
) -> None:
    environment = {cores.VARIABLE: own}
    if worker:
        environment |= {"PYTEST_XDIST_WORKER": worker, "PYTEST_XDIST_WORKER_COUNT": workers}
    assert own_core(environment, usable) == core


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="needs Linux")
def test_a_worker_and_what_it_starts_keep_to_the_core() -> None:
    usable = sorted(os.sched_getaffinity(0))
    code = (
        "import subprocess, sys; from tests.support.cores import keep_to_own_core\n"
        "keep_to_own_core()\n"
        "show = 'import os; print(*os.sched_getaffinity(0))'\n"
        "print(subprocess.check_output([sys.executable, '-c', show], text=True))"
    )
    for number, core in enumerate(usable[:2]):
        worker = {"PYTEST_XDIST_WORKER": f"gw{number}"}
        worker["PYTEST_XDIST_WORKER_COUNT"] = str(len(usable))
        environment = {**os.environ, cores.VARIABLE: "own", **worker}
        found = subprocess.check_output(
            [sys.executable, "-c", code], env=environment, cwd=ROOT, text=True
        )
        assert found.split() == [str(core)]


class Marked:
    """A test as pytest has collected it, with or without the mark."""

    def __init__(self, *marks: str) -> None:
        self.marks = marks
        self.added: list[pytest.MarkDecorator] = []

    def get_closest_marker(self, name: str) -> str | None:
        return name if name in self.marks else None

    def add_marker(self, mark: pytest.MarkDecorator) -> None:
        self.added.append(mark)


@pytest.mark.parametrize(
    ("environment", "skipped"), [({}, [REASON]), ({VARIABLE: ""}, [REASON]), ({VARIABLE: "1"}, [])]
)
def test_slow_members_run_where_they_are_asked_for(
    environment: dict[str, str], skipped: list[str]
) -> None:
    slow, plain = Marked("slow", "timeout"), Marked("timeout")
    skip_slow([slow, plain], environment)
    assert [mark.kwargs["reason"] for mark in slow.added] == skipped
    assert plain.added == []
