"""The pictures of the report, and the outlines drawn on them."""

from __future__ import annotations

import base64
import time
from dataclasses import replace

import cv2
import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("matplotlib")
pytest.importorskip("scipy")

from edge.bundle import ChainManifest, KindManifest
from edge.chain.classify import SingleKindClassifier
from edge.chain.inspector import Inspector
from edge.records import SeverityMap
from models.evaluation.evaluate import evaluate
from models.report.cases import (
    MOST,
    SIDE_PX,
    FalseAlarm,
    find_cases,
    overlooked,
    shrunk,
    worst_alarms,
    worst_misses,
)
from models.runs.run import Run
from models.training.patches import Picture
from tests.models.report.pages import outcome


class Flat:
    """Severity 3 everywhere."""

    def detect(self, pixels: np.ndarray) -> SeverityMap:
        shape = (pixels.shape[0] // 2, pixels.shape[1] // 2)
        return SeverityMap(np.full(shape, 3, np.float32), 1.0, 0, 2)


def test_pictures_of_misses(run: Run) -> None:
    """A chain that sees nothing: every part's worst picture first, then its second."""
    dataset, by_name = run.open_data()
    names = run.record().validation
    pictures = {name: Picture(by_name[name], *dataset.load_pair(by_name[name])) for name in names}
    kinds = tuple(KindManifest(name=kind) for kind in run.record().kinds)
    chain = ChainManifest(threshold=5.0)
    inspector = Inspector(Flat(), SingleKindClassifier(kinds), chain, kinds, time.perf_counter_ns)
    outcomes = evaluate(inspector, pictures.values(), run.record().kinds)
    misses = worst_misses(outcomes)
    groups = dict.fromkeys(names, "other")
    groups |= {misses[0].name: "one", misses[1].name: "one"}
    cases = find_cases(inspector, outcomes, groups, pictures.__getitem__)
    assert len(cases.misses) == min(len(misses), MOST)
    assert [case.name for case in cases.misses[:2]] == [misses[0].name, misses[2].name]
    assert cases.alarms == cases.false_alarms == ()
    for case in cases.misses:
        assert "escaped: clean; 0 of" in case.caption
        assert "peak severity 3.0" in case.caption
        frame, marked = (decoded(uri) for uri in (case.frame, case.marked))
        assert max(frame.shape) <= SIDE_PX
        assert frame.shape == marked.shape
        # The annotated outline, and the tint of severity 3, are on the marked picture only.
        blue = [(image[:, :, 0] > image[:, :, 2] + 40).any() for image in (frame, marked)]
        assert blue == [False, True]
        assert marked[0, 0, 2] > frame[0, 0, 2]


def test_pictures_of_false_alarms(run: Run) -> None:
    """A chain that calls every whole frame a defect."""
    dataset, by_name = run.open_data()
    good = next(by_name[name] for name in run.record().validation if by_name[name].is_good)
    picture = Picture(good, *dataset.load_pair(good))
    kinds = (KindManifest(name="bar"),)
    inspector = Inspector(
        Flat(),
        SingleKindClassifier(kinds),
        ChainManifest(threshold=2.0),
        kinds,
        time.perf_counter_ns,
    )
    outcomes = evaluate(inspector, [picture], ("bar",))
    cases = find_cases(inspector, outcomes, {good.name: "a"}, lambda _: picture)
    area = picture.kind_map.size
    assert cases.false_alarms == (FalseAlarm(True, "bar", area, True, 0.0),)
    assert [case.caption for case in cases.alarms] == ["good part; false alarm: bar 3.0"]


def test_a_defective_part_without_a_mask(run: Run) -> None:
    """It may escape; what is reported on it may be the defect, so it is no false alarm."""
    dataset, by_name = run.open_data()
    some = next(by_name[name] for name in run.record().validation if not by_name[name].is_good)
    sample = replace(some, masks=(), unmasked=True)
    pixels = dataset.load_image(some)
    picture = Picture(sample, pixels, np.zeros(pixels.shape[:2], np.uint8))
    kinds = (KindManifest(name="bar"), KindManifest(name="pit"))
    for threshold, missed in ((2.0, 0), (5.0, 1)):
        chain = ChainManifest(threshold=threshold)
        inspector = Inspector(
            Flat(), SingleKindClassifier(kinds), chain, kinds, time.perf_counter_ns
        )
        outcomes = evaluate(inspector, [picture], ("bar", "pit"))
        cases = find_cases(inspector, outcomes, {sample.name: "a"}, lambda _: picture)
        assert (len(cases.misses), cases.alarms) == (missed, ())
    assert cases.misses[0].caption == (
        f"{sample.kinds[0]}; escaped: clean; not drawn, peak severity 3.0"
    )


def decoded(uri: str) -> np.ndarray:
    data = np.frombuffer(base64.b64decode(uri.removeprefix("data:image/jpeg;base64,")), np.uint8)
    image = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert image is not None
    return image.astype(int)


@pytest.mark.parametrize(
    ("height", "width", "wanted"),
    [(1000, 640, (320, 205)), (96, 96, (288, 288)), (320, 10, (320, 10)), (3000, 2, (320, 1))],
)
def test_shrunk(height: int, width: int, wanted: tuple[int, int]) -> None:
    assert shrunk(np.zeros((height, width), np.uint8)).shape == wanted


def test_worst_misses_are_escapes_and_no_rejected_part() -> None:
    parts = (
        outcome("found", annotated_px=90, hit_px=60, rejected=True, reported=("pit",)),
        outcome("overlooked", annotated_px=900, rejected=True),
        outcome("small", annotated_px=10),
        outcome("large", annotated_px=50),
        outcome("good"),
    )
    assert [o.name for o in worst_misses(parts)] == ["large", "small"]
    assert [o.name for o in overlooked(parts)] == ["overlooked"]


def test_worst_false_alarms_are_on_good_parts() -> None:
    parts = (
        outcome("defective", annotated_px=9, rejected=True, score=12.0, reported=("bar",)),
        outcome("faint", rejected=True, score=5.0, reported=("bar",)),
        outcome("sure", rejected=True, score=9.0, reported=("bar", "pit")),
        outcome("good"),
    )
    assert [o.name for o in worst_alarms(parts)] == ["sure", "faint", "defective"]
