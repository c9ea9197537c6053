"""The messages to the service manager over a real socket."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from edge.watchdog import SILENT, find_notifier
from edge.watchdog.notifier import SocketNotifier
from tests.watchdog.manager import Manager


def test_each_message_is_one_datagram_with_a_status_of_one_line(tmp_path: Path) -> None:
    with Manager(tmp_path / "notify") as manager:
        notifier = SocketNotifier(str(manager.path))
        notifier.ready("12 parts\nREADY=0")
        notifier.heartbeat("13 parts")
        notifier.send_status("hung")
        notifier.stopping("")
        notifier.close()
        manager.wait("STOPPING")
    assert [notice.said for notice in manager.notices] == [
        {"READY": "1", "STATUS": "12 parts READY=0"},
        {"WATCHDOG": "1", "STATUS": "13 parts"},
        {"STATUS": "hung"},
        {"STOPPING": "1", "STATUS": ""},
    ]


def test_a_name_in_the_abstract_namespace() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        name = f"outfeed-test-{os.getpid()}"
        manager.bind(f"\0{name}")
        manager.settimeout(10)
        notifier = SocketNotifier(f"@{name}")
        notifier.ready("here")
        notifier.close()
        assert manager.recv(100) == b"READY=1\nSTATUS=here"


def test_a_manager_that_is_gone_or_full_costs_a_line_and_bounded_time(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as deaf:
        deaf.bind(str(tmp_path / "notify"))
        notifier = SocketNotifier(str(tmp_path / "notify"))
        for _ in range(10_000):  # the kernel holds some 10 datagrams for who does not read
            if "manager_not_told" in caplog.text:
                break
            notifier.heartbeat("x")
        assert "manager_not_told state=WATCHDOG=1 reason=timed out" in caplog.text
    caplog.clear()
    notifier.ready("x")
    notifier.close()
    assert "manager_not_told state=READY=1" in caplog.text


@pytest.mark.parametrize(
    ("environment", "interval_s"),
    [
        ({}, None),
        ({"NOTIFY_SOCKET": "vsock:2:1"}, None),
        ({"NOTIFY_SOCKET": "/nowhere"}, 1.0),
        ({"NOTIFY_SOCKET": "/nowhere", "WATCHDOG_USEC": "10000000"}, 1.0),
        ({"NOTIFY_SOCKET": "/nowhere", "WATCHDOG_USEC": "2000000"}, 0.5),
        ({"NOTIFY_SOCKET": "/nowhere", "WATCHDOG_USEC": "2000000", "WATCHDOG_PID": "1"}, 1.0),
        ({"NOTIFY_SOCKET": "/nowhere", "WATCHDOG_USEC": "soon"}, 1.0),
        (
            {
                "NOTIFY_SOCKET": "/nowhere",
                "WATCHDOG_USEC": "400000",
                "WATCHDOG_PID": str(os.getpid()),
            },
            0.1,
        ),
    ],
)
def test_the_environment_is_read_once_and_kept_from_children(
    environment: dict[str, str], interval_s: float | None
) -> None:
    environment |= {"PATH": "/bin"}
    notifier = find_notifier(environment)
    assert environment == {"PATH": "/bin"}
    if interval_s is None:
        assert notifier is SILENT
        notifier.heartbeat("nobody hears this")
        return
    assert isinstance(notifier, SocketNotifier)
    assert notifier.interval_s == interval_s
    notifier.close()
