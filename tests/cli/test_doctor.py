"""The command outfeed doctor: output, JSON and exit status."""

import json
import re
import subprocess
import sys
import time
from pathlib import Path

from edge.journal.reader import JournalReader
from tests.cli.conftest import Outfeed
from tests.commission.stations import write_station
from tests.support.listener import listening


def station(tmp_path: Path, port: int) -> Path:
    path = write_station(tmp_path)
    text = path.read_text().replace("start = false\n", f"start = false\nport = {port}\n")
    path.write_text(text)
    (tmp_path / "state").mkdir()
    return path


def findings(text: str) -> dict[str, str]:
    return {finding["name"]: finding["level"] for finding in json.loads(text)}


def test_a_unit_without_a_fault(outfeed: Outfeed, tmp_path: Path) -> None:
    with listening() as port:
        path = station(tmp_path, port)
        result = outfeed("doctor", "--config", path)
        assert result.status == 0, result.out
        assert "\n0 FAIL, " in result.out
        for line in ("OK   bundle ", "OK   golden frames +reproduced", "WARN commissioning "):
            assert re.search(line, result.out)
        assert "→ run outfeed commission" in result.out
        quick = outfeed("doctor", "--config", path, "--json", "--no-golden", "--timeout-s", 5)
    assert quick.status == 0
    levels = findings(quick.out)
    assert "golden frames" not in levels
    assert levels["camera"] == "OK"
    assert sorted(path.name for path in (tmp_path / "state").iterdir()) == []  # nothing was written


def test_a_unit_with_faults(outfeed: Outfeed, tmp_path: Path) -> None:
    path = station(tmp_path, 1)
    (tmp_path / "small.outfeed").write_bytes(b"short")
    result = outfeed("doctor", "--config", path, "--json")
    assert result.status == 1
    levels = findings(result.out)
    assert (levels["bundle"], levels["broker"], levels["camera"]) == ("FAIL", "FAIL", "OK")


def test_a_configuration_that_is_wrong(outfeed: Outfeed, tmp_path: Path) -> None:
    path = tmp_path / "station.toml"
    path.write_text("id = 5\n")
    result = outfeed("doctor", "--config", path)
    assert result.status == 1
    assert "FAIL station.toml" in result.out
    assert "key 'id'" in result.out


def test_diagnosis_while_a_station_runs(outfeed: Outfeed, tmp_path: Path) -> None:
    """Parts are inspected during the diagnosis, and the station ends with status 0."""
    path = station(tmp_path, 1)
    command = [sys.executable, "-m", "edge", "run", "--config", str(path)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        try:
            deadline_s = time.monotonic() + 60
            journal = tmp_path / "state" / "journal.sqlite"
            while True:
                assert time.monotonic() < deadline_s
                assert process.poll() is None
                if journal.exists():
                    with JournalReader(journal) as reader:
                        if len(reader.read(None, 10)) >= 5:
                            break
                time.sleep(0.05)
            levels = findings(outfeed("doctor", "--config", path, "--json").out)
        finally:
            process.terminate()
            process.communicate(timeout=60)
    assert process.returncode == 0
    assert levels["journal"] == "OK"
    if levels["station"] == "OK":  # where the kernel shows who holds the lock
        assert levels["rejector"] == "OK"
        assert "golden frames" not in levels
