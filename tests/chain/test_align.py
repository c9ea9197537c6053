"""Alignment: any pose of a part becomes one, and severity returns to its place in the frame."""

from __future__ import annotations

from dataclasses import astuple, replace

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from edge.bundle import AlignmentManifest, ChainManifest, KindManifest
from edge.chain.align import AlignedDetector, align, find_part, to_aligned
from edge.chain.classify import SingleKindClassifier
from edge.chain.inspector import Inspector
from edge.errors import FrameError
from edge.records import Decision, Frame, SeverityMap
from tests.support.bolts import BODY, GROUND, MARK, draw_bolt

CONTRAST = 60.0
ALIGNMENT = AlignmentManifest(
    contrast=CONTRAST,
    least_area_px=1200,
    most_area_px=4000,
    turns=True,
    directed=True,
    height=64,
    width=192,
)
POSES = [0.0, 30.0, 90.0, 135.0, 179.0, -45.0, -120.0]


class Bright:
    """A detector: severity 12 in cells that contain a pixel brighter than the ground, else 0."""

    def __init__(self, stride_px: int = 8, zero_point: int = 3) -> None:
        self.stride_px, self.zero_point = stride_px, zero_point
        self.seen: list[npt.NDArray[np.uint8]] = []

    def detect(self, pixels: npt.NDArray[np.uint8]) -> SeverityMap:
        self.seen.append(pixels)
        s = self.stride_px
        height, width = pixels.shape[0] // s, pixels.shape[1] // s
        grey = pixels if pixels.ndim == 2 else pixels[:, :, 0]
        cells = grey[: height * s, : width * s].reshape(height, s, width, s).max((1, 3))
        values = np.where(cells > GROUND + 20, 255, self.zero_point).astype(np.uint8)
        return SeverityMap(values, 12 / (255 - self.zero_point), self.zero_point, s)


@pytest.mark.parametrize("angle_deg", POSES)
def test_the_pose_of_a_part_is_found(angle_deg: float) -> None:
    pose = find_part(draw_bolt(angle_deg, centre=(110.0, 140.0)), CONTRAST)
    assert pose is not None
    off = (pose.angle_deg - angle_deg + 180.0) % 360.0 - 180.0
    assert abs(off) < 1.0
    # The centre is that of the bolt, and not its centre of gravity, which is nearer to the head.
    assert (pose.x, pose.y) == pytest.approx((110.0, 140.0), abs=1.0)
    assert (pose.height, pose.width) == pytest.approx((41.0, 141.0), abs=3.0)
    assert pose.rim_share == 0.0
    assert pose.slenderness < 0.1
    assert pose.skewness > 0.3


def test_a_larger_frame_gives_the_same_pose_in_its_own_pixels() -> None:
    small = find_part(draw_bolt(30.0), CONTRAST)
    large = find_part(cv2.resize(draw_bolt(30.0), (1024, 1024)), CONTRAST)
    assert small is not None
    assert large is not None
    assert large.x == pytest.approx(4 * small.x + 1.5, abs=3.0)
    assert large.area_px == pytest.approx(16 * small.area_px, rel=0.05)
    assert large.angle_deg == pytest.approx(small.angle_deg, abs=1.0)


def test_a_brighter_part_is_found_too() -> None:
    negative = 255 - draw_bolt(30.0)
    first, second = find_part(draw_bolt(30.0), CONTRAST), find_part(negative, CONTRAST)
    assert first is not None
    assert second is not None
    assert astuple(second) == pytest.approx(astuple(first), rel=0.01, abs=0.05)


def test_an_empty_ground_has_no_part() -> None:
    assert find_part(np.full((256, 256), GROUND, np.uint8), CONTRAST) is None


@pytest.mark.parametrize("angle_deg", POSES)
def test_every_pose_gives_the_same_picture(angle_deg: float) -> None:
    pictures = []
    for angle in (0.0, angle_deg):
        frame = draw_bolt(angle, centre=(120.0, 130.0))
        pose = find_part(frame, CONTRAST)
        assert pose is not None
        pictures.append(align(frame, to_aligned(pose, ALIGNMENT), ALIGNMENT))
    first, second = pictures
    assert first.shape == (64, 192)
    # Edges may differ by half a pixel; the head is on the left of both.
    assert np.abs(first.astype(int) - second).mean() < 4.0
    assert first[:, :30].mean() < first[:, -30:].mean()
    assert first[32, 80] == pytest.approx(BODY, abs=3)


def test_half_a_turn_may_be_left_open() -> None:
    open_turn = ALIGNMENT.model_copy(update={"directed": False})
    level = find_part(draw_bolt(10.0), CONTRAST)
    half = find_part(draw_bolt(-170.0), CONTRAST)
    assert level is not None
    assert half is not None
    pair = [to_aligned(pose, open_turn)[:, :2] for pose in (level, half)]
    np.testing.assert_allclose(*pair, atol=0.02)
    directed = [to_aligned(pose, ALIGNMENT)[:, :2] for pose in (level, half)]
    np.testing.assert_allclose(directed[0], -directed[1], atol=0.02)


def test_a_part_may_be_centred_only() -> None:
    centred = ALIGNMENT.model_copy(update={"turns": False})
    pose = find_part(draw_bolt(30.0), CONTRAST)
    assert pose is not None
    matrix = to_aligned(pose, centred)
    np.testing.assert_array_equal(matrix[:, :2], np.eye(2))
    np.testing.assert_allclose(matrix @ [pose.x, pose.y, 1.0], [95.5, 31.5])


@pytest.mark.parametrize("angle_deg", POSES)
@pytest.mark.parametrize("stride_px", [1, 2, 8])
def test_severity_returns_to_its_place(angle_deg: float, stride_px: int) -> None:
    frame = draw_bolt(angle_deg, centre=(120.0, 130.0), mark_px=40.0)
    severity = AlignedDetector(Bright(stride_px), ALIGNMENT, 1).detect(frame)
    assert severity.stride_px == max(stride_px // 2, 1)
    assert severity.values.shape == (256 // severity.stride_px, 256 // severity.stride_px)
    assert severity.peak() == 12.0
    rows, cols = np.nonzero(severity.values == 255)
    along = np.radians(angle_deg)
    place = np.array([(cols.mean() + 0.5), (rows.mean() + 0.5)]) * severity.stride_px - 0.5
    np.testing.assert_allclose(
        place, [120.0 + 40.0 * np.cos(along), 130.0 - 40.0 * np.sin(along)], atol=stride_px / 2 + 1
    )
    assert severity.values.min() == 3  # the zero point: severity 0


@pytest.mark.parametrize("turn", range(0, 360, 7))
def test_no_single_cell_is_lost_by_turning(turn: int) -> None:
    """A map with one severe cell keeps it in every rotation, wherever the cell is."""

    class OneCell(Bright):
        def detect(self, pixels: npt.NDArray[np.uint8]) -> SeverityMap:
            values = np.zeros((8, 24), np.float32)
            values[4, 7 + turn % 6] = 9.0
            return SeverityMap(values, 1.0, 0, 8)

    frame = draw_bolt(float(turn), centre=(128.3, 127.6))
    severity = AlignedDetector(OneCell(), ALIGNMENT, 1).detect(frame)
    assert severity.peak() == 9.0
    assert 64 * 0.5 < (severity.values > 0).sum() * 16 < 64 * 1.6


def with_wire(frame: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Return the frame with a wire of 45 px that is bent away from the middle of the bolt."""
    bent = frame.copy()
    cv2.line(bent, (128, 128), (136, 173), BODY, 5)
    return bent


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (np.full((256, 256), GROUND, np.uint8), "no part on the ground"),
        (draw_bolt(10.0)[:, :120], "a part of"),
        # A wire that sticks out beyond the aligned picture, of which 64 px are inspected.
        (with_wire(draw_bolt(10.0)), "a part of 14"),
    ],
)
def test_a_frame_without_its_part_is_never_passed(
    frame: npt.NDArray[np.uint8], reason: str
) -> None:
    detector = Bright()
    inspector = Inspector(
        AlignedDetector(detector, ALIGNMENT.model_copy(update={"least_area_px": 2000}), 1),
        SingleKindClassifier((KindManifest(name="mark"),)),
        ChainManifest(threshold=6.0),
        (KindManifest(name="mark"),),
        lambda: 0,
    )
    verdict = inspector.inspect(Frame.from_array(np.ascontiguousarray(frame)))
    assert verdict.decision is Decision.REJECT
    assert verdict.reason.startswith(reason)
    assert not detector.seen
    whole = inspector.inspect(Frame.from_array(draw_bolt(10.0)))
    assert whole.decision is Decision.PASS


def test_the_score_of_the_part_is_kept() -> None:
    class Scored(Bright):
        def detect(self, pixels: npt.NDArray[np.uint8]) -> SeverityMap:
            return replace(super().detect(pixels), part_score=3.5)

    detector = AlignedDetector(Scored(), ALIGNMENT, 1, part_score=True)
    assert detector.detect(draw_bolt(10.0)).part_score == 3.5
    # A frame without its part has the worst score, as every frame of such a bundle has one.
    assert detector.detect(np.full((256, 256), GROUND, np.uint8)).part_score == 12.0
    without = AlignedDetector(Bright(), ALIGNMENT, 1)
    assert without.detect(np.full((256, 256), GROUND, np.uint8)).part_score is None


def test_colour_reaches_the_detector_in_colour() -> None:
    detector = Bright()
    frame = cv2.cvtColor(draw_bolt(20.0), cv2.COLOR_GRAY2BGR)
    AlignedDetector(detector, ALIGNMENT, 3).detect(frame)
    AlignedDetector(detector, ALIGNMENT, 1).detect(frame)
    assert [seen.shape for seen in detector.seen] == [(64, 192, 3), (64, 192)]
    np.testing.assert_array_equal(detector.seen[0][:, :, 0], detector.seen[1])


def test_a_frame_that_is_too_small_is_refused() -> None:
    with pytest.raises(FrameError, match="expected at least 16×16"):
        AlignedDetector(Bright(), ALIGNMENT, 1).detect(np.zeros((8, 64), np.uint8))


def test_the_defect_is_reported_in_pixels_of_the_frame() -> None:
    kinds = (KindManifest(name="mark"),)
    inspector = Inspector(
        AlignedDetector(Bright(2), ALIGNMENT, 1),
        SingleKindClassifier(kinds),
        ChainManifest(threshold=6.0),
        kinds,
        lambda: 0,
    )
    verdict = inspector.inspect(Frame.from_array(draw_bolt(90.0, mark_px=40.0)))
    (defect,) = verdict.defects
    box = defect.region.box
    assert box.left < 128 < box.right
    assert box.top < 128 - 40 < box.bottom
    assert MARK > GROUND + 20
