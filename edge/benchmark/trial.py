"""One candidate of a selection: started as a child process, read, and ended."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from tempfile import TemporaryFile
from typing import IO

from pydantic import ValidationError

from edge.benchmark.candidate import Answer, Request
from edge.child_processes import FOLDER, command_of, environment_of
from edge.validation_messages import one_line

# The longest time between two answers: the first load and the golden frames on a slow board.
SILENCE_S = 180.0
_REASON_CHARS = 300
_CAUSES = {
    signal.SIGILL: "this processor lacks an instruction that the library uses",
    signal.SIGKILL: "by the kernel, probably for lack of memory",
    signal.SIGBUS: "a fault of memory or of a file",
    signal.SIGSEGV: "a fault in its library",
    signal.SIGABRT: "a fault that its library detected",
}


def run_trial(
    request: Request, on_share: Callable[[float], None], *, silence_s: float = SILENCE_S
) -> Answer:
    """Run the request in its own process and return its last answer.

    ``refused`` of the answer has the reason where the process crashed or hung. ``request.answers``
    is replaced. Blocks. on_share: receives the part of the measurement that is done.
    """
    ours, theirs = os.pipe()
    try:
        with TemporaryFile() as errors:
            try:
                process = subprocess.Popen(
                    command_of("edge.benchmark.candidate"),
                    cwd=FOLDER,
                    env=environment_of(),
                    pass_fds=[theirs],
                    stdin=subprocess.PIPE,
                    stdout=errors,
                    stderr=errors,
                    start_new_session=True,
                )
            except OSError as error:
                return Answer(
                    refused=f"the process cannot be started: {error.strerror}", is_last=True
                )
            finally:
                os.close(theirs)
            try:
                assert process.stdin is not None
                with suppress(BrokenPipeError), process.stdin as stdin:
                    message = request.model_copy(
                        update={"answers": theirs, "bundle": request.bundle.absolute()}
                    )
                    stdin.write(message.model_dump_json().encode())
                return _listen(ours, process, errors, on_share, silence_s)
            finally:
                process.kill()
                process.wait()
    finally:
        os.close(ours)


def _listen(
    answers: int,
    process: subprocess.Popen[bytes],
    errors: IO[bytes],
    on_share: Callable[[float], None],
    silence_s: float,
) -> Answer:
    last, rest, answered_s = Answer(), b"", time.monotonic()
    while True:
        left_s = answered_s + silence_s - time.monotonic()
        if left_s <= 0 or not select.select([answers], [], [], left_s)[0]:
            reason = f"hangs: no answer for {silence_s:g} s, and was ended"
            return last.model_copy(update={"refused": reason, "is_last": True})
        data = os.read(answers, 1 << 16)
        if not data:
            return last.model_copy(
                update={"refused": _end_reason(process, errors), "is_last": True}
            )
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            try:
                answer = Answer.model_validate_json(line)
            except ValidationError:  # output of the library itself
                continue
            known = {"package": answer.package or last.package, "build": answer.build or last.build}
            last, answered_s = answer.model_copy(update=known), time.monotonic()
            if last.is_last:
                return last
            on_share(last.share)


def _end_reason(process: subprocess.Popen[bytes], errors: IO[bytes]) -> str:
    status = process.wait()
    if status < 0:
        number = signal.Signals(-status)
        cause = _CAUSES.get(number)
        return f"its process was ended by {number.name}" + (f": {cause}" if cause else "")
    errors.seek(0)
    lines = errors.read().decode("utf-8", "replace").strip().splitlines()
    return (
        f"its process ended with {status}: {one_line(lines[-1]) if lines else 'no reason given'}"[
            :_REASON_CHARS
        ]
    )
