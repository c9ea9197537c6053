"""The shipped profiles of boards, as targets of a time budget."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")

from edge.errors import UsageError
from models.data.dataset import DataError
from models.ladder.budget import Frames, TimeBudget, choose, lines
from models.ladder.record import Subject
from models.ladder.rungs import LADDER
from models.ladder.targets import SPREAD, targets
from tests.support.rung_times import replace_times
from tools.reference.boards import largest, page

FRAMES = Frames(height=256, width=256, channels=1, kinds=2)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Subject]:
    """Times that are not measured, and the subjects that were asked for."""
    return replace_times(monkeypatch)


def test_every_profile_has_every_rung_and_states_its_error() -> None:
    assert tuple(targets()) == ("rpi4", "rpi5", "orin", "n100")
    for profile in targets().values():
        times = [profile.p50_ms(rung.network, 256 * 256) for rung in LADDER]
        assert times == sorted(times)
        assert profile.error > 0
        assert profile.spread == pytest.approx(SPREAD * (1 + profile.error))
        assert "±" in profile.method
    rpi4, rpi5 = targets()["rpi4"], targets()["rpi5"]
    assert rpi5.p50_ms("lean", 256 * 256) < rpi4.p50_ms("lean", 256 * 256)


@pytest.mark.parametrize("name", targets())
def test_a_name_gives_an_estimate_at_the_end_of_its_error(
    asked: list[Subject], tmp_path: Path, name: str
) -> None:
    profile = targets()[name]
    needed = (profile.worst("lean", 256 * 256) + profile.region_ms) / 0.9
    record = choose(TimeBudget(needed * 1.001, name), FRAMES, tmp_path)
    assert (record.chosen, record.target, record.is_estimate) == ("lean", name, True)
    assert [each.network for each in record.rungs] == [rung.network for rung in LADDER]
    assert record.rungs[1].p50_ms == pytest.approx(profile.p50_ms("lean", 256 * 256))
    assert record.rungs[1].needs_ms == pytest.approx(needed)
    assert choose(TimeBudget(needed * 0.999, name), FRAMES, tmp_path).chosen == "nano"
    assert record.method == f"an estimate: {profile.method}"
    assert record.method in lines(record)
    assert record.region_ms == profile.region_ms


def test_methods_are_scaled_by_the_network_that_both_know(
    asked: list[Subject], tmp_path: Path
) -> None:
    record = choose(TimeBudget(500.0, "rpi4", methods=("memory-bank",)), FRAMES, tmp_path)
    here = next(each for each in record.methods if each.network == "memory-bank")
    # lean takes 3 ms here at 300×200 px.
    known = 3.0 * 256 * 256 / (300 * 200)
    assert record.scale == pytest.approx(targets()["rpi4"].p50_ms("lean", 256 * 256) / known)
    assert here.p50_ms > 0


def test_the_time_grows_with_the_area(asked: list[Subject], tmp_path: Path) -> None:
    large = Frames(height=512, width=512, channels=1, kinds=2)
    small_record = choose(TimeBudget(1000.0, "rpi5"), FRAMES, tmp_path)
    large_record = choose(TimeBudget(1000.0, "rpi5"), large, tmp_path)
    assert large_record.rungs[0].p50_ms == pytest.approx(4 * small_record.rungs[0].p50_ms)


def test_a_budget_that_nothing_fits_names_the_board(asked: list[Subject], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no network fits; the smallest, nano, .* on rpi4"):
        choose(TimeBudget(0.01, "rpi4"), FRAMES, tmp_path)


def test_an_unknown_target_names_the_known_ones(asked: list[Subject], tmp_path: Path) -> None:
    with pytest.raises(DataError) as refused:
        choose(TimeBudget(5.0, "rpi6"), FRAMES, tmp_path)
    message = str(refused.value)
    assert message.startswith("rpi6: cannot be read")
    assert all(name in message for name in targets())
    assert len(message.splitlines()) == 1


def test_the_page_of_boards_names_the_largest_network_that_fits() -> None:
    profile = targets()["rpi5"]
    ample, short = 1e6, 1e-3
    assert largest(profile, 256, ample) == "extra-large"
    assert largest(profile, 256, short) is None
    text = page()
    for each in targets().values():
        assert f"## {each.title}" in text
        assert f"±{each.error:.0%}" in text
