"""Proposals of a network: scores, order, outlines and the thread."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from edge.api import load_inspector
from edge.bundle import ChainManifest
from edge.errors import FrameError
from edge.labelling.proposals import KEPT, Proposer, limit_of
from edge.labelling.runs import decode_runs
from edge.records import Decision
from tests.support.bundles import picture, small_bundle

HOLE, STAIN = (40, 30, 56, 42, 0), (80, 50, 96, 62, 50)
PARTS = {
    "clean": picture(),
    "hole": picture(HOLE),
    "both": picture(HOLE, STAIN),
    "unsure": picture((20, 20, 30, 30, 84)),
}


@pytest.fixture(scope="module")
def inspector(tmp_path_factory: pytest.TempPathFactory):
    return load_inspector(small_bundle(tmp_path_factory.mktemp("bundle") / "small.outfeed"))


def test_the_limit_is_that_of_the_score() -> None:
    assert limit_of(ChainManifest(threshold=3.0)) == 3.0
    assert limit_of(ChainManifest(threshold=3.0, reject_severity=5.0)) == 5.0
    assert limit_of(ChainManifest(threshold=3.0, part_threshold=2.0)) == 6.0


def test_defects_come_with_their_pixels_and_an_outline(inspector) -> None:
    proposer = Proposer(inspector, 4.0, PARTS.__getitem__, ["both"])
    proposer.start()
    found = proposer.wait("both", 30)
    proposer.close()
    assert found is not None
    assert (found.decision, [each.kind for each in found.defects]) == (
        Decision.REJECT,
        ["hole", "stain"],
    )
    box = np.zeros((96, 128), np.bool_)
    box[30:42, 40:56] = True
    assert np.array_equal(decode_runs(found.defects[0].runs, 96, 128), box)
    assert sorted(found.defects[0].outline) == [(40, 30), (40, 41), (55, 30), (55, 41)]
    assert found.severity is not None
    assert (found.severity.shape, int(found.severity.max()), int(found.severity[0, 0])) == (
        (96, 128),
        240,  # 20 for each of 12 steps
        0,
    )


def test_the_least_sure_picture_comes_first(inspector) -> None:
    names = list(PARTS)
    proposer = Proposer(inspector, 4.0, PARTS.__getitem__, names)
    assert proposer.by_doubt(names) == names  # before there is a score, as given
    proposer.start()
    for name in names:
        assert proposer.wait(name, 30) is not None
    assert proposer.inspected == 4
    assert proposer.by_doubt(names) == ["unsure", "clean", "hole", "both"]
    assert proposer.by_doubt(["hole", "clean"]) == ["clean", "hole"]
    proposer.close()


def test_a_picture_that_a_person_opens_does_not_wait_for_the_others(inspector) -> None:
    may_go, order = threading.Event(), []

    def read(name: str) -> np.ndarray:
        order.append(name)
        if name == "first":
            assert may_go.wait(30)
        return PARTS["clean"]

    proposer = Proposer(inspector, 4.0, read, ["first", "second", "third"])
    proposer.start()
    assert proposer.get("third") is None
    may_go.set()
    assert proposer.wait("second", 30) is not None
    proposer.close()
    assert order == ["first", "third", "second"]


def test_a_picture_that_cannot_be_inspected_has_the_reason(inspector) -> None:
    def read(name: str) -> np.ndarray:
        raise FrameError(f"{name}: is cut short")

    proposer = Proposer(inspector, 4.0, read, ["a"])
    proposer.start()
    found = proposer.wait("a", 30)
    proposer.close()
    assert found is not None
    assert (found.fault, found.defects, found.severity) == ("a: is cut short", (), None)
    assert proposer.by_doubt(["a", "b"]) == ["a", "b"]


def test_the_kept_maps_are_bounded_and_made_again(inspector) -> None:
    names = [str(number) for number in range(KEPT + 1)]
    small = picture(size=(32, 32))
    proposer = Proposer(inspector, 4.0, lambda _: small, names)
    proposer.start()
    assert proposer.wait(names[-1], 60) is not None
    for name in names:
        assert proposer.wait(name, 60) is not None
    assert proposer.inspected == KEPT + 1
    proposer.close()


def test_a_wait_ends_with_the_thread(inspector, tmp_path: Path) -> None:
    proposer = Proposer(inspector, 4.0, PARTS.__getitem__, [])
    assert proposer.wait("clean", 0.01) is None
    proposer.close()
    assert proposer.wait("clean", 60) is None
