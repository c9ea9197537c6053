"""Findings of the tiny run, gathered once."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from models.report.findings import Findings
    from models.runs.run import Run


@pytest.fixture(scope="session")
def run(tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A copy of the tiny run that may be written to, not exported."""
    from models.runs.run import Run

    folder = tmp_path_factory.mktemp("report") / "run"
    shutil.copytree(tiny_run, folder)
    (folder / "export.json").unlink(missing_ok=True)
    return Run(folder)


@pytest.fixture(scope="session")
def findings(run: Run) -> Findings:
    from models.report.findings import gather

    return gather(run, 0.005, 1000)
