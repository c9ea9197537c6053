"""The inspector: the five steps of the chain in order, with the time of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.bundle import ChainManifest, KindManifest
from edge.chain.classify import Classifier
from edge.chain.components import Components, components
from edge.chain.decide import decide, decide_part, is_crowded, joint_score, score
from edge.chain.detect import Detector
from edge.chain.filter import apply_threshold
from edge.chain.outline import with_outlines
from edge.chain.stripes.bands import BandedMask
from edge.chain.stripes.regions import BANDED_FROM_PX, LargeComponents, large_components
from edge.records import Decision, Defect, Frame, SeverityMap, Timings, Verdict

_POWERS_OF_2 = (1, 2, 4, 8, 16)  # strides; for others the interpolation depends on the place


@dataclass(frozen=True, slots=True)
class Inspection:
    """A verdict with the severity map and the regions behind it, for tools that show them.

    severity: valid until the next frame. components: None where no pixel reaches the threshold.
    defect_labels: labels in ``components`` of verdict.defects, in the same order.
    """

    verdict: Verdict
    severity: SeverityMap
    components: Components | LargeComponents | None
    defect_labels: tuple[int, ...]

    def defect_mask(self, height: int, width: int) -> NDArray[np.uint8]:
        """Return a mask, uint8 height×width: 255 at the pixels of reported defects, else 0."""
        mask = np.zeros((height, width), np.uint8)
        if self.components is not None:
            for label in self.defect_labels:
                box = self.components.regions[label - 1].box
                place = mask[box.top : box.bottom, box.left : box.right]
                place[self.components.mask_of(label) > 0] = 255
        return mask


class Inspector:
    """The chain of He & Liu 2020 (severity, threshold, regions, kinds) and the decision after it.

    ``edge.load_inspector`` makes one from a bundle. An inspector starts no thread, except those
    that share the stripes of a large frame. Only one thread at a time may use it. For several
    threads load one inspector for each. The same frame gives the same verdict, apart from its
    timings.
    """

    def __init__(
        self,
        detector: Detector,
        classifier: Classifier,
        chain: ChainManifest,
        kinds: tuple[KindManifest, ...],
        now_ns: Callable[[], int],
    ) -> None:
        """now_ns: the clock that times the steps, in nanoseconds; the chain uses no other."""
        self._detector = detector
        self._classifier = classifier
        self._chain = chain
        self._kinds = kinds
        self._now_ns = now_ns

    def inspect(self, frame: Frame) -> Verdict:
        """Return the verdict of one frame. ``Frame.from_array`` makes a frame from an array.

        Blocks while the networks run. Raises FrameError for a frame that the detector of the bundle
        cannot inspect, for example one with a side under 16 px.
        """
        return self.examine(frame).verdict

    def examine(self, frame: Frame) -> Inspection:
        """Return the verdict of one frame with the severity map and the regions behind it.

        Blocks and raises as ``inspect`` does. The map is valid until the next call.
        """
        now = self._now_ns
        height, width = frame.pixels.shape[:2]
        t0 = now()
        severity = self._detector.detect(frame.pixels)
        t1 = now()
        clusters: Components | LargeComponents | None
        if height * width >= BANDED_FROM_PX and severity.stride_px in _POWERS_OF_2:
            # The filter is calculated in bands, together with the regions.
            banded = BandedMask.of(severity, self._chain.threshold, height, width)
            t2 = now()
            clusters = None if banded is None else large_components(banded, self._chain.join_px)
        else:
            mask = apply_threshold(severity, self._chain.threshold, height, width)
            t2 = now()
            clusters = None if mask is None else components(mask, self._chain.join_px)
        if clusters is None:
            return self._clean(frame, severity, t0, t1, t2)
        t3 = now()
        crowded = is_crowded(clusters.regions, self._chain)
        named = self._classifier.classify(frame.pixels, clusters.regions[: self._chain.max_regions])
        t4 = now()
        labels = tuple(i for i, each in enumerate(named, start=1) if isinstance(each, Defect))
        defects = tuple(each for each in named if isinstance(each, Defect))
        decision, reason = decide(defects, len(named), self._kinds, self._chain)
        if crowded and decision is Decision.PASS:
            # Not every region that may reject was classified, so the part may not pass.
            decision = Decision.REJECT
            reason = f"more than {self._chain.max_regions} regions"
        by_score = decide_part(severity.part_score, self._chain.part_threshold)
        if by_score is not None and decision is Decision.PASS:
            decision, reason = Decision.REJECT, by_score
        if severity.unmatched:
            # The frame shows another part. The classifier cannot detect that.
            decision, reason = Decision.REJECT, severity.unmatched
        peak = severity.peak()
        # With too many regions the peak may belong to one that was not classified.
        ranked = (
            peak if crowded or severity.unmatched else score(named, peak, self._chain.threshold)
        )
        ranked = self._joint(ranked, severity)
        defects = with_outlines(defects, clusters, labels)
        t5 = now()
        timings = Timings(
            (t1 - t0) / 1e3, (t2 - t1) / 1e3, (t3 - t2) / 1e3, (t4 - t3) / 1e3, (t5 - t4) / 1e3
        )
        verdict = Verdict(
            frame.part_id, decision, reason, defects, peak, timings, ranked, severity.part_score
        )
        return Inspection(verdict, severity, clusters, labels)

    def _joint(self, by_regions: float, severity: SeverityMap) -> float:
        return joint_score(by_regions, severity.part_score, self._chain)

    def _clean(self, frame: Frame, severity: SeverityMap, t0: int, t1: int, t2: int) -> Inspection:
        """Return the result for a frame without a pixel at or above the threshold."""
        decision, reason = decide((), 0, self._kinds, self._chain)
        by_score = decide_part(severity.part_score, self._chain.part_threshold)
        if by_score is not None:
            decision, reason = Decision.REJECT, by_score
        peak = severity.peak()
        ranked = self._joint(score((), peak, self._chain.threshold), severity)
        t5 = self._now_ns()
        timings = Timings((t1 - t0) / 1e3, (t2 - t1) / 1e3, 0.0, 0.0, (t5 - t2) / 1e3)
        verdict = Verdict(
            frame.part_id, decision, reason, (), peak, timings, ranked, severity.part_score
        )
        return Inspection(verdict, severity, None, ())
