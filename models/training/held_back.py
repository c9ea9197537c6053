"""The float chain of a run on its held-back pictures: limits of the decision, and figures."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from edge.bundle import ChainManifest, KindManifest
from edge.chain.decide import severity_of
from edge.chain.detect import Detector
from edge.chain.inspector import Inspection, Inspector
from edge.records import Decision, Frame
from models.evaluation.evaluate import evaluate
from models.evaluation.float_chain import float_inspector
from models.evaluation.interval import percent
from models.evaluation.metrics import summarise
from models.evaluation.part_threshold import (
    ScoredPart,
    search_part_threshold,
    search_part_threshold_within,
)
from models.evaluation.promise import FalseRejectPromise, allowed_of
from models.evaluation.reject_severity import (
    WorstDefect,
    above_threshold,
    search_balanced_severity,
    search_reject_severity,
)
from models.methods.registry import decides_by_t
from models.networks import BlockClassifier
from models.runs.preparation import Preparation
from models.training.progress import stage, track

log = logging.getLogger(__name__)

_NOTHING_REJECTED = (
    "within %s false rejects every held-back defective part would pass, so escapes and false "
    "rejects are weighed alike; look at the good parts with the highest severity, because one of "
    "them may be defective"
)
NEAR_PX = 4.0  # of a drawn pixel: the chain joins nearer regions, so they are its rim


@dataclass(frozen=True, slots=True)
class HeldBackChain:
    """Detector and classifier of a run. detected: stores its maps, for several evaluations."""

    prepared: Preparation
    detected: Detector
    classifier: BlockClassifier | None
    keep_severity: float

    @property
    def good(self) -> int:
        """The number of held-back pictures of good parts."""
        return sum(picture.sample.is_good for picture in self.prepared.held_back)

    def with_limits(self, chain: ChainManifest, *, is_drawn: bool) -> ChainManifest:
        """Return a chain with the reject severity and the part threshold that decide.

        The recipe sets them, or they are searched. is_drawn: a held-back defect is drawn, so that T
        has the best mean IoU.
        """
        recipe = self.prepared.record.recipe
        severity = recipe.chain.reject_severity
        if severity is None and is_drawn and not decides_by_t(recipe):
            severity = self.search_reject_severity(chain, recipe.chain.limit)
        severity = above_threshold(severity, chain.threshold)
        chain = chain.model_copy(update={"reject_severity": severity})
        if not recipe.decides:
            return chain
        score = self.search_part_threshold(chain, recipe.chain.limit)
        return chain.model_copy(update={"part_threshold": score})

    def promise(
        self, chain: ChainManifest, metrics: Mapping[str, float], *, silent: bool
    ) -> FalseRejectPromise | None:
        """Return what the held-back good parts prove of the limits that were searched.

        None without a limit of false rejects, without a good part, or where the recipe sets what
        decides. metrics: of the chain. silent: the map has learned no defect, and rejects nothing.
        """
        recipe, good = self.prepared.record.recipe, self.good
        limit = recipe.chain.limit
        fixed = recipe.chain.threshold if decides_by_t(recipe) else recipe.chain.reject_severity
        if limit is None or not good or fixed is not None:
            return None
        cuts = int(not silent) + int(chain.part_threshold is not None)
        rejected = max(allowed_of(limit, good), int(metrics["false_rejects"]))
        return FalseRejectPromise(limit, good, rejected, max(cuts, 1))

    def search_reject_severity(self, chain: ChainManifest, limit: float | None) -> float | None:
        """Return the severity from which a defect should reject, or None for every defect.

        limit: of the share of good parts that are rejected, 0 to 1; None weighs escapes and false
        rejects alike. Where no part is good, the limit cannot be applied, and the surface beside
        the drawn defects stands for one. It is not kept either where every defective part would
        escape within it, and no decision head can reject one.
        """
        inspector = self._inspector(chain, self.classifier)
        pictures = self.prepared.held_back
        has_good = any(picture.sample.is_good for picture in pictures)
        parts = []
        for picture in track(pictures, "searching from which severity a defect rejects"):
            inspection = inspector.examine(Frame.from_array(picture.pixels))
            severities = _severities(inspection, chain.threshold)
            if has_good or picture.sample.unmasked:
                worst = max(severities.values(), default=0.0)
                parts.append(WorstDefect(not picture.sample.is_good, worst))
                continue
            near = _labels_near(inspection, picture.kind_map > 0)
            for is_drawn in (True, False):
                some = (value for at, value in severities.items() if (at in near) is is_drawn)
                parts.append(WorstDefect(is_drawn, max(some, default=0.0)))
        best = search_balanced_severity(parts, chain.threshold)
        if limit is not None and has_good:
            within = search_reject_severity(parts, chain.threshold, allowed_of(limit, self.good))
            defective = [part.severity for part in parts if part.is_defective]
            decides = self.prepared.record.recipe.decides
            if within is None or decides or not defective or max(defective) >= within:
                best = within
            else:
                log.warning(_NOTHING_REJECTED, percent(limit))
        if best is None:
            log.info("reject severity = none: every reported defect rejects")
        else:
            log.info("reject severity = %.1f: less severe defects are reported only", best)
        return best

    def search_part_threshold(self, chain: ChainManifest, limit: float | None) -> float | None:
        """Return the score from which a part should be rejected, beside the regions of the map.

        limit: of the share of good parts that regions and score reject together, 0 to 1; None for
        the fewest wrong verdicts, also where every defective part would escape within the limit.
        None where no rule by the score helps.
        """
        inspector = self._inspector(chain, self.classifier)
        parts = [
            ScoredPart(
                not picture.sample.is_good,
                verdict.decision is Decision.REJECT,
                verdict.part_score or 0.0,
            )
            for picture in self.prepared.held_back
            for verdict in (inspector.inspect(Frame.from_array(picture.pixels)),)
        ]
        best, reason = search_part_threshold(parts), "the fewest wrong verdicts"
        if limit is not None and self.good:
            by_regions = sum(part.is_rejected and not part.is_defective for part in parts)
            allowed = max(allowed_of(limit, self.good) - by_regions, 0)
            within = search_part_threshold_within(parts, allowed)
            rejects = any(part.is_rejected and part.is_defective for part in parts)
            if within is not None or rejects or best is None:
                best, reason = within, f"the fewest escapes within {percent(limit)} false rejects"
            else:
                log.warning(_NOTHING_REJECTED, percent(limit))
        if best is None:
            log.info("part threshold = none: the score of a part ranks, and does not reject")
        else:
            log.info("part threshold = %.2f, for %s on the held-back parts", best, reason)
        return best

    def metrics(self, chain: ChainManifest) -> dict[str, dict[str, float]]:
        """Return the figures by chain: with the classifier, and without it where there is one."""
        metrics = {"float": self._measured(chain, self.classifier)}
        if self.classifier is not None:
            metrics["float without classifier"] = self._measured(chain, None)
        return metrics

    def _measured(
        self, chain: ChainManifest, classifier: BlockClassifier | None
    ) -> dict[str, float]:
        inspector = self._inspector(chain, classifier)
        with stage("measuring the chain on the held-back pictures"):
            kinds = self.prepared.dataset.kinds
            return summarise(evaluate(inspector, self.prepared.held_back, kinds)).as_dict()

    def _inspector(self, chain: ChainManifest, classifier: BlockClassifier | None) -> Inspector:
        dataset = self.prepared.dataset
        return float_inspector(
            self.detected,
            classifier,
            dataset.channels,
            chain,
            tuple(KindManifest(name=kind) for kind in dataset.kinds),
            keep_severity=self.keep_severity,
        )


def _severities(inspection: Inspection, threshold: float) -> dict[int, float]:
    """Return the severity of each reported defect, by its label. threshold: T."""
    pairs = zip(inspection.defect_labels, inspection.verdict.defects, strict=True)
    return {label: severity_of(each.region, each.doubt, threshold) for label, each in pairs}


def _labels_near(inspection: Inspection, drawn: npt.NDArray[np.bool_]) -> set[int]:
    """Return the labels of regions within NEAR_PX of a drawn pixel. drawn: bool H×W."""
    found = inspection.components
    if found is None:
        return set()
    far = cv2.distanceTransform((~drawn).view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    height, width = found.labels.shape
    window = np.s_[found.top : found.top + height, found.left : found.left + width]
    return set(np.unique(found.labels[far[window] <= NEAR_PX]).tolist())
