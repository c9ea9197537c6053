"""The table of what is believed gives the very decisions of the chain."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed: pip install torch")

from edge.bundle import ChainManifest, KindManifest
from edge.chain.classify import BlockVote
from edge.records import Decision, Frame, SeverityMap
from models.data.dataset import Sample
from models.evaluation.float_chain import RunOnce, TorchBlocks, detector_of, float_inspector
from models.feedback.operating_grid import NEVER, find_operating_grid
from models.feedback.settings import FeedbackSettings, decisions
from models.runs.run import Run
from models.training.patches import Picture
from tests.support.marked import pitted, ringed, surface

TS = (0.6, 2.1, 5.1, 8.1, 11.1)


def pictures() -> list[Picture]:
    some = [ringed(1), ringed(2, 90), pitted(3), pitted(4, 112), surface(5), pitted(6, 118)]
    return [
        Picture(Sample(str(n), Path(str(n)), str(n)), pixels, np.zeros(pixels.shape, np.uint8))
        for n, pixels in enumerate(some)
    ]


@pytest.mark.parametrize("reject_severity", [None, 7.0])
@pytest.mark.parametrize("classified", [True, False])
def test_as_the_chain_decides(
    tiny_run: Path, classified: bool, reject_severity: float | None
) -> None:
    run = Run(tiny_run)
    record, result = run.record(), run.result()
    network = run.load_classifier() if classified else None
    detector = RunOnce(detector_of(run.load_detector(), record.channels))
    kinds = tuple(KindManifest(name=kind) for kind in record.kinds)
    vote = None
    if network is not None:
        vote = BlockVote(TorchBlocks(network, 1), network.size_px, 1, kinds)
    chain = result.chain().model_copy(update={"reject_severity": reject_severity})
    some = pictures()
    grid = find_operating_grid(detector, vote, chain, some, TS)
    seen = set()
    for threshold in TS:
        for keep in (0.0, 2.0, 5.0, 12.0):
            at = chain.model_copy(update={"threshold": threshold})
            inspector = float_inspector(detector, network, 1, at, kinds, keep_severity=keep)
            expected = [
                inspector.inspect(Frame(0, 0, 0, 0, p.pixels)).decision is Decision.REJECT
                for p in some
            ]
            found = decisions(grid, FeedbackSettings(threshold, keep)).tolist()
            assert found == expected
            seen.add(tuple(found))
    assert len(seen) >= (3 if reject_severity is None else 2)


def test_a_crowded_frame_is_rejected_whatever_the_classifier_says() -> None:
    class Crowded:
        def detect(self, pixels: object) -> SeverityMap:
            values = np.zeros((64, 64), np.float32)
            values[::8, ::8] = 6.0
            return SeverityMap(values, 1.0, 0, 1)

    class Never(BlockVote):
        def __init__(self) -> None: ...

        def scores(self, pixels: object, regions: tuple[object, ...]) -> object:
            raise AssertionError("nobody looks at that many")

    picture = Picture(
        Sample("a", Path("a"), "a"), np.zeros((64, 64), np.uint8), np.zeros((64, 64), np.uint8)
    )
    chain = ChainManifest(threshold=1.0, max_regions=10)
    grid = find_operating_grid(Crowded(), Never(), chain, [picture], (3.0, 9.0))
    assert grid.most.tolist() == [[np.inf, NEVER]]
