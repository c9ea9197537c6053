"""One bundle for the tests that only look at it."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest

pytest.importorskip("torch", reason="torch is not installed: pip install torch")
pytest.importorskip("onnx", reason="onnx is not installed: pip install 'outfeed[export]'")

from click.testing import Result
from typer.testing import CliRunner

from edge.bundle import (
    BuildManifest,
    ChainManifest,
    DetectorManifest,
    KindManifest,
    Manifest,
)
from export.__main__ import app
from export.options import ExportOptions
from export.pack import Exported, build_bundle
from models.runs.run import Run
from tests.support.shared import shared_bytes
from tests.support.traced import traces_shared

# Whether float is packed beside int8 would else be a matter of the clock, and so would the bytes.
OPTIONS = ExportOptions(
    name="tiny", calibration_frames=12, search_parts=8, formats=("onnx",), with_float="never"
)


@pytest.fixture(scope="session", autouse=True)
def _each_network_is_traced_once() -> Iterator[None]:
    """torch takes some ten seconds to trace the tiny run's two networks, and most tests here export
    that very run. What is traced again in a test of its own: test_export_is_deterministic."""
    with traces_shared():
        yield


@pytest.fixture(scope="session")
def exported(tiny_run: Path) -> Exported:
    """The tiny run, as ONNX in int8: one export for all processes of the test run."""
    made = shared_bytes("tiny export", lambda: pickle.dumps(build_bundle(Run(tiny_run), OPTIONS)))
    found = pickle.loads(made)
    assert isinstance(found, Exported)
    return found


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


def run_export(*arguments: object) -> Result:
    """`python -m export` with these arguments, in this process: torch need not be loaded anew."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments])
