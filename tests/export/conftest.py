"""One bundle for the tests that only look at it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest

pytest.importorskip("torch", reason="torch is not installed: pip install torch")
pytest.importorskip("onnx", reason="onnx is not installed: pip install 'outfeed[export]'")

from edge.bundle import (
    BuildManifest,
    ChainManifest,
    DetectorManifest,
    KindManifest,
    Manifest,
)
from export.pack import Exported, ExportOptions, export_run
from models.run import Run

OPTIONS = ExportOptions(name="tiny", calibration_frames=12, search_parts=8, formats=("onnx",))


@pytest.fixture(scope="session")
def exported(tiny_run: Path) -> Exported:
    """The tiny run, as ONNX in int8."""
    return export_run(Run(tiny_run), OPTIONS)


def plain_manifest(
    name: str, build: BuildManifest, *, size: tuple[int, int], channels: Literal[1, 3] = 1
) -> Manifest:
    """Of a detector of 2×2 px cells alone, T = 4, one kind; no golden frame."""
    return Manifest(
        name=name,
        version="1",
        outfeed_version="0",
        detector=DetectorManifest(
            network=name,
            channels=channels,
            height=size[0],
            width=size[1],
            overlap_px=16,
            multiple_px=2,
            stride_px=2,
        ),
        classifier=None,
        chain=ChainManifest(threshold=4.0),
        kinds=(KindManifest(name="mark"),),
        builds=(build,),
        golden=(),
    )
