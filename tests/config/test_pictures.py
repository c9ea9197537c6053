"""Pictures in station.toml: every key, and the rules between keys."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edge.errors import ConfigError
from tests.support.configurations import BY_TIME, PICTURE_OPTIONS, load

FILES = 'kind = "files"\npath = "frames"\n'
LARGE = 'kind = "pi"\nwidth = 8000\nheight = 6000\n'


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "station.toml"


@pytest.mark.parametrize(("section", "key", "value", "held"), PICTURE_OPTIONS)
def test_each_key_is_read(path: Path, section: str, key: str, value: str, held: Any) -> None:
    config = load(path, f"{BY_TIME}[{section}]\n{key} = {value}\n")
    assert getattr(getattr(config, section), key) == held


def test_megabytes_as_bytes(path: Path) -> None:
    lines = "ring_mb = 1.5\nmax_mb = 2\nmax_mb_per_day = 3\nmin_free_mb = 0.5\n"
    held = load(path, f"{BY_TIME}[pictures]\n{lines}").pictures
    assert (held.ring_bytes, held.max_bytes) == (1_572_864, 2_097_152)
    assert (held.max_bytes_per_day, held.min_free_bytes) == (3_145_728, 524_288)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (
            "[pictures]\nring_frames = 3\nbefore_parts = 3",
            "key 'pictures': before_parts must be below ring_frames",
        ),
        ("[pictures]\nring_frames = 0", "key 'pictures.ring_frames': "),
        ("[pictures]\nmax_mb = 0", "key 'pictures.max_mb': "),
        ("[pictures]\nmax_mb_per_day = inf", "key 'pictures.max_mb_per_day': "),
        ("[pictures]\nmin_free_mb = -1", "key 'pictures.min_free_mb': "),
        ("[pictures]\npass_every = 0.5", "key 'pictures.pass_every': "),
        (
            "[journal]\ncommit_interval_ms = 1500\n[watchdog]\njournal_s = 2",
            "watchdog.journal_s must be at least twice journal.commit_interval_ms",
        ),
        ("[journal]\ncommit_interval_ms = 2001", "key 'journal.commit_interval_ms': "),
    ],
)
def test_each_error_names_its_key(path: Path, lines: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(path, f"{BY_TIME}{lines}\n")
    assert message in str(caught.value)


def test_a_frame_fits_into_the_ring(path: Path) -> None:
    text = BY_TIME.replace(FILES, LARGE)
    with pytest.raises(
        ConfigError, match=r"pictures\.ring_mb must be at least 137\.3, the size of a"
    ):
        load(path, text)
    off = load(path, f"{text}[pictures]\nenabled = false\n")
    assert off.camera.frame_bytes == 144_000_000
    grey = load(path, BY_TIME.replace(FILES, f'{LARGE}pixel_format = "grey"\n'))
    assert grey.camera.frame_bytes == 48_000_000
    assert load(path, BY_TIME).camera.frame_bytes == 0
