"""The five steps in order: their times, the reasons, and frames that must never pass."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import pytest

from edge.bundle import ChainManifest, KindManifest
from edge.chain.classify import SingleKindClassifier
from edge.chain.inspector import Inspector
from edge.errors import FrameError
from edge.records import Decision, Defect, Dropped, Frame, Region, Timings
from tests.chain.fake_engines import SCALE, CellEngine, detector_manifest, regression

KINDS = (KindManifest(name="hole"),)


class GreyEngine(CellEngine):
    """Every cell is the grey of its upper left pixel."""

    def run(self, count: int | None = None) -> np.ndarray:
        self.output[0, 0] = self.input[0, ::2, ::2, 0]
        return self.output


class Names:
    """A classifier that answers from a list and records its calls."""

    def __init__(self, *kinds: str | None, doubt: float = 0.0) -> None:
        self._kinds = kinds
        self._doubt = doubt
        self.asked: list[tuple[Region, ...]] = []

    def classify(
        self, pixels: np.ndarray, regions: tuple[Region, ...]
    ) -> tuple[Defect | Dropped, ...]:
        self.asked.append(regions)
        kinds = itertools.islice(itertools.cycle(self._kinds), len(regions))
        return tuple(
            Dropped(region, self._doubt)
            if kind is None
            else Defect(region, kind, 0.9, doubt=self._doubt)
            for region, kind in zip(regions, kinds, strict=True)
        )


def steps() -> Iterator[int]:
    """A clock that advances 1, 2, 4, … µs: each span is one power of two."""
    now = 0
    for power in itertools.count():
        yield now
        now += 1000 * 2**power


def inspector(
    classifier: object = None, clock: Iterator[int] | None = None, **chain: float
) -> Inspector:
    manifest = detector_manifest(64, 96)
    ticks = clock or itertools.count(0, 1000)
    return Inspector(
        regression(GreyEngine(64, 96), manifest),
        classifier or SingleKindClassifier(KINDS),  # type: ignore[arg-type]
        ChainManifest(**{"threshold": 4.0, **chain}),  # type: ignore[arg-type]
        KINDS,
        lambda: next(ticks),
    )


def frame(*spots: tuple[int, int, int, int, float], part_id: int = 7) -> Frame:
    """Severity 0, with rectangles (left, top, right, bottom, severity)."""
    pixels = np.zeros((64, 96), np.uint8)
    for left, top, right, bottom, severity in spots:
        pixels[top:bottom, left:right] = round(severity / SCALE)
    return Frame(part_id, part_id, 0, 0, pixels)


def test_a_clean_part_passes_and_the_classifier_is_not_asked() -> None:
    names = Names("hole")
    inspection = inspector(names, steps()).examine(frame((10, 10, 20, 20, 3.9)))
    verdict = inspection.verdict
    assert (verdict.part_id, verdict.decision, verdict.reason) == (7, Decision.PASS, "clean")
    assert verdict.defects == ()
    assert verdict.peak_severity == pytest.approx(3.9)
    assert names.asked == []
    assert inspection.components is None
    assert not inspection.defect_mask(64, 96).any()
    # 4 readings: before and after detect, after the filter, at the end.
    assert verdict.timings == Timings(1, 2, 0, 0, 4)


def test_every_step_of_a_defective_part_is_timed_and_nothing_twice() -> None:
    clock = steps()
    verdict = inspector(Names("hole"), clock).inspect(frame((10, 10, 20, 20, 6)))
    assert verdict.timings is not None
    assert verdict.timings == Timings(1, 2, 4, 8, 16)
    assert verdict.timings.total_us == 31


def test_a_defect_rejects_and_stands_where_it_is() -> None:
    verdict = inspector().inspect(frame((10, 20, 30, 28, 6)))
    assert verdict.decision is Decision.REJECT
    # 20 × 8 less the four corner pixels: 9/16 of 6, interpolated with sound cells, is below 4.
    assert verdict.reason == "hole: 1 of severity up to 6.0, the worst 156 px"
    (defect,) = verdict.defects
    box = defect.region.box
    assert abs(box.left - 10) <= 1
    assert abs(box.right - 30) <= 1
    assert abs(box.top - 20) <= 1
    assert abs(box.bottom - 28) <= 1


def test_the_mask_of_an_inspection_is_what_was_reported() -> None:
    """Three regions; the second most severe is background and stays out of the mask."""
    some = frame((8, 8, 16, 16, 10), (40, 8, 48, 16, 8), (72, 40, 80, 48, 6))
    inspection = inspector(Names("hole", None, "hole")).examine(some)
    assert inspection.defect_labels == (1, 3)
    mask = inspection.defect_mask(64, 96)
    assert mask.shape == (64, 96)
    assert mask.dtype == np.uint8
    assert set(np.unique(mask)) == {0, 255}
    expected = np.zeros((64, 96), np.uint8)
    for defect in inspection.verdict.defects:
        box = defect.region.box
        expected[box.top : box.bottom, box.left : box.right] = 255  # the spots are rectangles
        inside = mask[box.top : box.bottom, box.left : box.right]
        assert int((inside > 0).sum()) == defect.region.area_px
    assert (mask <= expected).all()
    assert int((mask > 0).sum()) == sum(d.region.area_px for d in inspection.verdict.defects)


def test_regions_classified_as_background_pass() -> None:
    verdict = inspector(Names(None)).inspect(frame((10, 10, 20, 20, 6)))
    assert (verdict.decision, verdict.reason) == (Decision.PASS, "1 classified as background")


def crowd(count: int) -> Frame:
    spots = [
        (4 + 12 * (i % 7), 4 + 12 * (i // 7), 8 + 12 * (i % 7), 8 + 12 * (i // 7), 6 + i / 10)
        for i in range(count)
    ]
    return frame(*spots)


def test_a_crowded_frame_is_rejected_even_if_some_regions_are_background() -> None:
    names = Names(None)
    verdict = inspector(names, max_regions=5).inspect(crowd(6))
    assert (verdict.decision, verdict.reason) == (Decision.REJECT, "more than 5 regions")
    assert [len(regions) for regions in names.asked] == [5]
    worst = [region.peak_severity for region in names.asked[0]]
    assert worst == sorted(worst, reverse=True)
    assert worst[-1] > 6.05  # the least severe of the six was left out


def test_a_frame_of_just_so_many_regions_is_not_crowded() -> None:
    verdict = inspector(Names(None), max_regions=6).inspect(crowd(6))
    assert (verdict.decision, verdict.reason) == (Decision.PASS, "6 classified as background")


def test_a_crowded_frame_with_a_defect_keeps_the_defects_reason() -> None:
    verdict = inspector(Names("hole"), max_regions=5).inspect(crowd(6))
    assert verdict.reason.startswith("hole: 5 of severity")


def test_noise_all_over_is_never_passed() -> None:
    """Every second cell is severe. Joined, the cells could be rated as background."""
    pixels = np.zeros((512, 512), np.uint8)
    pixels[::4, ::4] = pixels[1::4, ::4] = pixels[::4, 1::4] = pixels[1::4, 1::4] = 240
    manifest = detector_manifest(512, 512)
    ticks = itertools.count(0, 1000)
    chain = Inspector(
        regression(GreyEngine(512, 512), manifest),
        Names(None),
        ChainManifest(threshold=6.0, max_regions=1000),
        KINDS,
        lambda: next(ticks),
    )
    verdict = chain.inspect(Frame(1, 1, 0, 0, pixels))
    assert (verdict.decision, verdict.reason) == (Decision.REJECT, "more than 1000 regions")


def test_the_join_distance_is_the_bundles() -> None:
    spots = frame((10, 10, 20, 20, 6), (26, 10, 36, 20, 6))
    assert len(inspector(join_px=4.0).inspect(spots).defects) == 2
    assert len(inspector(join_px=12.0).inspect(spots).defects) == 1


def test_the_threshold_is_the_bundles() -> None:
    spot = frame((10, 10, 20, 20, 6))
    assert inspector(threshold=6.0).inspect(spot).decision is Decision.REJECT
    assert inspector(threshold=6.01).inspect(spot).decision is Decision.PASS


def test_pixels_that_cannot_be_used_raise() -> None:
    with pytest.raises(FrameError):
        inspector().inspect(Frame(1, 1, 0, 0, np.zeros((4, 4), np.uint8)))


def test_the_score_ranks_frames_by_the_whole_chain() -> None:
    """Reported, dropped and clean frames rank in this order, each by severity less doubt."""
    severe, faint = frame((10, 10, 20, 20, 9.0)), frame((10, 10, 20, 20, 3.0))
    peak = inspector().inspect(severe).peak_severity
    assert peak > 8.0
    for doubt in (0.0, 0.25, 1.0):
        reported = inspector(Names("hole", doubt=doubt)).inspect(severe)
        assert reported.score == pytest.approx(4.0 + (peak - 4.0) * (1.0 - doubt))
        assert reported.decision is Decision.REJECT
        dropped = inspector(Names(None, doubt=doubt)).inspect(severe)
        assert dropped.score == pytest.approx(4.0 * (1.0 - doubt))
        assert dropped.peak_severity == peak
    clean = inspector().inspect(faint)
    assert clean.score == clean.peak_severity < 4.0


def test_the_score_is_of_the_region_least_in_doubt() -> None:
    doubts = iter([0.9, 0.1])

    class Unsure(Names):
        def classify(
            self, pixels: np.ndarray, regions: tuple[Region, ...]
        ) -> tuple[Defect | Dropped, ...]:
            return tuple(Defect(region, "hole", 0.5, doubt=next(doubts)) for region in regions)

    verdict = inspector(Unsure()).inspect(frame((8, 8, 16, 16, 10), (40, 8, 48, 16, 8)))
    worst, second = (defect.region.peak_severity for defect in verdict.defects)
    assert worst > second
    assert verdict.score == pytest.approx(4.0 + (second - 4.0) * 0.9)


def test_regions_that_cannot_reject_crowd_no_frame() -> None:
    """The least severe of six has 6.1; with five regions at most, it is not classified."""
    for severity, decision in ((6.0, Decision.REJECT), (6.3, Decision.PASS)):
        chain = inspector(Names(None), max_regions=5, reject_severity=severity)
        assert chain.inspect(crowd(6)).decision is decision
