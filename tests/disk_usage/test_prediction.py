"""From a line to bytes a day."""

from __future__ import annotations

from dataclasses import replace
from math import inf
from pathlib import Path

import pytest

from edge.config.pictures import PicturesConfig
from edge.config.station import StationConfig
from edge.disk_usage import (
    Day,
    bundle_update_bytes,
    journal_bytes,
    position_bytes,
    predict,
)
from edge.pictures.picture_store import cost_bytes

DAY = Day(
    rate_hz=10, hours=24, rejected=0.01, unknown=0.0, picture_bytes=500_000, frame_bytes=1_000_000
)
MIB = 1 << 20


def config(**sections: object) -> StationConfig:
    return StationConfig.model_validate(
        {
            "id": "s",
            "bundle": Path("a"),
            "state_dir": Path("b"),
            "camera": {"kind": "files", "path": "c"},
            "line": {"travel_ms": 500, "budget_ms": 100},
            **sections,
        }
    )


def test_a_day_by_hand() -> None:
    found = predict(config(), DAY)
    assert found.parts == 864_000
    assert found.journal_bytes == pytest.approx(
        855_360 * journal_bytes(1) + 8_640 * journal_bytes(1, rejected=True)
    )
    assert found.position_bytes == 86_400 * position_bytes()
    assert found.numbers_bytes == 8_640 * position_bytes()
    assert found.pictures_wanted == 8_640
    assert found.pictures == pytest.approx(200 * MIB / cost_bytes(500_000))
    assert found.picture_bytes == pytest.approx(200 * MIB)
    assert (found.ring_frames, found.ring_s) == (32, 3.2)
    assert found.total_bytes == pytest.approx(
        found.journal_bytes + found.position_bytes + found.numbers_bytes + found.picture_bytes
    )
    assert found.years(found.total_bytes * 365.25 * 7) == pytest.approx(7)


def test_what_gathering_saves() -> None:
    alone, together = (
        predict(config(), DAY),
        predict(config(journal={"commit_interval_ms": 700.0}), DAY),
    )
    assert together.journal_bytes == pytest.approx(alone.journal_bytes * 4_000 / 14_700)
    assert together.flushes < alone.flushes / 7


@pytest.mark.parametrize(
    ("pictures", "wanted"),
    [
        ({}, 8_640),
        ({"enabled": False}, 0),
        ({"before_parts": 2}, 3 * 8_640),
        ({"pass_every": 1000}, 8_640 + 855.36),
        ({"pass_every": 1, "before_parts": 30}, 864_000),  # no part twice
    ],
)
def test_which_pictures_are_asked_for(pictures: dict[str, object], wanted: float) -> None:
    assert predict(config(pictures=pictures), DAY).pictures_wanted == pytest.approx(wanted)


def test_caps_and_ring() -> None:
    few = predict(config(), replace(DAY, rejected=0.0001))
    assert few.pictures == few.pictures_wanted == pytest.approx(86.4)
    assert few.album_days == pytest.approx(512 * MIB / (86.4 * 500_000))
    assert few.journal_days == pytest.approx(0.62, rel=0.05)
    none = predict(config(), replace(DAY, rejected=0.0))
    assert none.album_days == inf
    large = predict(config(), replace(DAY, frame_bytes=10 * MIB))
    assert (large.ring_frames, large.ring_s) == (6, 0.6)
    off = predict(config(pictures={"enabled": False}), DAY)
    assert (off.ring_frames, off.ring_s, off.picture_bytes) == (0, 0.0, 0.0)


def test_the_defaults_are_what_the_documents_say() -> None:
    assert PicturesConfig().model_dump() == {
        "enabled": True,
        "ring_frames": 32,
        "ring_mb": 64.0,
        "max_mb": 512.0,
        "max_mb_per_day": 200.0,
        "min_free_mb": 256.0,
        "pass_every": 0,
        "before_parts": 0,
    }


def test_updates_are_part_of_the_total() -> None:
    day = replace(
        DAY, bundle_updates=0.1, bundle_bytes=20e6, system_updates=1 / 30, system_bytes=350e6
    )
    found, without = predict(config(), day), predict(config(), DAY)
    assert found.bundle_update_bytes == pytest.approx(bundle_update_bytes(20e6) / 10)
    assert found.system_update_bytes == pytest.approx(700e6 / 30)
    updates = found.bundle_update_bytes + found.system_update_bytes
    assert found.total_bytes == pytest.approx(without.total_bytes + updates)
    assert without.bundle_update_bytes == without.system_update_bytes == 0
