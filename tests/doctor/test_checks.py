"""All checks together: each has a time limit, and none stops another."""

import threading
from dataclasses import replace
from pathlib import Path

from edge.doctor.checks import CHECKS, bounded, examine
from edge.doctor.context import DiagnosticContext
from edge.doctor.finding import DiagnosticFinding, Level, fine
from tests.doctor.contexts import STATION, context


def test_a_check_that_hangs_is_a_finding(tmp_path: Path) -> None:
    over = threading.Event()

    def camera(one: DiagnosticContext) -> DiagnosticFinding:
        over.wait(30)
        return fine("camera", "late")

    finding = bounded(camera, context(tmp_path), timeout_s=0.05)
    over.set()
    assert finding is not None
    assert (finding.level, finding.message) == (Level.FAIL, "hangs: no result within 0.05 s")
    assert finding.name == "camera"


def test_a_check_with_a_bug_is_a_finding(tmp_path: Path) -> None:
    def broken(one: DiagnosticContext) -> DiagnosticFinding:
        raise ZeroDivisionError("a bug")

    finding = bounded(broken, context(tmp_path), timeout_s=5)
    assert str(finding) == "FAIL broken: the check itself failed: ZeroDivisionError: a bug"


def test_each_check_has_its_own_name(tmp_path: Path) -> None:
    findings = list(examine(context(tmp_path), timeout_s=20))
    names = [finding.name for finding in findings]
    assert len(names) == len(set(names))
    assert {"station", "bundle", "engine", "golden frames", "camera", "disk", "broker"} <= set(
        names
    )
    assert len({check.__name__ for check in CHECKS}) == len(CHECKS)
    assert all(finding.advice or finding.level is Level.OK for finding in findings)


def test_no_device_is_opened_while_a_station_runs(tmp_path: Path) -> None:
    def never(*_: object) -> object:
        raise AssertionError("a device was opened")

    one = replace(context(tmp_path, running=STATION), camera=never, prove=never)  # type: ignore[arg-type]
    findings = {finding.name: finding for finding in examine(one, timeout_s=20)}
    assert findings["camera"].level is Level.OK
    assert not [
        finding for finding in findings.values() if "a device was opened" in finding.message
    ]
