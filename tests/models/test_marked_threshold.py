"""T of a method of good parts, where some parts are only marked defective."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch is not installed: pip install torch")

from models.evaluation.threshold import LEAST_MARKED
from models.runs.run import Run
from models.training.recipe import Recipe
from models.training.session import train_folder
from tests.models.candidates.standins import write_sorted

TEXTURE = {"block_px": 12, "step_px": 4, "blocks": 2000}


def trained(tmp_path: Path, bad: int, **chain: str) -> Run:
    recipe = Recipe.model_validate(
        {
            "name": "x",
            "method": "texture",
            "texture": TEXTURE,
            "classifier": {"enabled": False},
            "chain": chain,
        }
    )
    out = tmp_path / "run"
    train_folder(write_sorted(tmp_path / "data", 24, bad), recipe, out)
    return Run(out)


def test_marked_parts_set_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        run = trained(tmp_path, LEAST_MARKED, operating_point="balanced")
    assert any("from marked parts: 0.0% of them are missed" in line for line in caplog.messages)
    found = run.result()
    # Good parts alone would set it just above their worst, at 4.1.
    assert found.threshold > 4.2
    assert found.metrics["float"]["escapes"] == found.metrics["float"]["false_rejects"] == 0


@pytest.mark.parametrize(
    ("operating_point", "reason"),
    [
        ("balanced", "from good parts alone"),
        ("limit", "the lowest within 0.5% false rejects of good parts"),
    ],
)
def test_few_marked_parts_do_not_set_it(
    operating_point: str, reason: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO"):
        run = trained(tmp_path, LEAST_MARKED - 1, operating_point=operating_point)
    assert any(reason in line for line in caplog.messages)
    assert run.result().threshold == 4.1


def test_within_a_limit_they_move_it_up(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        run = trained(tmp_path, LEAST_MARKED)
    assert any("moved up towards the marked parts" in line for line in caplog.messages)
    assert run.result().threshold > 4.2
    assert run.result().metrics["float"]["escapes"] == 0
