"""Defaults, paths and derived values of station.toml."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.bundle import COMPATIBLE
from edge.config.station import load_config
from tests.support.configurations import PI, SMALLEST, STREAM, V4L2, load, with_section
from tests.support.keys import TRUST


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "station.toml"


def test_the_smallest_file(path: Path) -> None:
    config = load(path, SMALLEST)
    assert config.id == "press-1"
    assert config.line.on_unknown == "reject"  # the safe side by default
    assert config.output.safe_state == "inactive"
    assert config.engine.kind == "auto"
    assert config.engine.threads is None
    assert config.uplink.start is True


def test_no_key_is_trusted_by_default(path: Path) -> None:
    trust = load(path, SMALLEST).trust
    assert (trust.keys, trust.allow_downgrade) == ((), False)
    assert trust.compatible == COMPATIBLE


def test_relative_paths_start_at_the_folder_of_the_file(path: Path, tmp_path: Path) -> None:
    text = SMALLEST + f'[trust]\nkeys = ["keys/zoo.pub", "{TRUST}"]\n'
    text += '[uplink]\nusername = "a"\npassword_file = "secret"\ntls_ca = "/etc/ca.pem"\n'
    config = load(path, text)
    assert config.bundle == tmp_path / "models/tiles.outfeed"
    assert config.state_dir == tmp_path / "state"
    assert config.camera.path == tmp_path / "frames"
    assert config.paths.journal == tmp_path / "state" / "journal.sqlite"
    assert config.paths.cursor == tmp_path / "state" / "uplink.json"
    assert config.paths.pictures == tmp_path / "state" / "pictures"
    assert config.paths.bundles == tmp_path / "state" / "bundles"
    assert config.paths.inbox == tmp_path / "state" / "inbox"
    assert config.paths.accepted_bundles == tmp_path / "state" / "bundles.json"
    assert config.trust.keys == (tmp_path / "keys/zoo.pub", TRUST)
    assert config.uplink.password_file == tmp_path / "secret"
    assert config.uplink.tls_ca == Path("/etc/ca.pem")
    assert config.uplink.tls_cert is None


@pytest.mark.parametrize(("kind", "live"), [(PI, True), (V4L2, True), (STREAM, True), ("", False)])
def test_cameras_and_streams_are_live(path: Path, kind: str, live: bool) -> None:
    assert load(path, with_section("camera", kind) if kind else SMALLEST).camera.live is live


def test_a_live_cameras_times_in_nanoseconds(path: Path) -> None:
    camera = load(
        path, with_section("camera", f"{PI}early_ms = 0.25\nexposed_within_ms = 40")
    ).camera
    assert (camera.early_ns, camera.within_ns) == (250_000, 40_000_000)
    assert load(path, with_section("camera", PI)).camera.within_ns is None


def test_the_camera_can_be_a_video(path: Path) -> None:
    text = SMALLEST.replace('kind = "files"', 'kind = "video"')
    assert load(path, text).camera.kind == "video"


def test_the_uplink_may_have_its_own_folder(path: Path, tmp_path: Path) -> None:
    assert load(path, SMALLEST).paths.uplink == tmp_path / "state"
    config = load(path, f'{SMALLEST}[uplink]\nstate_dir = "own"\n')
    assert config.paths.uplink == tmp_path / "own"
    assert config.paths.cursor == tmp_path / "own/uplink.json"
    assert config.paths.journal == tmp_path / "state/journal.sqlite"


def test_tls_and_login_in_full(path: Path, tmp_path: Path) -> None:
    keys = ["password_file", "tls_ca", "tls_cert", "tls_key"]
    lines = "".join(f'{key} = "{key}.pem"\n' for key in keys)
    uplink = load(path, f'{SMALLEST}[uplink]\nusername = "a"\n{lines}').uplink
    assert [getattr(uplink, key) for key in keys] == [tmp_path / f"{key}.pem" for key in keys]


def test_a_byte_order_mark_is_accepted(path: Path) -> None:
    path.write_bytes(b"\xef\xbb\xbf" + SMALLEST.replace("\n", "\r\n").encode())
    assert load_config(path).id == "press-1"
