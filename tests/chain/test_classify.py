"""Step classify: windows, doubling, votes, background."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.bundle import KindManifest
from edge.chain import classify
from edge.chain.classify import (
    BACKGROUND,
    BLOCKS_PER_REGION,
    UNNAMED,
    BlockVote,
    SingleKindClassifier,
    block_windows,
    cut_block,
    majority,
    softmax,
)
from edge.errors import BundleError, FrameError
from edge.records import Box, Defect, Dropped
from tests.chain.fake_engines import VoteEngine, region

KINDS = (KindManifest(name="hole", guidance="Check the punch."), KindManifest(name="crack"))


def by_grey(block: np.ndarray) -> list[float]:
    """The centre pixel gives the label: 0 background, 1 hole, 2 crack."""
    label = int(block[block.shape[0] // 2, block.shape[1] // 2].flat[0])
    return [4.0 * (label == i) for i in range(3)]


def test_five_windows_about_the_centre() -> None:
    assert block_windows(Box(100, 200, 110, 230), 64) == (
        Box(73, 183, 137, 247),
        Box(57, 167, 121, 231),
        Box(89, 167, 153, 231),
        Box(57, 199, 121, 263),
        Box(89, 199, 153, 263),
    )


@pytest.mark.parametrize(
    ("width", "height", "side"),
    [(64, 64, 64), (65, 1, 128), (1, 65, 128), (128, 128, 128), (129, 5, 256), (1, 1, 64)],
)
def test_the_window_doubles_when_the_region_is_larger_and_not_when_equal(
    width: int, height: int, side: int
) -> None:
    box = Box(1000, 1000, 1000 + width, 1000 + height)
    windows = block_windows(box, 64)
    assert len(windows) == BLOCKS_PER_REGION
    assert {(window.width, window.height) for window in windows} == {(side, side)}
    first = windows[0]
    assert first.left <= box.left
    assert first.top <= box.top
    assert first.right >= box.right
    assert first.bottom >= box.bottom


@given(
    left=st.integers(0, 500),
    top=st.integers(0, 500),
    width=st.integers(1, 300),
    height=st.integers(1, 300),
)
def test_every_window_holds_half_of_the_region(
    left: int, top: int, width: int, height: int
) -> None:
    box = Box(left, top, left + width, top + height)
    for window in block_windows(box, 64):
        seen_x = min(box.right, window.right) - max(box.left, window.left)
        seen_y = min(box.bottom, window.bottom) - max(box.top, window.top)
        assert seen_x * seen_y * 2 >= width * height


def frame(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width), np.uint8)


@pytest.mark.parametrize(
    ("window", "left", "top"),
    [
        (Box(10, 20, 74, 84), 10, 20),
        (Box(-30, -1, 34, 63), 0, 0),
        (Box(190, 150, 254, 214), 136, 136),  # 200 - 64
        (Box(-5, 190, 59, 254), 0, 136),
    ],
)
def test_a_window_over_the_edge_is_moved_inside(window: Box, left: int, top: int) -> None:
    pixels = frame(200, 200)
    block = cut_block(pixels, window, 64)
    assert (block == pixels[top : top + 64, left : left + 64]).all()


def test_a_frame_smaller_than_the_window_repeats_its_edge() -> None:
    pixels = frame(40, 100)
    block = cut_block(pixels, Box(20, -12, 84, 52), 64)
    assert block.shape == (64, 64)
    assert (block[:40] == pixels[:, 20:84]).all()
    assert (block[40:] == pixels[39, 20:84]).all()
    small = cut_block(pixels[:, :20], Box(-22, -12, 42, 52), 64)
    assert (small[:40, 20:] == pixels[:, 19:20]).all()


def test_a_doubled_window_is_averaged_down() -> None:
    pixels = frame(300, 300)
    block = cut_block(pixels, Box(50, 60, 178, 188), 64)
    exact = pixels[60:188, 50:178].reshape(64, 2, 64, 2).mean((1, 3))
    assert np.abs(block - exact).max() <= 0.5


def test_colour_blocks_stay_colour() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (80, 200, 3), np.uint8)
    assert cut_block(pixels, Box(0, 0, 128, 128), 64).shape == (64, 64, 3)


@pytest.mark.parametrize(
    ("labels", "winner"),
    [
        ([0, 0, 0, 0, 0], 0),
        ([1, 1, 1, 0, 0], 1),
        ([0, 0, 1, 2, 0], 0),
        ([2, 2, 1, 0, 2], 2),
    ],
)
def test_the_majority_wins(labels: list[int], winner: int) -> None:
    scores = np.full((5, 3), 0.2, np.float32)
    scores[np.arange(5), labels] = 0.6
    assert majority(scores) == winner


def test_a_tie_goes_to_the_larger_sum() -> None:
    one_all = np.array([[0, 0.9, 0.1], [0, 0.8, 0.2], [0, 0.4, 0.6], [0, 0.4, 0.6], [1, 0, 0]])
    assert majority(one_all.astype(np.float32)) == 1  # 2.5 against 1.5
    assert majority(one_all[:, [0, 2, 1]].astype(np.float32)) == 2
    equal = np.array([[0.5, 0.5], [0.5, 0.5]], np.float32)
    assert majority(equal) == 0  # argmax takes the first; so do the votes


def test_votes_name_the_region_and_background_drops_it() -> None:
    pixels = np.zeros((100, 400), np.uint8)
    pixels[:, 100:200] = 1
    pixels[:, 200:] = 2
    engine = VoteEngine(by_grey)
    regions = (region(40, 40, 50, 50), region(140, 40, 150, 50), region(300, 40, 310, 50))
    background, hole, crack = BlockVote(engine, 64, 1, KINDS).classify(pixels, regions)
    assert isinstance(background, Dropped)
    assert background.region == regions[0]
    assert isinstance(hole, Defect)
    assert (hole.kind, hole.guidance, hole.region) == ("hole", "Check the punch.", regions[1])
    assert isinstance(crack, Defect)
    assert crack.kind == "crack"
    expected = float(np.exp(4.0) / (np.exp(4.0) + 2))
    assert hole.confidence == pytest.approx(expected, rel=1e-5)


def test_the_confidence_counts_every_block() -> None:
    """Three of five blocks show a hole, with a logit of 4; the others show background, with 4."""
    pixels = np.zeros((100, 100), np.uint8)
    pixels[:48] = 1
    found = BlockVote(VoteEngine(by_grey), 64, 1, KINDS).classify(
        pixels, (region(49, 42, 51, 52),)
    )[0]
    # Windows' middle rows: 47, then 47 - 16 twice (moved in to 32), 47 + 16 twice.
    assert isinstance(found, Defect)
    sure = float(np.exp(4.0) / (np.exp(4.0) + 2))
    unsure = float(1.0 / (np.exp(4.0) + 2))
    assert found.confidence == pytest.approx((3 * sure + 2 * unsure) / 5, rel=1e-5)


@pytest.mark.parametrize(("peak", "kept"), [(5.9, False), (6.1, True)])
def test_background_is_kept_where_enough_severity_is_left(peak: float, kept: bool) -> None:
    """The blocks are sure of background, and the detector of a defect: it is named by the kind that
    comes next."""
    sure = float(np.exp(4.0) / (np.exp(4.0) + 2))
    vote = BlockVote(VoteEngine(by_grey), 64, 1, KINDS, keep_severity=6.0 * (1 - sure))
    pixels = np.zeros((100, 100), np.uint8)
    (answer,) = vote.classify(pixels, (region(40, 40, 50, 50, peak=peak),))
    assert isinstance(answer, Defect if kept else Dropped)
    assert answer.doubt == pytest.approx(sure, rel=1e-5)
    if isinstance(answer, Defect):
        assert answer.kind == KINDS[0].name
        assert answer.confidence == pytest.approx((1 - sure) / 2, rel=1e-4)


@pytest.mark.parametrize("batch", [1, 4, 5, 7, 40])
@pytest.mark.parametrize("count", [1, 2, 9])
def test_more_blocks_than_the_batch_take_more_runs(batch: int, count: int) -> None:
    engine = VoteEngine(by_grey, batch=batch)
    vote = BlockVote(engine, 64, 1, KINDS)
    engine.counts.clear()
    labels = [i % 3 for i in range(count)]
    pixels = np.zeros((100, 150 * count), np.uint8)
    for i, label in enumerate(labels):
        pixels[:, 150 * i : 150 * (i + 1)] = label
    regions = tuple(region(150 * i + 70, 40, 150 * i + 80, 50) for i in range(count))
    found = vote.classify(pixels, regions)
    names = [k.name for k in KINDS]
    told = [0 if isinstance(d, Dropped) else 1 + names.index(d.kind) for d in found]
    assert told == labels
    blocks = count * BLOCKS_PER_REGION
    assert engine.counts == [batch] * (blocks // batch) + [blocks % batch] * (blocks % batch > 0)


def test_no_region_is_no_run() -> None:
    engine = VoteEngine(by_grey)
    vote = BlockVote(engine, 64, 1, KINDS)
    engine.counts.clear()
    assert vote.classify(np.zeros((100, 100), np.uint8), ()) == ()
    assert engine.counts == []


def test_colour_frames_for_a_grey_classifier() -> None:
    seen = []

    def look(block: np.ndarray) -> list[float]:
        seen.append(block.copy())
        return [0, 1, 0]

    pixels = np.random.default_rng(0).integers(0, 256, (100, 100, 3), np.uint8)
    BlockVote(VoteEngine(look), 64, 1, KINDS).classify(pixels, (region(45, 45, 55, 55),))
    grey = cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY)
    assert (seen[-BLOCKS_PER_REGION][:, :, 0] == grey[18:82, 18:82]).all()


@given(st.lists(st.lists(st.floats(-50, 50), min_size=3, max_size=3), min_size=5, max_size=5))
def test_confidences_lie_between_0_and_1(logits: list[list[float]]) -> None:
    scores = softmax(np.array(logits))
    assert scores.dtype == np.float32
    assert ((scores >= 0) & (scores <= 1)).all()
    label = majority(scores)
    assert 0 <= float(scores[:, label].mean()) <= 1


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_score_that_is_no_number_is_not_background(bad: float) -> None:
    answers = iter([[0.0, 0.0, 0.0]] + [[bad, 1.0, 2.0]] * 5)
    vote = BlockVote(VoteEngine(lambda _: next(answers)), 64, 1, KINDS)
    with (
        np.errstate(invalid="ignore"),
        pytest.raises(FrameError, match="score of the classifier is not a number"),
    ):
        vote.classify(np.zeros((100, 100), np.uint8), (region(45, 45, 55, 55),))


def test_an_engine_that_does_not_fit_the_kinds_is_refused_at_once() -> None:
    with pytest.raises(BundleError, match=r"is float32 \(1, 2\); expected .* and 2 kinds"):
        BlockVote(VoteEngine(lambda _: [0.0, 1.0]), 64, 1, KINDS)
    with pytest.raises(BundleError, match=r"is \(64, 64, 1\); expected \(32, 32, 1\)"):
        BlockVote(VoteEngine(by_grey), 32, 1, KINDS)


def test_without_a_classifier_every_region_is_a_defect() -> None:
    regions = (region(0, 0, 5, 5), region(10, 10, 12, 12))
    pixels = np.zeros((20, 20), np.uint8)
    named = SingleKindClassifier((KINDS[0],)).classify(pixels, regions)
    assert [(d.kind, d.confidence, d.guidance) for d in named if isinstance(d, Defect)] == [
        ("hole", 1.0, "Check the punch.")
    ] * 2
    several = SingleKindClassifier(KINDS).classify(pixels, regions)
    assert [d.kind for d in several if isinstance(d, Defect)] == [UNNAMED] * 2
    assert BACKGROUND == 0


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("height", "width"), [(700, 300), (1100, 1100), (200, 1024)])
def test_a_large_window_in_bands_is_the_same_block(
    height: int, width: int, channels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    shape = (height, width) if channels == 1 else (height, width, channels)
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    for window in (Box(-40, 10, 472, 522), Box(100, 300, 1124, 1324), Box(5, 5, 133, 133)):
        monkeypatch.setattr(classify, "_BANDED_FROM_PX", 1 << 30)
        wanted = cut_block(pixels, window, 64)
        monkeypatch.setattr(classify, "_BANDED_FROM_PX", 0)
        assert (cut_block(pixels, window, 64) == wanted).all()
