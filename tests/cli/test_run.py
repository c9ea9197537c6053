"""outfeed run and outfeed uplink: wired, stopped, refused."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.assembly.uplink_process import UplinkProcess
from edge.bundle import read_bundle
from edge.config.station import load_config
from edge.events.event import PartEvent
from tests.cli.conftest import Outfeed
from tests.support.bundles import small_bundle
from tests.support.station_runs import events, wait_for
from tests.support.videos import video


def test_a_finite_source_ends_with_a_summary(
    outfeed: Outfeed, configure: Callable[..., Path], tmp_path: Path
) -> None:
    result = outfeed("run", "--config", configure())
    assert result.status == 0
    assert re.search(r"parts +│ 12 in", result.out)
    assert "detect" in result.out
    parts = [event for event in events(tmp_path) if isinstance(event, PartEvent)]
    assert [part.part_id for part in parts] == list(range(1, 13))
    assert {part.bundle for part in parts} == {read_bundle(tmp_path / "small.outfeed").id}
    # Another machine's load may make a part late; what was judged was judged right.
    judged = [part for part in parts if part.decision != "UNKNOWN"]
    assert len(judged) >= 6
    assert all((part.decision == "REJECT") == (part.part_id % 3 == 1) for part in judged)


def test_a_video_is_a_source(
    outfeed: Outfeed, configure: Callable[..., Path], tmp_path: Path
) -> None:
    video(tmp_path / "clip.avi", 8)
    result = outfeed("--quiet", "run", "--config", configure(kind="video", path="clip.avi"))
    assert (result.status, result.err) == (0, "")
    assert len([event for event in events(tmp_path) if isinstance(event, PartEvent)]) == 8


def test_a_signal_stops_an_endless_run_in_order(
    configure: Callable[..., Path], tmp_path: Path
) -> None:
    """With an uplink that finds no broker, which must not matter."""
    command = [
        sys.executable,
        "-m",
        "edge",
        "run",
        "--config",
        str(configure(loop="true", uplink="true")),
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        journal = tmp_path / "state/journal.sqlite"
        wait_for(
            lambda: process.poll() is None and journal.exists() and len(events(tmp_path)) > 20,
            "20 events",
        )
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=20)
    except BaseException:
        process.kill()
        process.communicate()
        raise
    assert process.returncode == 0, err
    parts = [event.part_id for event in events(tmp_path) if isinstance(event, PartEvent)]
    assert sorted(parts) == list(range(1, len(parts) + 1))
    assert f"│ {len(parts)} in" in out
    assert "Traceback" not in err


def test_configurations_that_are_refused(
    outfeed: Outfeed, configure: Callable[..., Path], tmp_path: Path
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    for extra, keys, said in (
        ("[engine]\nthread = 2\n", {}, "unknown key 'engine.thread'"),
        ('[engine]\nthreads = "2"\n', {}, "key 'engine.threads'"),
        ("[engine\n", {}, "is not TOML"),
        ("", {"path": "empty"}, "key 'camera.path'"),
        ("", {"path": "absent"}, "key 'camera.path'"),
        ("", {"kind": "video", "path": "absent.avi"}, "key 'camera.path'"),
    ):
        result = outfeed("run", "--config", configure(extra, **keys))
        assert (result.status, result.out) == (78, ""), result.err
        assert said in result.line
    absent = outfeed("run", "--config", tmp_path / "absent.toml")
    assert (absent.status, "absent.toml: cannot be read" in absent.line) == (78, True)


def test_an_unproven_bundle_does_not_run(
    outfeed: Outfeed, configure: Callable[..., Path], tmp_path: Path
) -> None:
    config, path = configure(), tmp_path / "small.outfeed"
    golden = read_bundle(path).manifest.golden
    wrong = tuple(
        frame.model_copy(update={"grid": tuple((6.0,) * len(row) for row in frame.grid)})
        for frame in golden
    )
    small_bundle(path, expected=wrong)
    result = outfeed("run", "--config", config)
    assert (result.status, "does not reproduce its golden frame" in result.line) == (1, True)
    path.unlink()
    result = outfeed("run", "--config", config)
    assert (result.status, "small.outfeed: cannot be read" in result.line) == (1, True)
    assert not (tmp_path / "state").exists()


def test_a_journal_that_cannot_be_written(
    outfeed: Outfeed, configure: Callable[..., Path], tmp_path: Path
) -> None:
    (tmp_path / "state").write_text("a file in the folder's place")
    result = outfeed("run", "--config", configure())
    assert result.status == 0  # it inspects; tests/cli/test_starts.py
    assert "journal_open_refused reason=key 'state_dir'" in result.err


def test_uplink_ends_on_a_signal(configure: Callable[..., Path]) -> None:
    command = [sys.executable, "-m", "edge", "uplink", "--config", str(configure())]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    with process.stderr as stderr:
        assert "uplink_down" in stderr.readline()  # no broker listens on port 9
        process.send_signal(signal.SIGINT)
        assert "Traceback" not in stderr.read()
    assert process.wait(20) == 0


def test_uplink_refuses_a_wrong_configuration(
    outfeed: Outfeed, configure: Callable[..., Path]
) -> None:
    result = outfeed("uplink", "--config", configure("host = 5\n"))
    assert (result.status, "key 'uplink.host'" in result.line) == (78, True)


def test_an_uplink_that_exits_is_started_again(
    configure: Callable[..., Path], tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        path = configure(port=silent.getsockname()[1])
        uplink = UplinkProcess(path, retry_max_s=0.1, log=tmp_path / "uplink.log")
        uplink.start()
        try:
            wait_for(lambda: uplink.pid is not None, "a first uplink")
            first = uplink.pid
            assert first is not None
            os.kill(first, signal.SIGKILL)
            wait_for(lambda: uplink.pid not in (None, first), "a second uplink")
            assert uplink.restarts == 1
        finally:
            uplink.close()
            uplink.close()
    assert uplink.pid is None
    assert uplink.restarts == 1
    assert load_config(path).uplink.start is False


def test_an_uplink_that_hangs_is_ended_and_started_again(
    configure: Callable[..., Path], tmp_path: Path
) -> None:
    log = tmp_path / "uplink.log"
    uplink = UplinkProcess(configure(), retry_max_s=0.1, log=log, silence_s=2.0)
    uplink.start()
    try:
        wait_for(lambda: log.exists() and "uplink_down" in log.read_text(), "a working uplink")
        first = uplink.pid
        assert first is not None
        os.kill(first, signal.SIGSTOP)
        wait_for(lambda: uplink.restarts == 1, "its end")
        wait_for(lambda: uplink.pid not in (None, first), "a second uplink")
        wait_for(lambda: log.read_text().count("uplink_down") > 1, "it to work")
        assert uplink.restarts == 1
    finally:
        uplink.close()


BY_COUNTS = (
    "[encoder]\nmax_counts_per_s = 2000\nvariation = 0.3\nstops = 0.1\n"
    "[ejector_eye]\nto_ejector_counts = 60\ntolerance_counts = 3\ntaken = 0.2\nadded = 0.2\n"
)
BY_TIME = "[ejector_eye]\nto_ejector_ms = 60\ntolerance_ms = 3\ntaken = 0.2\nadded = 0.2\n"


@pytest.mark.parametrize(
    ("belt", "travel"),
    [(BY_COUNTS, "travel_counts = 300"), (BY_TIME, "travel_ms = 300")],
    ids=["counts", "time"],
)
def test_a_belt_with_a_second_eye(
    outfeed: Outfeed, configure: Callable[..., Path], tmp_path: Path, belt: str, travel: str
) -> None:
    path = configure(belt)
    text = path.read_text().replace("travel_ms = 120.0", travel)
    path.write_text(text.replace("rate_hz = 100.0", "rate_hz = 25.0\nparts = 12"))
    result = outfeed("--quiet", "run", "--config", path)
    assert (result.status, result.err) == (0, "")
    assert re.search(r"parts +│ 12 in", result.out)
    assert re.search(r"on the belt +│ \d+ absent, \d+ unannounced", result.out)
    parts = [event for event in events(tmp_path) if isinstance(event, PartEvent)]
    assert sorted(part.part_id for part in parts) == list(range(1, 13))


def test_a_start_says_that_parts_pass_while_nobody_drives_the_output(
    configure: Callable[..., Path], outfeed: Outfeed
) -> None:
    said = outfeed("run", "--config", configure()).err
    assert said.count("parts_pass_undriven") == 1
    assert "outfeed commission --step safe-state" in said
    path = configure('[output]\nsafe_state = "active"\n')
    assert "parts_pass_undriven" not in outfeed("run", "--config", path).err
