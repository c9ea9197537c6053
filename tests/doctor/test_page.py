"""The check of the station's page: only where its service is used, and never a FAIL."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

import pytest

from edge.doctor.finding import Level
from edge.doctor.page import page
from edge.provision import make_authority, make_broker, read_file
from tests.doctor.contexts import context, unit


def test_a_page_that_is_not_used_is_no_finding(tmp_path: Path) -> None:
    assert page(context(tmp_path)) is None
    assert page(context(tmp_path, run=unit(ActiveState="inactive", SubState="dead"))) is None


def test_it_runs_or_has_failed(tmp_path: Path) -> None:
    assert (
        str(page(context(tmp_path, run=unit(ActiveState="active", SubState="dead"))))
        == "OK page: runs at 127.0.0.1:8490"
    )
    failed = page(context(tmp_path, run=unit(ActiveState="failed", SubState="dead")))
    assert str(failed) == "WARN page: does not run: failed (dead)"


@pytest.mark.parametrize(
    ("days", "now", "expected"),
    [(800, None, Level.OK), (10, None, Level.WARN), (800, datetime(2200, 1, 1), Level.WARN)],
)
def test_its_certificate(tmp_path: Path, days: int, now: datetime | None, expected: Level) -> None:
    authority = make_authority(tmp_path / "authority")
    revoked = read_file(tmp_path / "authority/revoked.pem")
    make_broker(tmp_path / "page", authority, revoked, ["unit.example"], days=days)
    (tmp_path / "people.json").write_text("{}")
    (tmp_path / "people.json").chmod(0o640)
    text = (
        '[page]\nbind = "0.0.0.0"\npeople = "people.json"\n'
        'tls_cert = "page/broker.pem"\ntls_key = "page/broker.key"\n'
    )
    active = unit(ActiveState="active")
    given = {} if now is None else {"now_s": now.replace(tzinfo=timezone.utc).timestamp}
    found = page(context(tmp_path, text, run=active, **given))
    assert found is not None
    assert found.level is expected
    (tmp_path / "people.json").chmod(0o644)
    exposed = page(context(tmp_path, text, run=active, **given))
    assert "people.json: every user of this unit may read it" in str(exposed)
    (tmp_path / "people.json").chmod(0o640)
    (tmp_path / "page/broker.key").unlink()
    assert "page.tls_key" in str(page(context(tmp_path, text, run=active, **given)))
