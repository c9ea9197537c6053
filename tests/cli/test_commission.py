"""outfeed commission as a process on a simulated line: GO, NO-GO, and what it refuses."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from edge.assembly.prompt import Terminal
from edge.assembly.station import open_journal
from edge.commission.record import CommissionRecord, conclude, read_record, write_record
from edge.commission.result import Proposal, StepOutcome, judge_figures
from edge.config.station import load_config
from tests.cli.conftest import Outfeed
from tests.commission.stations import CALM, EYE, blurred, lit, tiles, write_station

# As many as p99.9 takes, and not more: each is 3 ms.
ENOUGH = ("--pulses", "3000", "--inspections", "3000", "--parts", "10", "--frames", "5")
FEW = ("--parts", "6", "--frames", "3", "--wait-s", "5")
# Load from other processes may delay a pulse, a frame or the chain by tens of milliseconds.
SLOW = {**CALM, "rate_hz": 4.0, "pulse_ms": 60.0}


@dataclass(frozen=True)
class Done:
    status: int
    out: str
    err: str


def commission(path: Path, *arguments: str) -> Done:
    """Without a terminal."""
    command = [sys.executable, "-m", "edge", "commission", "--config", str(path), *arguments]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=110, check=False, stdin=subprocess.DEVNULL
    )
    return Done(done.returncode, done.stdout, done.stderr)


def record_of(path: Path) -> CommissionRecord:
    record = read_record(load_config(path).paths.commissioning)
    assert record is not None
    return record


def outcomes(path: Path) -> dict[str, str]:
    return {result.step: result.outcome.value for result in record_of(path).steps}


def test_a_good_line_is_go(tmp_path: Path, outfeed: Outfeed) -> None:
    path = write_station(tmp_path, EYE, **SLOW)
    done = commission(
        path, *ENOUGH, "--yes", "--allow-skip", "pulse", "--out", str(tmp_path / "out")
    )
    assert done.status == 0, done.out + done.err
    assert outcomes(path) == {
        "focus": "GO",
        "parts": "GO",
        "travel": "GO",
        "pulse": "SKIPPED",
        "safe-state": "GO",
        "timing": "GO",
        "speed": "GO",
    }
    record = record_of(path)
    assert record.outcome is StepOutcome.GO
    assert record.station == "press-3"
    assert record.greatest_rate_hz is not None
    assert 4 / 0.7 < record.greatest_rate_hz < 1e3 / 60
    assert "\nGO: parts may come " in done.out
    page = (tmp_path / "out" / "commission.html").read_text()
    assert "Commissioning of press-3" in page
    assert "data:image/png;base64," in page
    assert (tmp_path / "out" / "focus.png").exists()
    # And the station runs by it.
    text = path.read_text().replace("[line]\n", "[line]\nrequire_commission = true\n")
    path.write_text(text.replace("rate_hz = 4.0", "rate_hz = 4.0\nparts = 2"))
    assert outfeed("run", "--config", path).status == 0
    path.write_text(path.read_text().replace("rate_hz = 4.0", "rate_hz = 15.0"))
    refused = outfeed("run", "--config", path)
    assert (refused.status, refused.out) == (78, "")
    assert re.search(
        r"21\.43 parts per second are configured, the measured limit is \d", refused.line
    )


def test_too_fast_a_line(tmp_path: Path) -> None:
    path = write_station(tmp_path, rate_hz=100.0, pulse_ms=40.0)
    arguments = ("--step", "parts", "--step", "timing", "--step", "speed")
    done = commission(path, *ENOUGH, *arguments)
    assert done.status == 1
    assert outcomes(path)["speed"] == "NO-GO"
    assert re.search(r"least gap by \[trigger\] 7 ms, at least \d+", done.out)


@pytest.mark.parametrize(
    ("pictures", "said"),
    [
        ([blurred(tiles(seed=4), 2.5)], "sharpness"),
        ([lit(tiles(seed=4), 1.8)], "clipped white"),
    ],
    ids=["blurred", "over-exposed"],
)
def test_pictures_that_are_wrong(tmp_path: Path, pictures: list, said: str) -> None:
    path = write_station(tmp_path, pictures=pictures)
    done = commission(path, "--step", "focus", *FEW)
    assert done.status == 1
    assert f"focus: NO-GO {said}" in done.out or f"; {said}" in done.out
    assert outcomes(path) == {"focus": "NO-GO"}


def test_a_wrong_travel_is_measured_proposed_and_written_only_when_asked(tmp_path: Path) -> None:
    path = write_station(tmp_path, EYE, trigger="ejector_at = 150")
    before = path.read_text()
    done = commission(path, "--step", "travel", *FEW)
    assert done.status == 1
    assert outcomes(path) == {"travel": "NO-GO"}
    (line,) = re.findall(r"for station\.toml, \[line\]: (travel_ms = \S+)", done.out)
    assert float(line.split()[2]) == pytest.approx(150, abs=1)
    assert path.read_text() == before
    done = commission(path, "--step", "travel", "--write", *FEW)
    assert done.status == 0, done.out
    assert f"written to station.toml: {line.split(' = ')[0]}" in done.out
    after = path.read_text()
    changed_names = [
        pair
        for pair in zip(before.splitlines(), after.splitlines(), strict=True)
        if pair[0] != pair[1]
    ]
    assert len(changed_names) == 1
    assert changed_names[0][1].endswith("# with a ruler")
    assert load_config(path).line.travel_ms == pytest.approx(150, abs=1)
    assert outcomes(path) == {"travel": "GO"}


def test_a_travel_that_the_budget_does_not_fit_is_not_written(tmp_path: Path) -> None:
    path = write_station(tmp_path, EYE, trigger="ejector_at = 72")
    before = path.read_text()
    done = commission(path, "--step", "travel", "--write", *FEW)
    assert done.status == 78
    assert "was not written: " in done.err
    assert "must be below travel_ms" in done.err
    assert path.read_text() == before


def test_without_a_terminal_no_answer_is_awaited(tmp_path: Path) -> None:
    path = write_station(tmp_path)
    done = commission(path, "--step", "travel", "--step", "pulse", "--batch", *FEW)
    assert done.status == 1
    assert outcomes(path) == {"travel": "SKIPPED", "pulse": "SKIPPED"}
    assert "travel was skipped" in record_of(path).reason
    allowed = ("--allow-skip", "travel", "--allow-skip", "pulse")
    assert commission(path, "--step", "travel", "--step", "pulse", *allowed).status == 0
    assert record_of(path).outcome is StepOutcome.NO_GO  # the others were not done


def test_what_was_measured_before_is_kept_as_long_as_it_holds(
    outfeed: Outfeed, tmp_path: Path
) -> None:
    path = write_station(tmp_path, **CALM)
    assert outfeed("commission", "--config", path, "--step", "focus", *FEW).status == 0
    assert outfeed("commission", "--config", path, "--step", "parts", *FEW).status == 0
    assert outcomes(path) == {"focus": "GO", "parts": "GO"}
    path.write_text(path.read_text().replace("rate_hz = 20.0", "rate_hz = 19.0"))
    assert outfeed("commission", "--config", path, "--step", "focus", *FEW).status == 0
    assert outcomes(path) == {"focus": "GO"}  # parts were of another trigger
    load_config(path).paths.commissioning.write_text("{")
    result = outfeed("commission", "--config", path, "--step", "focus", *FEW)
    assert (result.status, "earlier results are not used: " in result.out) == (0, True)


def test_options(outfeed: Outfeed, tmp_path: Path) -> None:
    path = write_station(tmp_path, **CALM)
    result = outfeed(
        "commission",
        "--config",
        path,
        "--step",
        "focus",
        "--frames",
        2,
        "--browser",
        0,
        "--listen",
        "127.0.0.1",
        "--wait-s",
        0.2,
        "--yes",
    )
    assert "live picture: http://127.0.0.1:" in result.out
    assert re.search(r"pictures +│ +2", result.out)
    result = outfeed(
        "commission",
        "--config",
        path,
        "--step",
        "parts",
        "--parts",
        3,
        "--allow-false-rejects",
        1,
        "--rate-hz",
        2.5,
    )
    assert re.search(r"false rejects +│ +0 +│ at most 1", result.out)
    result = outfeed(
        "commission", "--config", path, "--step", "timing", "--pulses", 100, "--inspections", 30
    )
    assert re.search(r"test pulses +│ +100", result.out)
    assert result.status == 1


def test_what_is_refused(outfeed: Outfeed, tmp_path: Path) -> None:
    path = write_station(tmp_path)
    result = outfeed("commission", "--config", path, "--step", "focal")
    assert result.status == 2
    assert "no step is called focal; the steps are focus, parts, " in result.line
    assert outfeed("commission", "--config", path, "--allow-skip", "x").status == 2
    assert outfeed("commission", "--config", tmp_path / "absent.toml").status == 78
    taken = outfeed("commission", "--config", path, "--step", "focus", "--out", path / "below")
    assert (taken.status, "cannot be made" in taken.line) == (1, True)


def test_beside_a_station_that_runs_nothing_is_touched(outfeed: Outfeed, tmp_path: Path) -> None:
    path = write_station(tmp_path)
    with open_journal(load_config(path)):
        result = outfeed("commission", "--config", path, "--step", "focus")
    assert result.status == 1
    assert "a station is running on this folder: stop it first" in result.line
    assert not load_config(path).paths.commissioning.exists()


def test_an_operator_at_a_terminal(tmp_path: Path) -> None:
    """Through a pseudo-terminal: one question per test pulse; the last answers end the step."""
    path = write_station(tmp_path, rate_hz=100.0)
    command = [sys.executable, "-m", "edge", "commission", "--config", str(path)]
    command += ["--step", "pulse", "--wait-s", "5"]
    ours, theirs = os.openpty()
    with subprocess.Popen(command, stdin=theirs, stdout=subprocess.PIPE, text=True) as process:
        os.close(theirs)
        os.write(ours, b"\n" + b"perhaps\nyes\n" * 30)
        out, _ = process.communicate(timeout=60)
    os.close(ours)
    assert process.returncode == 0, out
    assert "Was the part ejected? [yes/no]" in out
    shortest = next(one for one in record_of(path).steps if one.step == "pulse").figure("shortest")
    assert shortest is not None
    assert 1.0 < shortest <= 1.5


def answers(*given: str) -> Callable[[str], str]:
    waiting = list(given)

    def read(text: str) -> str:
        if not waiting:
            raise EOFError
        return waiting.pop(0)

    return read


def test_the_terminal() -> None:
    operator = Terminal(read=answers("", "n", "NO", "ha", "h", "e", "early"))
    assert [operator.confirm("Begin?") for _ in range(3)] == [True, False, False]
    assert operator.choose("How?", ["early", "late", "hit"]) == "hit"
    assert [operator.choose("How?", ["early", "late", "hit"]) for _ in range(2)] == ["early"] * 2
    assert operator.present
    assert operator.choose("How?", ["yes", "no"]) is None
    assert not operator.present  # the input has ended: no question is asked again
    assert operator.confirm("Begin?") is False
    assert Terminal(agrees=True, read=answers()).confirm("Begin?") is True


def test_the_record_is_json_for_others(outfeed: Outfeed, tmp_path: Path) -> None:
    path = write_station(tmp_path)
    outfeed("commission", "--config", path, "--step", "focus", *FEW)
    data = json.loads(load_config(path).paths.commissioning.read_text())
    assert data["outcome"] == "NO-GO"
    assert data["steps"][0]["figures"][1]["name"] == "sharpness"
    assert set(data["holds_for"]) >= {"camera", "bundle", "machine", "travel"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has a file that another may not write")
def test_a_file_of_roots_is_written_by_root_afterwards(tmp_path: Path) -> None:
    """As the guide has it: measured as the station's user, put into station.toml by root."""
    path = write_station(tmp_path, EYE, trigger="ejector_at = 150")
    before = path.read_text()
    command = [sys.executable, "-m", "edge", "commission", "-c", str(path)]
    drop = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--securebits=+noroot"]
    (tmp_path / "state").mkdir(exist_ok=True)
    tmp_path.chmod(0o555)
    measured = subprocess.run(
        [*drop, *command, "--step", "travel", "--write", "--batch", *FEW],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    tmp_path.chmod(0o755)
    said = measured.stdout + measured.stderr
    assert measured.returncode == 1, said
    assert "may not be written by this user. The measured values are stored." in said
    assert "commission --apply --config" in said
    assert path.read_text() == before
    assert outcomes(path) == {"travel": "NO-GO"}
    applied = commission(path, "--apply")
    assert applied.status == 0, applied.err
    assert load_config(path).line.travel_ms == pytest.approx(150, abs=1)
    assert commission(path, "--apply", "--write").status == 2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (('"travel_ms"', '"budget_ms"'), "proposes a key that commissioning does not measure"),
        (('"press-3"', '"press-4"'), "belongs to station 'press-4', not 'press-3'"),
        (('"value": 150.0', '"value": 1e300'), "nothing was written: "),
        (('"value": 150.0', '"value": 50.0'), "must be below travel_ms"),
        (("{", ""), "is damaged"),
    ],
)
def test_what_a_record_may_not_put_there(
    tmp_path: Path, change: tuple[str, str], said: str
) -> None:
    path = write_station(tmp_path, EYE, trigger="ejector_at = 150")
    config = load_config(path)
    proposal = Proposal(section="line", key="travel_ms", value=150.0, why="a", mends="b")
    result = judge_figures("travel", (), faults=["wrong"], proposals=[proposal])
    write_record(config.paths.commissioning, conclude(config.id, "b", [result], {}))
    text = config.paths.commissioning.read_text()
    assert change[0] in text
    config.paths.commissioning.write_text(text.replace(*change))
    before = path.read_text()
    done = commission(path, "--apply")
    assert (done.status, said in done.err) == (78, True), done.err
    assert path.read_text() == before


def test_a_record_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    path = write_station(tmp_path, EYE, trigger="ejector_at = 150")
    config = load_config(path)
    config.state_dir.mkdir(exist_ok=True)
    (tmp_path / "other.json").write_text("{}")
    config.paths.commissioning.symlink_to(tmp_path / "other.json")
    done = commission(path, "--apply")
    assert (done.status, "cannot be read" in done.err) == (78, True)
