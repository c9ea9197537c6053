"""Registration finds the position of a part, refuses other pictures, and is deterministic."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.chain.template.alignment import bilinear
from edge.chain.template.registration import IDENTITY, Bounds, Pose, Registration, pyramid
from tests.models.methods.parts import Lie, drawing, matrix, seen

HEIGHT, WIDTH = 240, 320
BOUNDS = Bounds(rotation_deg=8.0, shift_px=24.0, scale=0.05)
CORNERS = np.array([[-160.0, -120.0], [160.0, -120.0], [160.0, 120.0], [-160.0, 120.0]])


@pytest.fixture(scope="module")
def registration() -> Registration:
    return Registration(seen(drawing(HEIGHT, WIDTH), noise=0.0), BOUNDS)


def corner_error(pose: Pose, lie: Lie) -> float:
    """Pixels between where a pose has the frame's corners and where they are."""
    wanted = CORNERS @ matrix(lie).T + (lie.shift_x, lie.shift_y)
    return float(np.abs(CORNERS @ pose.linear.T + pose.shift - wanted).max())


@pytest.mark.parametrize(
    "lie",
    [
        Lie(),
        Lie(3.0, -3.0),
        Lie(0.4, 0.7),
        Lie(-20.0, 15.0),
        Lie(rotation_deg=2.0),
        Lie(2.0, 1.0, -7.0),
        Lie(scale=1.03),
        Lie(-6.0, 9.0, 5.0, 0.97),
    ],
)
def test_finds_where_a_part_lies(registration: Registration, lie: Lie) -> None:
    frame = seen(drawing(HEIGHT, WIDTH), lie, seed=1, light=0.8)
    pose = registration.register(pyramid(frame))
    assert pose is not None
    assert corner_error(pose, lie) < 0.35
    assert pose.match > 0.9
    assert pose.gain == pytest.approx(0.8, abs=0.03)
    assert pose.rotation_deg == pytest.approx(lie.rotation_deg, abs=0.1)
    assert pose.scale == pytest.approx(lie.scale, abs=0.002)


def test_a_defect_or_a_hand_does_not_move_it(registration: Registration) -> None:
    lie = Lie(4.0, -2.0, 1.5)
    frame = seen(drawing(HEIGHT, WIDTH, defect="blob"), lie)
    frame[60:140, 180:320] = 90
    pose = registration.register(pyramid(frame))
    assert pose is not None
    assert corner_error(pose, lie) < 0.8
    assert 0.5 < pose.match < 0.95


@pytest.mark.parametrize(
    "lie", [Lie(40.0), Lie(rotation_deg=15.0), Lie(scale=1.12), Lie(rotation_deg=90.0)]
)
def test_outside_the_bounds_is_no_pose_or_no_match(registration: Registration, lie: Lie) -> None:
    pose = registration.register(pyramid(seen(drawing(HEIGHT, WIDTH), lie)))
    assert pose is None or pose.match < 0.5


def other_frames() -> dict[str, NDArray[np.uint8]]:
    rng = np.random.default_rng(3)
    return {
        "black": np.zeros((HEIGHT, WIDTH), np.uint8),
        "white": np.full((HEIGHT, WIDTH), 255, np.uint8),
        "noise": rng.integers(0, 256, (HEIGHT, WIDTH), dtype=np.uint8),
        "ramp": np.tile(np.linspace(0, 255, WIDTH).astype(np.uint8), (HEIGHT, 1)),
        "negative": 255 - seen(drawing(HEIGHT, WIDTH)),
    }


@pytest.mark.parametrize("name", list(other_frames()))
def test_what_is_not_the_part_does_not_match(registration: Registration, name: str) -> None:
    pose = registration.register(pyramid(other_frames()[name]))
    assert pose is None or pose.match < 0.5


def test_the_same_frame_gives_the_same_pose(registration: Registration) -> None:
    frame = seen(drawing(HEIGHT, WIDTH), Lie(5.0, 2.0, 3.0))
    first = registration.register(pyramid(frame))
    registration.register(pyramid(seen(drawing(HEIGHT, WIDTH))))
    second = registration.register(pyramid(frame))
    assert first is not None
    assert second is not None
    assert (first.linear == second.linear).all()
    assert (first.shift == second.shift).all()
    assert (first.gain, first.offset, first.match) == (second.gain, second.offset, second.match)


def test_straight_assumes_the_position_of_the_golden_image(registration: Registration) -> None:
    there = registration.straight(pyramid(seen(drawing(HEIGHT, WIDTH), light=1.1)))
    astray = registration.straight(pyramid(seen(drawing(HEIGHT, WIDTH), Lie(6.0, 6.0))))
    assert there is not None
    assert (there.linear == np.eye(2)).all()
    assert there.match > 0.95
    assert astray is None or astray.match < 0.6


def test_a_plain_picture_is_no_golden_image() -> None:
    with pytest.raises(ValueError, match="has too few edges for registration"):
        Registration(np.full((HEIGHT, WIDTH), 80, np.uint8), BOUNDS)


def test_both_ways_of_laying_undo_one_another() -> None:
    pose = Pose(matrix(Lie(rotation_deg=4.0, scale=1.02)), np.array([3.0, -5.0]))
    to_golden, to_frame = (
        np.vstack([way(HEIGHT, WIDTH), [0, 0, 1]]) for way in (pose.on_frame, pose.on_golden)
    )
    assert np.allclose(to_golden @ to_frame, np.eye(3))
    assert np.allclose(IDENTITY.on_frame(HEIGHT, WIDTH), [[1, 0, 0], [0, 1, 0]])


def test_bilinear_worked_out_by_hand() -> None:
    plane = np.array([[0.0, 10.0], [20.0, 50.0]], np.float32)
    values, inside = bilinear(
        plane, np.array([0.0, 0.5, 0.25, 3.0]), np.array([0.0, 0.5, 0.0, 0.0])
    )
    assert values[:3].tolist() == [0.0, 20.0, 2.5]
    assert inside.tolist() == [True, True, True, False]


@pytest.mark.parametrize("size", [(32, 32), (33, 517), (241, 319), (640, 640), (1300, 700)])
def test_levels_of_any_size(size: tuple[int, int]) -> None:
    planes = pyramid(np.zeros(size, np.uint8))
    longest = [max(plane.shape) for plane in planes]
    assert longest == sorted(longest)
    assert longest[0] <= 128
    assert all(plane.dtype == np.float32 for plane in planes)
