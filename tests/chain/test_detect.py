"""Step detect: one run, tiles, colours, refusals."""

from __future__ import annotations

import tracemalloc

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.chain import detect as module
from edge.chain.detect import (
    KEPT_ENGINES,
    MIN_SIDE_PX,
    RUN_PX,
    TILE_SIDE_PX,
    RegressionDetector,
    as_channels,
)
from edge.config.engine import STRIPES_FROM_PX
from edge.errors import BundleError, FrameError
from tests.chain.fake_engines import (
    CellEngine,
    detector_manifest,
    local_cells,
    reflected,
    regression,
)


def noise(height: int, width: int, channels: int = 1, seed: int = 0) -> np.ndarray:
    shape = (height, width) if channels == 1 else (height, width, channels)
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def test_a_frame_of_the_static_shape_is_one_run_and_no_copy_of_the_map() -> None:
    engine = CellEngine(64, 96)
    detector = regression(engine, detector_manifest(64, 96), scale=0.04, zero_point=3)
    pixels = noise(64, 96)
    engine.runs.clear()
    severity = detector.detect(pixels)
    assert len(engine.runs) == 1
    assert (engine.runs[0][:, :, 0] == pixels).all()
    assert (severity.values == local_cells(pixels, 2, 0)).all()
    assert np.shares_memory(severity.values, engine.output)
    assert (severity.scale, severity.zero_point, severity.stride_px) == (0.04, 3, 2)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_frame_of_the_static_shape_allocates_nothing_of_its_size(channels: int) -> None:
    class Still(CellEngine):
        def run(self, count: int | None = None) -> np.ndarray:
            return self.output

    side = 512
    detector = regression(
        Still(side, side, channels), detector_manifest(side, side, channels=channels)
    )
    pixels = noise(side, side, channels)
    detector.detect(pixels)
    tracemalloc.start()
    detector.detect(pixels)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8192  # the views and the map's record; a copy of the frame is 262144


@settings(deadline=None, max_examples=150)
@given(
    height=st.integers(16, 150),
    width=st.integers(16, 150),
    tile=st.tuples(st.sampled_from([32, 48, 64]), st.sampled_from([32, 40, 64])),
    overlap=st.sampled_from([8, 16, 24]),
    stride=st.sampled_from([2, 4]),
    data=st.data(),
)
def test_tiles_give_what_the_whole_frame_gives(
    height: int,
    width: int,
    tile: tuple[int, int],
    overlap: int,
    stride: int,
    data: st.DataObject,
) -> None:
    """The network sees at most half of the overlap in cells.

    The comparison leaves out the edge, where the frame is extended by reflection.
    """
    half = overlap // 2 // stride * stride
    reach = data.draw(st.integers(0, half))
    pixels = noise(height, width, seed=height * 1000 + width)
    engine = CellEngine(*tile, stride=stride, reach_px=reach)
    manifest = detector_manifest(*tile, overlap_px=overlap, stride_px=stride, multiple_px=4)
    values = regression(engine, manifest).detect(pixels).values
    assert values.shape == (-(-height // stride), -(-width // stride))
    whole = local_cells(reflected(pixels, 4), stride, reach)[: values.shape[0], : values.shape[1]]
    # Along an axis that is longer than a tile, all of it: the last tile ends where the whole frame
    # does. Along a shorter one the tile goes on, reflected, where the whole frame ends in zeros.
    margin = -(-(reach + 4) // stride)
    rows = values.shape[0] - (margin if height <= tile[0] else 0)
    cols = values.shape[1] - (margin if width <= tile[1] else 0)
    assert (values[:rows, :cols] == whole[:rows, :cols]).all()


class Numbered(CellEngine):
    """Every cell of run n has the value n, so the map shows which tile a cell comes from."""

    def run(self, count: int | None = None) -> np.ndarray:
        self.runs.append(self.input[0].copy())
        self.output[...] = len(self.runs)
        return self.output


@settings(deadline=None, max_examples=100)
@given(height=st.integers(65, 300), width=st.integers(16, 300), overlap=st.sampled_from([0, 8, 32]))
def test_every_cell_is_answered_by_one_tile(height: int, width: int, overlap: int) -> None:
    engine = Numbered(64, 64)
    detector = regression(engine, detector_manifest(64, 64, overlap_px=overlap))
    engine.runs.clear()
    detector._stitched = np.zeros((-(-height // 2), -(-width // 2)), np.uint8)  # 0: by no tile
    values = detector.detect(noise(height, width)).values
    assert values.shape == (-(-height // 2), -(-width // 2))
    step = 64 - overlap
    rows, cols = (max(1, -(-(side - overlap) // step)) for side in (height, width))
    assert len(engine.runs) == rows * cols
    assert set(np.unique(values)) == set(range(1, rows * cols + 1))
    for row in values:  # tiles follow one another, left to right and top to bottom
        assert (np.diff(row.astype(int)) >= 0).all()
    for col in values.T:
        assert (np.diff(col.astype(int)) >= 0).all()


def test_the_last_tile_sees_surface_and_not_its_reflection() -> None:
    engine = CellEngine(64, 64)
    detector = regression(engine, detector_manifest(64, 64, overlap_px=16))
    engine.runs.clear()
    pixels = noise(64, 130)
    detector.detect(pixels)
    starts = [0, 48, 68]  # not 96, which would end 30 px beyond the frame; 68 is a multiple of 4
    for run, start in zip(engine.runs, starts, strict=True):
        seen = pixels[:, start : start + 64]
        assert (run[:, : seen.shape[1], 0] == seen).all()
    assert (engine.runs[2][:, 62:, 0] == pixels[:, [128, 127]]).all()  # 2 px: to the multiple


@settings(deadline=None, max_examples=60)
@given(height=st.integers(16, 64), width=st.integers(16, 96), channels=st.sampled_from([1, 3]))
def test_a_smaller_frame_is_reflected_to_the_shape(height: int, width: int, channels: int) -> None:
    engine = CellEngine(64, 96, channels)
    detector = regression(engine, detector_manifest(64, 96, channels=channels))
    engine.input[...] = 99  # of another frame
    pixels = noise(height, width, channels)
    values = detector.detect(pixels).values
    wide = cv2.copyMakeBorder(pixels, 0, 64 - height, 0, 96 - width, cv2.BORDER_REFLECT_101)
    assert (engine.runs[-1] == wide.reshape(64, 96, channels)).all()
    assert values.shape == (-(-height // 2), -(-width // 2))
    assert (values == local_cells(wide, 2, 0)[: values.shape[0], : values.shape[1]]).all()


class Maker:
    """A factory of engines of any shape that records the shapes."""

    def __init__(self) -> None:
        self.made: list[tuple[int, int]] = []
        self.engines: list[CellEngine] = []

    def __call__(self, height: int, width: int) -> CellEngine:
        self.made.append((height, width))
        self.engines.append(CellEngine(height, width, reach_px=6))
        return self.engines[-1]


def flexible(
    make: Maker, height: int = 64, width: int = 96, run_px: int = RUN_PX
) -> RegressionDetector:
    whole = CellEngine(height, width, reach_px=6)
    manifest = detector_manifest(height, width, multiple_px=8, overlap_px=16)
    return regression(whole, manifest, shaped=make, run_px=run_px)


@settings(deadline=None, max_examples=60)
@given(height=st.integers(16, 200), width=st.integers(16, 300), side=st.sampled_from([64, 96, 128]))
def test_a_frame_is_run_at_its_own_size(height: int, width: int, side: int) -> None:
    """Reflected to the next multiple only; where it has more pixels than a run may have, cut into
    as few equal tiles as there can be."""
    make = Maker()
    pixels = noise(height, width, seed=height + width)
    detector = flexible(make, 64, 64, run_px=side * side)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "TILE_SIDE_PX", side)
        values = detector.detect(pixels).values
    down, right = -height % 8, -width % 8
    wide = cv2.copyMakeBorder(pixels, 0, down, 0, right, cv2.BORDER_REFLECT_101)
    whole = local_cells(wide, 2, 6)[: -(-height // 2), : -(-width // 2)]
    assert (values == whole).all()
    is_tiled = height * width >= side * side
    assert all(max(shape) <= side for shape in make.made) or not is_tiled
    if not is_tiled:
        assert sum(len(engine.runs) for engine in make.engines[1:]) <= 2, "a try, and one run"


def test_tiles_are_equal_and_few() -> None:
    make = Maker()
    flexible(make).detect(noise(1536, 2048))
    assert (RUN_PX, TILE_SIDE_PX) == (STRIPES_FROM_PX, 1024)
    assert make.made == [(16, 16), (776, 696)]  # two by three, 16 px of overlap each
    assert len(make.engines[1].runs) == 1 + 2 * 3


def test_engines_of_smaller_shapes_are_made_once_and_the_oldest_goes() -> None:
    make = Maker()
    detector = flexible(make)
    assert make.made == [(16, 16)]  # the least there is, to check that the network accepts it
    sizes = [(40, 40), (40, 48), (40, 56), (40, 40)]
    for height, width in sizes * 3:
        detector.detect(noise(height, width))
    assert make.made == [(16, 16), (40, 40), (40, 48), (40, 56)]
    detector.detect(noise(40, 64))  # a fifth: the first made goes
    detector.detect(noise(39, 37))  # as good as 40×40, which is still there
    assert make.made[4:] == [(40, 64)]
    detector.detect(noise(16, 16))
    assert make.made[5:] == [(16, 16)]
    assert KEPT_ENGINES == 4


def test_a_network_of_one_shape_that_calls_itself_flexible_is_refused_at_once() -> None:
    with pytest.raises(BundleError, match=r"is \(1, 64, 64, 1\); expected \(1, 8, 8, 1\)"):
        regression(
            CellEngine(64, 64),
            detector_manifest(64, 64, multiple_px=4),
            shaped=lambda height, width: CellEngine(64, 64),
        )


def test_frames_of_changing_size_do_not_mix() -> None:
    detector = regression(CellEngine(64, 64), detector_manifest(64, 64))
    for height, width in [(100, 80), (64, 64), (70, 200), (16, 16), (100, 80)]:
        pixels = noise(height, width, seed=height)
        assert (detector.detect(pixels).values == local_cells(pixels, 2, 0)).all()


def test_a_view_that_is_not_contiguous_is_taken() -> None:
    detector = regression(CellEngine(64, 64), detector_manifest(64, 64))
    pixels = noise(64, 200)[:, 30:158:2]
    assert (detector.detect(pixels).values == local_cells(pixels, 2, 0)).all()


def test_grey_for_a_colour_network_and_the_other_way_round() -> None:
    grey, colour = noise(64, 64), noise(64, 64, 3)
    of_colour = CellEngine(64, 64, 3)
    regression(of_colour, detector_manifest(64, 64, channels=3)).detect(grey)
    assert (of_colour.runs[-1] == grey[:, :, None]).all()
    of_grey = CellEngine(64, 64)
    regression(of_grey, detector_manifest(64, 64)).detect(colour)
    assert (of_grey.runs[-1][:, :, 0] == cv2.cvtColor(colour, cv2.COLOR_BGR2GRAY)).all()


def test_pixels_that_fit_are_not_copied() -> None:
    grey, colour = noise(20, 20), noise(20, 20, 3)
    assert as_channels(grey, 1) is grey
    assert as_channels(colour, 3) is colour
    assert np.shares_memory(as_channels(grey[:, :, None], 1), grey)


@pytest.mark.parametrize(
    ("pixels", "expected"),
    [
        (np.zeros((64, 64), np.uint16), "pixels are uint16; expected 8 bits"),
        (np.zeros((64, 64), np.float32), "pixels are float32"),
        (np.zeros((64,), np.uint8), r"shape \(64,\); expected H×W or H×W×3"),
        (np.zeros((64, 64, 4), np.uint8), r"shape \(64, 64, 4\)"),
        (np.zeros((1, 64, 64, 3), np.uint8), r"shape \(1, 64, 64, 3\)"),
        (np.zeros((0, 64), np.uint8), r"shape \(0, 64\)"),
        (np.zeros((64, MIN_SIDE_PX - 1), np.uint8), "15×64 px; expected at least 16×16"),
        (np.zeros((MIN_SIDE_PX - 1, 64), np.uint8), "64×15 px"),
    ],
)
def test_unusable_pixels_are_refused(pixels: np.ndarray, expected: str) -> None:
    detector = regression(CellEngine(64, 64), detector_manifest(64, 64))
    with pytest.raises(FrameError, match=expected):
        detector.detect(pixels)


def test_an_engine_of_another_shape_is_refused_at_once() -> None:
    with pytest.raises(BundleError, match=r"is \(1, 64, 64, 1\); expected \(1, 64, 96, 1\)"):
        regression(CellEngine(64, 64), detector_manifest(64, 96))
    with pytest.raises(BundleError, match=r"is \(1, 1, 16, 16\); expected one plane of"):
        regression(CellEngine(64, 64, stride=4), detector_manifest(64, 64))
