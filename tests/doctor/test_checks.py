"""All checks together: bounded in time, none hides another."""

import threading
from dataclasses import replace
from pathlib import Path

from edge.doctor.checks import CHECKS, bounded, examine
from edge.doctor.context import DiagnosticContext
from edge.doctor.finding import Finding, Level, fine
from tests.doctor.contexts import STATION, context


def test_a_check_that_hangs_is_a_finding(tmp_path: Path) -> None:
    over = threading.Event()

    def camera(one: DiagnosticContext) -> Finding:
        over.wait(30)
        return fine("camera", "late")

    found = bounded(camera, context(tmp_path), timeout_s=0.05)
    over.set()
    assert found is not None
    assert (found.level, found.said) == (Level.FAIL, "hangs: nothing within 0.05 s")
    assert found.name == "camera"


def test_a_check_that_fails_itself_is_one_too(tmp_path: Path) -> None:
    def broken(one: DiagnosticContext) -> Finding:
        raise ZeroDivisionError("a bug")

    found = bounded(broken, context(tmp_path), timeout_s=5)
    assert str(found) == "FAIL broken: the check itself failed: ZeroDivisionError: a bug"


def test_every_check_has_a_name_of_its_own(tmp_path: Path) -> None:
    found = list(examine(context(tmp_path), timeout_s=20))
    names = [finding.name for finding in found]
    assert len(names) == len(set(names))
    assert {"station", "bundle", "engine", "golden frames", "camera", "disk", "broker"} <= set(
        names
    )
    assert len({check.__name__ for check in CHECKS}) == len(CHECKS)
    assert all(finding.advice or finding.level is Level.OK for finding in found)


def test_beside_a_station_that_runs_nothing_is_opened(tmp_path: Path) -> None:
    def never(*_: object) -> object:
        raise AssertionError("touched")

    one = replace(context(tmp_path, running=STATION), camera=never, prove=never)  # type: ignore[arg-type]
    found = {finding.name: finding for finding in examine(one, timeout_s=20)}
    assert found["camera"].level is Level.OK
    assert not [finding for finding in found.values() if "touched" in finding.said]
