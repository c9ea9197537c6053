"""The self-test with golden frames: reproduced, or a message that names the step that differs."""

import time
from dataclasses import replace

import numpy as np
import pytest

from edge.bundle import Bundle, parse_bundle
from edge.bundle.manifest import GoldenLimits
from edge.chain import self_test as sentinel
from edge.chain.inspector import Inspection, Inspector
from edge.chain.load import build_inspector
from edge.chain.self_test import GoldenFrameTest
from edge.errors import FrameError
from edge.records import Frame
from tests.support.bundles import bundle_bytes

LIMITS = GoldenLimits()


class FailingInspector:
    """A chain that can be switched to see only an empty surface."""

    def __init__(self, inspector: Inspector) -> None:
        self.inspector, self.finds_nothing, self.seen = inspector, False, []

    def examine(self, frame: Frame) -> Inspection:
        self.seen.append(frame.part_id)
        if self.finds_nothing:
            frame = replace(frame, pixels=np.full_like(frame.pixels, 160))
        return self.inspector.examine(frame)


@pytest.fixture(scope="module")
def loaded() -> tuple[Bundle, Inspector]:
    bundle = parse_bundle(bundle_bytes())
    return bundle, build_inspector(bundle, now_ns=time.monotonic_ns)


def test_in_turn_one_with_a_defect_and_one_without(loaded: tuple[Bundle, Inspector]) -> None:
    self_test = GoldenFrameTest(*loaded, LIMITS)
    names = []
    for _ in range(6):
        names.append(self_test.upcoming)
        assert self_test.prove() is None
    assert self_test.count == 3
    assert names == 2 * ["golden/hole.png", "golden/clean.png", "golden/stain.png"]


def test_a_chain_that_finds_no_defects_any_more(loaded) -> None:
    bundle, inspector = loaded
    eye = FailingInspector(inspector)
    self_test = GoldenFrameTest(bundle, eye, LIMITS)
    assert self_test.prove() is None
    eye.finds_nothing = True
    assert self_test.upcoming == "golden/clean.png"
    assert self_test.prove() is None  # the chain is right about a clean frame
    fault = self_test.prove()
    assert fault is not None
    assert fault.startswith("detect: severity 0.00 in block")
    assert eye.seen == [0, 0, 0]  # no part has this number


def test_after_a_refused_frame_the_next_one_follows(loaded) -> None:
    bundle, inspector = loaded
    eye = FailingInspector(inspector)
    self_test = GoldenFrameTest(bundle, eye, LIMITS)
    eye.examine = lambda frame: (_ for _ in ()).throw(FrameError("no"))
    with pytest.raises(FrameError, match="no"):
        self_test.prove()
    assert self_test.upcoming == "golden/clean.png"


def test_frames_are_held_as_far_as_memory_is_given(
    loaded: tuple[Bundle, Inspector], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sentinel, "MAX_BYTES", 96 * 128 + 10)
    self_test = GoldenFrameTest(*loaded, LIMITS)
    assert (self_test.count, self_test.upcoming) == (1, "golden/hole.png")
    monkeypatch.setattr(sentinel, "MAX_BYTES", 10)
    assert GoldenFrameTest(*loaded, LIMITS).count == 1  # one is always proven
