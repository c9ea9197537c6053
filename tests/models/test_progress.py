"""Long work reports its progress and the time that is left."""

from __future__ import annotations

import logging
import time

import pytest

from models.training.progress import Announcer, WorkStages, announced, stage, track


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_silence_is_broken_and_what_is_left_is_told(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    stages = WorkStages(clock)
    announcer = Announcer(stages, 10.0, clock)
    with stages.enter("writing the report"), stages.enter("trying 40 T", 60) as inner:
        for second in range(1, 31):
            clock.now_s = float(second)
            inner.done = second // 2
            announcer.announce_if_silent()
    assert caplog.messages == [
        "writing the report: trying 40 T: 5 of 60 after 10 s, about 110 s left",
        "writing the report: trying 40 T: 10 of 60 after 20 s, about 100 s left",
        "writing the report: trying 40 T: 15 of 60 after 30 s, about 90 s left",
    ]


def test_who_speaks_is_not_interrupted(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    stages = WorkStages(clock)
    announcer = Announcer(stages, 10.0, clock)
    with stages.enter("tracing"):
        clock.now_s = 9.0
        announcer.emit(logging.makeLogRecord({}))
        clock.now_s = 18.0
        announcer.announce_if_silent()
        assert caplog.messages == []
        clock.now_s = 150.0
        announcer.announce_if_silent()
    assert caplog.messages == ["tracing: 2 min so far"]
    clock.now_s = 400.0
    announcer.announce_if_silent()
    assert len(caplog.messages) == 1, "nothing is under way"


def test_short_work_is_not_reported(clock: Clock) -> None:
    """Of each of 60 pictures 40 T are tried, and each trial judges one picture."""
    stages = WorkStages(clock)
    with stages.enter("writing the report"), stages.enter("trying 40 T", 60) as sweep:
        clock.now_s, sweep.done = 20.0, 12
        with stages.enter("judging pictures", 1):
            assert stages.line() == (
                "writing the report: trying 40 T: 12 of 60 after 20 s, about 80 s left"
            )


def test_a_bar_on_the_terminal_is_enough(clock: Clock) -> None:
    stages = WorkStages(clock)
    with stages.enter("detector", 100) as one:
        one.note = "loss 0.5"
        assert stages.line() == "detector: 0 of 100 after 0 s, loss 0.5"
        one.is_shown = True
        assert stages.line() is None


def test_the_thread_speaks_even_where_a_library_is_silenced(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    with announced(every_s=0.01), stage("calibrating"):
        logging.disable(logging.INFO)
        try:
            for _ in track(range(1000), "counting"):
                if caplog.messages:
                    break
                time.sleep(0.005)  # the other thread's turn; the loop ends with its first message
        finally:
            logging.disable(logging.NOTSET)
    assert caplog.messages[0].startswith("calibrating: ")
