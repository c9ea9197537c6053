"""The times of untrained networks on this machine, measured by a child process and kept in a file.

The child process is ``python -m export.ladder``: torch's threads in this process would disturb it,
and the engines of a station are no part of training.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from edge.files import write_atomically
from models.data.dataset import DataError
from models.ladder.record import Measured, Subject

log = logging.getLogger(__name__)

TIMES = "times.json"
SECONDS = 2.0  # for each engine: at 5 ms a frame 400 frames
_ROOT = Path(__file__).parents[2]
_MOST_S = 1800.0


class TimingRequest(BaseModel):
    """The subjects to time.

    seconds: for each network and engine. kinds: number of kinds of defects, for the classifier.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    subjects: tuple[Subject, ...]
    kinds: int
    seconds: float = SECONDS


class _Kept(BaseModel):
    """times.json: the request, and its answer."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    request: TimingRequest
    answer: Measured


def measure(subjects: Sequence[Subject], kinds: int, folder: Path) -> Measured:
    """Return the time of each subject on this machine. Blocks for half a minute per network.

    folder: holds times.json, the answer to an earlier equal request, which is returned at once. So
    an interrupted training continues with the same choice. Delete the file to measure again.
    Raises DataError where nothing can be timed, and OSError.
    """
    request = TimingRequest(subjects=tuple(subjects), kinds=kinds)
    path = folder / TIMES
    kept = _read(path)
    if kept is not None and kept.request == request:
        log.info("ladder times of %s are those of %s", kept.answer.processor, path)
        return kept.answer
    folder.mkdir(parents=True, exist_ok=True)
    names = ", ".join(dict.fromkeys(subject.name for subject in subjects))
    log.info("ladder timing %s, untrained and in int8, on one core", names)
    answer = _ask(request, folder)
    write_atomically(path, _Kept(request=request, answer=answer).model_dump_json(indent=1) + "\n")
    return answer


def _read(path: Path) -> _Kept | None:
    """Return times.json; None where it is missing or not readable, so that it is measured again."""
    try:
        return _Kept.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValidationError):
        return None


def _ask(request: TimingRequest, folder: Path) -> Measured:
    paths = [str(_ROOT), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    try:
        child = subprocess.run(
            [sys.executable, "-m", "export.ladder", str(folder.resolve())],
            input=request.model_dump_json(),
            env=environment,
            capture_output=True,
            text=True,
            timeout=_MOST_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise DataError(f"the time of the networks was not known after {_MOST_S:g} s") from error
    if child.returncode:
        last = (child.stderr.strip() or "no reason given").splitlines()[-1]
        raise DataError(f"the networks cannot be timed: {last}")
    try:
        return Measured.model_validate_json(child.stdout)
    except ValidationError as error:
        raise DataError("the networks cannot be timed: their times are no JSON") from error
