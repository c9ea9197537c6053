"""The command as a function, a bundle, and folders of pictures."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import pytest

from edge.__main__ import main
from tests.bundles import CLEAN, FAINT, HOLE, STAIN, small_bundle


@dataclass(frozen=True)
class Result:
    status: int
    out: str
    err: str

    @property
    def records(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def line(self) -> str:
        """The one line on stderr, beside the log's that no engine was chosen yet."""
        lines = [line for line in self.err.splitlines() if " engine_default " not in line]
        assert len(lines) == 1, self.err
        return lines[0]


Outfeed = Callable[..., Result]


@pytest.fixture
def outfeed(capsys: pytest.CaptureFixture[str]) -> Outfeed:
    """outfeed("inspect", path, ...) in this process."""

    def call(*arguments: object) -> Result:
        capsys.readouterr()
        status = main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return Result(status, said.out, said.err)

    return call


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_bundle(tmp_path_factory.mktemp("bundle") / "small.outfeed")


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """clean.png, faint.png, hole.png and sub/stain.png."""
    folder = tmp_path / "pictures"
    (folder / "sub").mkdir(parents=True)
    for name, pixels in (("clean", CLEAN), ("faint", FAINT), ("hole", HOLE), ("sub/stain", STAIN)):
        cv2.imwrite(str(folder / f"{name}.png"), pixels)
    return folder
