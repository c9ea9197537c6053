"""Golden frames through a live chain: reproduced, or the step that differs named."""

import time
from dataclasses import replace

import numpy as np
import pytest

from edge.bundle import parse_bundle
from edge.bundle.manifest import GoldenLimits
from edge.chain import self_test as sentinel
from edge.chain.inspector import Inspection, Inspector
from edge.chain.load import build_inspector
from edge.chain.self_test import Sentinels
from edge.errors import FrameError
from edge.records import Frame
from tests.support.bundles import bundle_bytes

LIMITS = GoldenLimits()


class BlindInspector:
    """A chain that sees a surface without anything on it, from when it is told so."""

    def __init__(self, inspector: Inspector) -> None:
        self.inspector, self.is_blind, self.seen = inspector, False, []

    def examine(self, frame: Frame) -> Inspection:
        self.seen.append(frame.part_id)
        if self.is_blind:
            frame = replace(frame, pixels=np.full_like(frame.pixels, 160))
        return self.inspector.examine(frame)


@pytest.fixture(scope="module")
def loaded():
    bundle = parse_bundle(bundle_bytes())
    return bundle, build_inspector(bundle, now_ns=time.monotonic_ns)


def test_in_turn_one_with_a_defect_and_one_without(loaded) -> None:
    sentinels = Sentinels(*loaded, LIMITS)
    names = []
    for _ in range(6):
        names.append(sentinels.upcoming)
        assert sentinels.prove() is None
    assert sentinels.count == 3
    assert names == 2 * ["golden/hole.png", "golden/clean.png", "golden/stain.png"]


def test_a_chain_that_went_blind(loaded) -> None:
    bundle, inspector = loaded
    eye = BlindInspector(inspector)
    sentinels = Sentinels(bundle, eye, LIMITS)
    assert sentinels.prove() is None
    eye.is_blind = True
    assert sentinels.upcoming == "golden/clean.png"
    assert sentinels.prove() is None  # a blind one is right about what is clean
    fault = sentinels.prove()
    assert fault is not None
    assert fault.startswith("detect: severity 0.00 in block")
    assert eye.seen == [0, 0, 0]  # no part has this number


def test_a_chain_that_refuses_the_frame_has_its_turn_all_the_same(loaded) -> None:
    bundle, inspector = loaded
    eye = BlindInspector(inspector)
    sentinels = Sentinels(bundle, eye, LIMITS)
    eye.examine = lambda frame: (_ for _ in ()).throw(FrameError("no"))
    with pytest.raises(FrameError, match="no"):
        sentinels.prove()
    assert sentinels.upcoming == "golden/clean.png"


def test_frames_are_held_as_far_as_memory_is_given(loaded, monkeypatch) -> None:
    monkeypatch.setattr(sentinel, "MAX_BYTES", 96 * 128 + 10)
    sentinels = Sentinels(*loaded, LIMITS)
    assert (sentinels.count, sentinels.upcoming) == (1, "golden/hole.png")
    monkeypatch.setattr(sentinel, "MAX_BYTES", 10)
    assert Sentinels(*loaded, LIMITS).count == 1  # one is always proven
