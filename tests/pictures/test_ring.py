"""Tests of the frame ring: it holds the last frames within its limits and returns each once."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edge.pictures.ring import FrameRing, held_bytes
from edge.records import Frame
from tests.pictures.buffered_frames import R, U, frame, verdict


def ids(frames: tuple) -> list[int]:
    return [each.frame.part_id for each in frames]


def test_the_last_frames_stay() -> None:
    ring = FrameRing(frames=3, max_bytes=10_000)
    for part in range(1, 6):
        ring.put(frame(part))
    assert len(ring) == 3
    assert ring.size_bytes == 3 * 80
    assert ids(ring.request_all(1.0)) == [5, 4, 3]


@given(
    st.integers(1, 8),
    st.integers(1, 400),
    st.lists(st.tuples(st.integers(1, 12), st.integers(1, 20), st.integers(1, 20))),
)
def test_neither_limit_is_ever_exceeded(
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
    assert ids(ring.request_all(1.0)) == list(reversed(held))


def test_the_ring_holds_the_frame_itself() -> None:
    """There is no copy, because a camera never writes into a frame that it has handed over."""
    ring, one = FrameRing(frames=3, max_bytes=1000), frame(1)
    held = ring.put(one)
    assert held is not None
    assert held.frame is one


def test_a_view_counts_with_its_whole_base_array() -> None:
    whole = np.zeros((20, 10), np.uint8)
    ring = FrameRing(frames=3, max_bytes=199)
    assert held_bytes(whole[:4]) == 200
    assert ring.put(Frame(1, 1, 0, 0, whole[:4])) is None


def test_a_frame_is_returned_once_for_its_verdict_and_again_for_a_mark() -> None:
    ring = FrameRing(frames=9, max_bytes=10_000)
    for part in range(1, 7):
        ring.put(frame(part))
        ring.set_chain_verdict(verdict(part))
        ring.set_verdict(verdict(part, R))
    buffered = ring.request(5)
    assert buffered is not None
    assert (buffered.chain_verdict, buffered.verdict) == (verdict(5), verdict(5, R))
    assert ring.request(5) is None
    assert ids(ring.request_before(6, 2)) == [4]
    assert ring.request_before(1, 2) == ()
    assert ring.request(5, again=True) is buffered
    assert ids(ring.request_all(1.0)) == [6, 3, 2, 1]
    assert ring.request(77) is None
    assert ring.request(77, again=True) is None


def test_a_verdict_that_arrives_before_its_frame_is_kept_for_it() -> None:
    ring = FrameRing(frames=3, max_bytes=10_000)
    ring.set_verdict(verdict(1, U))
    late = ring.put(frame(1))
    assert late is not None
    assert late.verdict == verdict(1, U)
    for part in range(2, 7):  # without frames: only three verdicts are kept
        ring.set_verdict(verdict(part, U))
    assert [ring.put(frame(part)).verdict is None for part in (2, 3, 4, 6)] == [
        *(True, True),
        *(False, False),
    ]
