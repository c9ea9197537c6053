"""The ring holds the last frames, never more than it may, and hands each over once."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edge.pictures.ring import FrameRing, held_bytes
from edge.records import Frame
from tests.pictures.buffered_frames import R, U, frame, verdict


def ids(shots: tuple) -> list[int]:
    return [shot.frame.part_id for shot in shots]


def test_the_last_frames_stay() -> None:
    ring = FrameRing(frames=3, max_bytes=10_000)
    for part in range(1, 6):
        ring.put(frame(part))
    assert len(ring) == 3
    assert ring.size_bytes == 3 * 80
    assert ids(ring.ask_all(1.0)) == [5, 4, 3]


@given(
    st.integers(1, 8),
    st.integers(1, 400),
    st.lists(st.tuples(st.integers(1, 12), st.integers(1, 20), st.integers(1, 20))),
)
def test_neither_bound_is_ever_passed(
    frames: int, max_bytes: int, parts: list[tuple[int, int, int]]
) -> None:
    ring = FrameRing(frames=frames, max_bytes=max_bytes)
    held: dict[int, int] = {}
    for part, height, width in parts:
        fits = height * width <= max_bytes
        assert (ring.put(frame(part, (height, width))) is not None) == fits
        if fits:
            held.pop(part, None)
            held[part] = height * width
        while len(held) > frames or sum(held.values()) > max_bytes:
            held.pop(next(iter(held)))
        assert (len(ring), ring.size_bytes) == (len(held), sum(held.values()))
    assert ids(ring.ask_all(1.0)) == list(reversed(held))


def test_it_holds_the_frame_itself() -> None:
    """No copy: the camera's contract is that a frame is its part's for good."""
    ring, one = FrameRing(frames=3, max_bytes=1000), frame(1)
    held = ring.put(one)
    assert held is not None
    assert held.frame is one


def test_a_view_counts_as_what_it_keeps_alive() -> None:
    whole = np.zeros((20, 10), np.uint8)
    ring = FrameRing(frames=3, max_bytes=199)
    assert held_bytes(whole[:4]) == 200
    assert ring.put(Frame(1, 1, 0, 0, whole[:4])) is None


def test_each_is_handed_over_once_for_its_verdict_and_again_for_a_mark() -> None:
    ring = FrameRing(frames=9, max_bytes=10_000)
    for part in range(1, 7):
        ring.put(frame(part))
        ring.said(verdict(part))
        ring.settled(verdict(part, R))
    shot = ring.ask(5)
    assert shot is not None
    assert (shot.said, shot.verdict) == (verdict(5), verdict(5, R))
    assert ring.ask(5) is None
    assert ids(ring.ask_before(6, 2)) == [4]
    assert ring.ask_before(1, 2) == ()
    assert ring.get(5) is shot
    assert ids(ring.ask_all(1.0)) == [6, 3, 2, 1]
    assert ring.ask(77) is None
    assert ring.get(77) is None


def test_a_verdict_that_comes_before_its_frame_waits_for_it() -> None:
    ring = FrameRing(frames=3, max_bytes=10_000)
    ring.settled(verdict(1, U))
    late = ring.put(frame(1))
    assert late is not None
    assert late.verdict == verdict(1, U)
    for part in range(2, 7):  # no frame ever comes: not more than three of them are remembered
        ring.settled(verdict(part, U))
    assert [ring.put(frame(part)).verdict is None for part in (2, 3, 4, 6)] == [
        *(True, True),
        *(False, False),
    ]
