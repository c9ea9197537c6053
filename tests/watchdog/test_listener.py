"""A parent receives its child's heartbeats through the real notifier of the child."""

from __future__ import annotations

import pytest

from edge.watchdog import find_notifier
from edge.watchdog.listener import Listener
from edge.watchdog.notifier import SocketNotifier


def child(environment: dict[str, str]) -> SocketNotifier:
    notifier = find_notifier(environment)
    assert isinstance(notifier, SocketNotifier)
    assert environment == {}
    return notifier


def test_heartbeats_are_heard_and_words_alone_are_not() -> None:
    listener = Listener()
    notifier = child(listener.environment(8.0))
    notifier.send_status("connecting")
    notifier.ready("here")
    notifier.heartbeat("3 events")
    notifier.stopping("WATCHDOG=1")
    assert [listener.wait_heartbeat(10.0) for _ in range(4)] == [False, True, True, False]
    assert not listener.wait_heartbeat(0.0)
    notifier.close()
    listener.close()
    listener.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        listener.wait_heartbeat(0.0)


@pytest.mark.parametrize(("silence_s", "interval_s"), [(2.0, 0.5), (90.0, 1.0)])
def test_a_child_speaks_as_often_as_it_is_asked_to(silence_s: float, interval_s: float) -> None:
    listener = Listener()
    notifier = child(listener.environment(silence_s))
    assert notifier.interval_s == interval_s
    notifier.close()
    listener.close()
