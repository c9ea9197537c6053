"""A station sees as much of the surface around each cell as training did, so T holds for both."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed: pip install torch")
pytest.importorskip("onnx", reason="onnx is not installed: pip install 'outfeed[export]'")

from edge.chain.detect import RUN_PX, TILE_SIDE_PX
from edge.records import Frame, SeverityMap
from export.builds import float_build
from export.chains import build_chain, torch_chain
from export.source import input_shape, open_source
from models.evaluation.float_chain import detector_of
from models.networks import SEVERITY_MAX, build_detector
from models.runs.run import Run
from tests.chain.stripes.frames import surface


def _severity(found: SeverityMap) -> np.ndarray:
    values = (found.values.astype(np.float32) - found.zero_point) * np.float32(found.scale)
    return np.clip(values, 0.0, SEVERITY_MAX)


@pytest.mark.parametrize("size", [(TILE_SIDE_PX + 200, 120), (1760, 1720)], ids=str)
def test_every_chain_has_the_map_of_training(tiny_run: Path, size: tuple[int, int]) -> None:
    """Also where a frame has a long side, and where it is large enough for stripes."""
    run = Run(tiny_run)
    source = open_source(run, name="line", version="1")
    pixels = surface(*size)
    wanted = _severity(detector_of(run.load_detector(), source.channels).detect(pixels))
    chains = {
        "torch": torch_chain(source.detector, source.classifier, source.draft, flexible=True),
        "station": build_chain(source.draft, float_build(source)),
    }
    assert (pixels.size >= RUN_PX) == (size[1] > 120)
    assert wanted.std() > 0.1
    for name, chain in chains.items():
        found = _severity(chain.examine(Frame(0, 0, 0, 0, pixels)).severity)
        np.testing.assert_allclose(found, wanted, atol=1e-3, err_msg=name)


@pytest.mark.parametrize(
    ("usual", "shape"),
    [
        ((1267, 500), (1280, 512, 64)),
        ((1024, 1280), (1024, 1280, 64)),
        ((2048, 2448), (512, 512, 64)),
        ((20, 300), (32, 320, 0)),
    ],
)
def test_the_usual_frame_is_one_run(usual: tuple[int, int], shape: tuple[int, int, int]) -> None:
    """A TFLite build has this size alone, and would cut a larger frame into tiles."""
    assert input_shape((None, None), build_detector("lean", 1, 2), usual) == shape


def test_a_size_that_is_given_counts() -> None:
    network = build_detector("lean", 1, 2)
    assert input_shape((512, 512), network, (1267, 500)) == (512, 512, 64)
    assert input_shape((2048, 2432), network, (64, 64)) == (2048, 2432, 64)
