"""`outfeed bundle status` and `outfeed bundle revert` at a unit."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from edge.active_bundle import ActiveBundle, bundle_file, file_digest, write_active
from edge.config.station import load_config
from edge.privileges import open_config
from edge.update_notes import TrialFigures
from edge.updates.files import Progress, write_progress
from edge.updates.judge import make_note
from edge.updates.state import TrialState, UpdateState, write_state
from tests.cli.conftest import Outfeed
from tests.support.bundles import small_bundle
from tests.support.commands import OPERATOR, public
from tests.support.desired_states import BUNDLE, body

SERVER = '[updates]\nserver = "https://127.0.0.1:9"\n'


@pytest.fixture
def unit(configure: Any) -> Path:
    """A station.toml with an operator key and a server of bundles."""
    path: Path = configure(SERVER)
    text = path.read_text().replace(
        "[trust]\n", f'[trust]\noperator_keys = ["{public(OPERATOR)}"]\n'
    )
    tls = 'tls_ca = "c.pem"\ntls_cert = "s.pem"\ntls_key = "s.key"\n'
    path.write_text(text.replace("[uplink]\n", f"[uplink]\n{tls}"))
    load_config(path).state_dir.mkdir()
    return path


def trial(unit: Path, phase: Any) -> None:
    """Store the state of a trial in this step."""
    config = load_config(unit)
    figures = TrialFigures(parts=120, rejects=12, bundle_rejects=11, p999_ms=7.5)
    one = TrialState(
        desired_id="ab" * 16, body=body(), phase=phase, began_s=time.time(), figures=figures
    )
    note = make_note(one.desired_id, one.body, phase, "", "small-1.0", "2026-11-30T12:00:00Z")
    state = UpdateState(revision=5, trial=one).with_notes(note)
    write_state(config.paths.updates, state)
    config.paths.updater.mkdir()
    progress = Progress(sha256=BUNDLE.sha256, state="loading", loaded_bytes=77, text="slow")
    write_progress(config.paths.updater_report, progress)


def accepted(unit: Path) -> Path:
    """Store an accepted bundle; return its file."""
    config = load_config(unit)
    new = small_bundle(config.state_dir / "new", version="1.1")
    digest = file_digest(new)
    config.paths.update_bundles.mkdir()
    file = new.rename(bundle_file(config.paths.update_bundles, digest))
    configured = file_digest(config.bundle)
    former = bundle_file(config.paths.update_bundles, configured)
    former.write_bytes(config.bundle.read_bytes())
    active = ActiveBundle(
        sha256=digest, bundle="dark-spots-1.1-x", configured=configured, previous=configured
    )
    write_active(config.paths.active_bundle, active)
    return file


def test_a_new_unit_has_its_own_bundle(outfeed: Outfeed, unit: Path) -> None:
    result = outfeed("bundle", "status", "--config", unit)
    assert result.status == 0
    assert result.out == "accepted: the bundle of station.toml\non trial: none\n"
    result = outfeed("bundle", "revert", "--config", unit)
    assert result.status == 1
    assert "no bundle from the network to revert" in result.line


def test_a_trial_is_shown_with_its_figures(outfeed: Outfeed, unit: Path) -> None:
    trial(unit, "shadow")
    out = outfeed("bundle", "status", "--config", unit).out
    assert "on trial: mine 1.2, step shadow" in out
    assert "shadow: 120 parts, 11 rejected by it, 12 by the running bundle" in out
    assert "p99.9 7.5 ms" in out
    assert "last change: 2026-11-30T12:00:00Z mine 1.2 shadow" in out
    found = json.loads(outfeed("bundle", "status", "--json", "--config", unit).out)
    assert found["trial"]["phase"] == "shadow"
    assert found["download"] is None


def test_a_download_is_shown_with_its_bytes(outfeed: Outfeed, unit: Path) -> None:
    trial(unit, "downloading")
    out = outfeed("bundle", "status", "--config", unit).out
    assert "download: 77 of 1000 bytes slow" in out


def test_revert_asks_the_station(outfeed: Outfeed, unit: Path) -> None:
    trial(unit, "probation")
    result = outfeed("bundle", "revert", "--config", unit)
    assert result.status == 0
    assert "end the trial of mine" in result.out
    assert load_config(unit).paths.revert.exists()


def test_the_accepted_bundle_is_used_until_station_toml_changes(
    outfeed: Outfeed, unit: Path
) -> None:
    file = accepted(unit)
    assert "dark-spots-1.1-x, from the network" in outfeed("bundle", "status", "--config", unit).out
    assert open_config(unit).bundle == file
    assert "go back to the former" in outfeed("bundle", "revert", "--config", unit).out
    load_config(unit).bundle.write_bytes(file.read_bytes() + b"x")
    assert open_config(unit).bundle == load_config(unit).bundle


def test_a_damaged_accepted_bundle_gives_way_to_the_one_before(unit: Path) -> None:
    file = accepted(unit)
    file.write_bytes(file.read_bytes()[:-1] + b"\0")
    used = open_config(unit)
    assert used.bundle.read_bytes() == load_config(unit).bundle.read_bytes()
    assert used.trust.allow_downgrade


def test_the_backup_of_the_record_is_used(unit: Path) -> None:
    file = accepted(unit)
    path = load_config(unit).paths.active_bundle
    path.write_bytes(b"")
    assert open_config(unit).bundle == file
    path.with_name("active.backup.json").write_text("{}")
    assert open_config(unit).bundle == load_config(unit).bundle


def test_revert_without_a_server_is_a_wrong_usage(outfeed: Outfeed, configure: Any) -> None:
    path = configure()
    result = outfeed("bundle", "revert", "--config", path)
    assert result.status == 2
    assert "updates.server is missing" in result.line


def test_an_updater_without_a_server_is_a_wrong_usage(outfeed: Outfeed, configure: Any) -> None:
    result = outfeed("updater", "--config", configure())
    assert result.status == 2
    assert "updates.server is missing" in result.line
