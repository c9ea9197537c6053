"""outfeed demo as a process: a whole run, and errors of its arguments."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.__main__ import main
from edge.bundle import key_id, read_bundle
from edge.bundle.keys import read_public_key
from edge.demo.parts import find_demo_pictures
from edge.demo.run import ZOO_KEY
from tests.support.bundles import CLEAN, HOLE, STAIN, small_bundle
from tests.support.folders import put
from tests.support.keys import KEY_ID, OTHER_KEY_ID, OTHER_TRUST, TRUST

pytest.importorskip("iotcore", reason="the broker is not installed: pip install 'outfeed[demo]'")

# Each picture with its annotated truth: two pass, one escapes, two are rejected, one
# of them a good part.
MASK = np.zeros(CLEAN.shape, np.uint8)
MASK[10:20, 10:20] = 255
PARTS = (
    (CLEAN, None),
    (HOLE, "hole"),
    (CLEAN, "scratch"),
    (STAIN, None),
    (CLEAN, None),
)


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    folder = tmp_path / "frames"
    (folder / "images").mkdir(parents=True)
    for number, (pixels, kind) in enumerate(PARTS):
        name = f"{number:03d}.png"
        cv2.imwrite(str(folder / "images" / name), pixels)
        if kind is not None:
            (folder / "masks" / kind).mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(folder / "masks" / kind / name), MASK)
    return folder


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return small_bundle(tmp_path / "small.outfeed")


def on_a_terminal(command: list[str]) -> tuple[int, str]:
    """Run with a pseudo-terminal as standard output: exit status and what was shown."""
    ours, theirs = os.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100", "LINES": "40"}
    shown = b""
    with subprocess.Popen(command, stdout=theirs, env=environment) as process:
        os.close(theirs)
        while True:
            try:
                data = os.read(ours, 65536)
            except OSError:  # Linux: the other end is closed
                break
            if not data:
                break
            shown += data
    os.close(ours)
    return process.returncode, shown.decode()


def test_a_whole_run(frames: Path, bundle: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = [sys.executable, "-m", "edge", "demo", "--bundle", str(bundle)]
    command += ["--frames", str(frames), "--out", str(out), "--parts", "40", "--rate", "20"]
    command += ["--seed", "3", "--trust", TRUST]
    status, shown = on_a_terminal(command)
    assert status == 0, shown
    assert "received by the central system" in shown
    assert "40/40" in shown
    account = json.loads((out / "summary.json").read_text())
    run, events, ejections = account["run"], account["events"], account["ejections"]
    assert account["sound"] is True
    assert run["parts"] == 40 == run["passed"] + run["rejected"] + run["unknown"]
    # A part that a busy machine made late is UNKNOWN and ejected; it neither escapes nor is false.
    unknown = run["unknown"]
    assert account["defective"] == 16
    assert 8 - unknown <= account["escapes"] <= 8
    assert 8 - unknown <= account["false_rejects"] <= 8
    assert ejections["wrong"] == []
    assert ejections["right"] + len(ejections["missed"]) == run["rejected"] + unknown
    assert events["journalled"] == events["published"] == events["received"]
    self_tests = 2  # at the start, one with a defect and one without
    starts = 1
    assert events["journalled"] == starts + 40 + run["ejected"] + run["missed"] + self_tests
    sheet = cv2.imread(str(out / "contact-sheet.png"))
    assert sheet.shape[1] == 6 * 306 + 6
    assert sheet.shape[0] > 200
    # Again in the same folder: it begins afresh.
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    again = [*command, "--parts", "5", "--port", str(port)]
    again.insert(3, "--quiet")
    said = subprocess.run(again, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr
    assert json.loads((out / "summary.json").read_text())["run"]["parts"] == 5
    assert f"port = {port}\n" in (out / "station.toml").read_text()


def test_a_port_in_use(
    frames: Path, bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        arguments = ["--bundle", bundle, "--frames", frames, "--out", tmp_path, "--port", port]
        arguments += ["--trust", TRUST]
        status = main(["demo", *map(str, arguments)])
    err = capsys.readouterr().err.splitlines()
    assert (status, len(err)) == (2, 1), err
    assert f"127.0.0.1:{port}" in err[0]


def test_a_folder_that_is_not_in_the_layout(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = main(["demo", "--bundle", str(bundle), "--frames", str(tmp_path / "absent")])
    err = capsys.readouterr().err
    assert status == 2
    assert err.startswith(f"outfeed: --frames {tmp_path}/absent: is not a folder; expected")
    assert len(err.splitlines()) == 1


def test_a_state_folder_of_something_else_is_left_alone(
    frames: Path, bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state/thesis.tex").write_text("years of work")
    arguments = ["--bundle", bundle, "--frames", frames, "--out", tmp_path, "--trust", TRUST]
    status = main(["demo", *map(str, arguments)])
    assert (status, "give another --out" in capsys.readouterr().err) == (2, True)
    assert (tmp_path / "state/thesis.tex").read_text() == "years of work"


def test_an_out_that_is_a_file(
    frames: Path, bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--bundle", bundle, "--frames", frames, "--out", bundle, "--trust", TRUST]
    status = main(["demo", *map(str, arguments)])
    err = capsys.readouterr().err
    assert (status, len(err.splitlines())) == (1, 1), err
    assert "small.outfeed" in err


def test_the_shipped_key_is_trusted_unless_another_is_given(
    frames: Path, bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    zoo = key_id(read_public_key(ZOO_KEY))
    arguments = ["--bundle", bundle, "--frames", frames, "--out", tmp_path]
    for options, trusted in (
        ([], zoo),
        (["--trust", OTHER_TRUST], OTHER_KEY_ID),
        (["--trust", OTHER_TRUST, "--trust", ZOO_KEY], ", ".join(sorted([zoo, OTHER_KEY_ID]))),
    ):
        assert main(["demo", *map(str, [*arguments, *options])]) == 1
        assert capsys.readouterr().err == (
            f"outfeed: {bundle}: is signed by key {KEY_ID}; trusted here: {trusted}\n"
        )
    assert main(["demo", *map(str, [*arguments, "--trust", frames / "none.pub"])]) == 2
    assert "none.pub: cannot be read" in capsys.readouterr().err


def test_the_shipped_bundles_are_signed_with_the_shipped_key() -> None:
    zoo = read_public_key(ZOO_KEY)
    bundles = sorted(ZOO_KEY.parent.glob("*.outfeed"))
    assert len(bundles) >= 2
    for path in bundles:
        assert read_bundle(path, {zoo}).signer == zoo


def test_pictures_and_truth_side_by_side(tmp_path: Path) -> None:
    for number, pixels in enumerate((CLEAN, HOLE)):
        put(tmp_path / f"kos01/Part{number}.jpg", pixels)
        put(tmp_path / f"kos01/Part{number}_label.bmp", MASK * (number > 0))
    found = find_demo_pictures(tmp_path)
    assert [(each.path.name, each.kind, each.known) for each in found] == [
        ("Part0.jpg", None, True),
        ("Part1.jpg", "defect", True),
    ]


def test_of_pictures_alone_nothing_is_a_false_reject(bundle: Path, tmp_path: Path) -> None:
    put(tmp_path / "frames/images/a.png", HOLE)
    out = tmp_path / "out"
    command = [sys.executable, "-m", "edge", "--quiet", "demo", "--bundle", str(bundle)]
    command += ["--frames", str(tmp_path / "frames"), "--out", str(out), "--parts", "3"]
    done = subprocess.run([*command, "--trust", TRUST], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("unknown: no masks and no folder good/") == 2
    assert "good parts" not in done.stdout
    account = json.loads((out / "summary.json").read_text())
    assert (account["escapes"], account["false_rejects"]) == (None, None)


def test_where_every_part_is_defective_false_rejects_are_unknown(
    bundle: Path, tmp_path: Path
) -> None:
    put(tmp_path / "frames/images/a.png", HOLE)
    put(tmp_path / "frames/masks/hole/a.png", (HOLE < 60).astype(np.uint8) * 255)
    out = tmp_path / "out"
    command = [sys.executable, "-m", "edge", "--quiet", "demo", "--bundle", str(bundle)]
    command += ["--frames", str(tmp_path / "frames"), "--out", str(out), "--parts", "3"]
    done = subprocess.run([*command, "--trust", TRUST], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "unknown: no part is good" in done.stdout
    account = json.loads((out / "summary.json").read_text())
    assert account["false_rejects"] is None
    assert account["escapes"] is not None


def test_all_faults_of_a_folder_are_reported_together(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frames = tmp_path / "frames"
    put(frames / "images/a.png", CLEAN)
    put(frames / "images/b.png", b"")
    put(frames / "ground_truth/a.png", MASK)
    status = main(["demo", "--bundle", str(bundle), "--frames", str(frames), "--trust", TRUST])
    assert status == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == f"outfeed: --frames {frames}: 2 things to put right"
    assert lines[1].startswith(
        f"  {frames}/ground_truth: 1 file (a.png) looks like masks or labels"
    )
    assert lines[2:] == [f"  {frames}/images/b.png: is empty"]
