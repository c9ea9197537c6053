"""outfeed doctor and outfeed commission as the station's user under a real systemd."""

from __future__ import annotations

import json

import pytest

from tests.firmware.machine import STATION, Machine, end, goes_on, main_pid, rejector_pid, start

TOML = "/etc/outfeed/station.toml"


def doctor(machine: Machine) -> dict[str, dict[str, str]]:
    said = machine.run(
        *("runuser", "-u", "outfeed", "--", "/opt/outfeed/bin/outfeed", "doctor"),
        *("--config", TOML, "--json"),
    )
    return {finding["name"]: finding for finding in json.loads(said[said.index("[") :])}


def test_beside_a_station_that_runs(machine: Machine) -> None:
    start(machine)
    goes_on(machine)
    found = doctor(machine)
    assert found["station"]["level"] == "OK", found
    assert f"pid {main_pid(machine)}; dark-spots-1.0-" in found["station"]["message"]
    assert f"pid {rejector_pid(machine)}" in found["rejector"]["message"]
    assert found["restarts"]["message"] == "none"
    assert found["camera"]["message"] == "in use by the station; see parts"
    assert "golden frames" not in found
    for name in ("bundle", "journal", "disk", "parts"):
        assert found[name]["level"] == "OK", found[name]
    assert "the station" in found["real time"]["message"]  # by its own limits, not this shell's
    assert found["broker"]["level"] == "FAIL"  # none is there
    assert found["certificates"]["level"] == "OK"
    goes_on(machine)
    end(machine).obeys()


def test_a_station_that_does_not_run_and_one_that_cannot(machine: Machine) -> None:
    found = doctor(machine)
    assert found["station"]["level"] == "FAIL"
    assert "does not run: inactive (dead)" in found["station"]["message"]
    assert found["golden frames"]["message"] == "reproduced"
    assert "outfeed-station.service" in found["real time"]["message"]
    machine.run("sed", "-i.bak", "s/^budget_ms/budget/", TOML)
    try:
        machine.run("systemctl", "start", STATION)
    finally:
        machine.run("mv", f"{TOML}.bak", TOML)
    found = doctor(machine)  # of the file as it is now, and the unit as it failed
    assert found["station"]["message"] == "failed with exit status 78"


def test_commissioning_with_the_units_limits(machine: Machine) -> None:
    """As docs/how-to/commission-a-unit.md has it, and refused while the station runs."""
    command = (
        *("systemd-run", "--quiet", "--pipe", "--wait", "-p", "User=outfeed"),
        *("-p", "LimitMEMLOCK=infinity", "/opt/outfeed/bin/outfeed", "-q", "commission"),
        *("--config", TOML, "--batch", "--step", "parts", "--parts", "5"),
    )
    start(machine)
    assert "a station is running on this folder" in machine.run(*command)
    machine.run("systemctl", "stop", STATION)
    said = machine.run(*command)
    assert "│ parts " in said, said
    record = json.loads((machine.state / "commission.json").read_text())
    assert record["station"] == "press-3"
    assert [step["step"] for step in record["steps"]] == ["parts"]
    owner = machine.run("stat", "-c", "%U", "/var/lib/outfeed/commission.json")
    assert owner == "outfeed"


@pytest.fixture(autouse=True)
def _fresh(machine: Machine) -> None:
    """Every test begins with a station that was never started."""
    machine.run("systemctl", "reset-failed")
