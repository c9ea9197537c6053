"""The routes of retraining, the cheapest first: threshold, classifier, detector, method.

threshold: only T and keep_severity change.
classifier: the block classifier is trained further on pictures with the new appearance
(models/feedback/appearance_transfer.py). Regions on good parts are background, and known defects
keep their kind. In each escape without masks, the region with the highest severity gets its most
likely kind. Bad parts with masks are annotated pictures for the classifier and the detector.
detector: the detector is trained further on the same pictures, then the classifier.
method: the detector is trained from the start by the recipe, on the old and the new pictures.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil, inf
from typing import Literal

from edge.bundle import ChainManifest, KindManifest
from edge.chain.classify import BACKGROUND, BlockVote, majority
from edge.chain.components import components
from edge.chain.detect import Detector
from edge.chain.filter import apply_threshold
from edge.records import SeverityMap
from models.data.dataset import DataError
from models.evaluation.float_chain import RunOnce, TorchBlocks, detector_of
from models.evaluation.tradeoff.sweep import GRID
from models.feedback.appearance_transfer import training_pictures
from models.feedback.dataset import FeedbackDataset
from models.feedback.operating_grid import OperatingGrid, find_operating_grid
from models.feedback.settings import (
    FeedbackFacts,
    FeedbackSettings,
    Limits,
    Shortfall,
    choose_settings,
    decisions,
    left_out_right,
    mistakes,
)
from models.methods.base import TrainedMethod, TrainingTask
from models.methods.file_detector import FileDetector
from models.methods.registry import METHODS
from models.networks import BlockClassifier, DetectorNetwork
from models.runs.run import Run
from models.training.alignment import align_pictures
from models.training.blocks import LabelledRegion, collect_regions
from models.training.classifier import train_classifier
from models.training.device import CPU, TrainingDevice
from models.training.patches import Picture, find_truncate
from models.training.progress import stage, track
from models.training.recipe import Recipe

log = logging.getLogger(__name__)

Route = Literal["threshold", "classifier", "detector", "method"]
ROUTES: tuple[Route, ...] = ("threshold", "classifier", "detector", "method")
# A smaller learning rate, so that the classifier does not forget the old parts. The number of steps
# is that of the recipe, and half of the regions are from marked parts. With a third of both, 4 of
# 10 marked parts were still rejected, and more of the synthetic bad parts were passed.
FURTHER_RATE = 0.5
FURTHER_STEPS = 2  # times the recipe's; with half as many, 32 of 200 bad parts passed, not 23
MARKED_SHARE = 0.5  # of the regions of a label; the few marked parts are repeated


@dataclass(frozen=True, slots=True)
class RouteCandidate:
    """The result of a route: networks and settings that could replace the old ones.

    Attributes:
        route: the route.
        detector: the detector.
        classifier: the block classifier; None where the run has none.
        settings: chosen on ``FeedbackDataset.selection``.
        wrong: number of wrong verdicts on the learned marked parts, in float.
        left_out: right verdicts and number of parts by leaving one out; None where the networks
            were trained on the marked parts.
        detector_loss: the loss curve of the detector.
        classifier_loss: the loss curve of the classifier.
    """

    route: Route
    detector: DetectorNetwork | FileDetector
    classifier: BlockClassifier | None
    settings: FeedbackSettings
    wrong: int
    left_out: tuple[int, int] | None
    detector_loss: tuple[tuple[int, float], ...]
    classifier_loss: tuple[tuple[int, float], ...]


def routes_of(feedback: FeedbackDataset) -> tuple[Route, ...]:
    """Return the default routes of a run.

    A detector that learns from drawn defects is trained further. A detector that learns from good
    parts is trained from the start.
    """
    routes: list[Route] = ["threshold"]
    if feedback.record.recipe.classifier.enabled:
        routes.append("classifier")
    good_only = METHODS[feedback.record.recipe.method].good_only
    routes.append("method" if good_only else "detector")
    return tuple(routes)


def follow(
    route: Route,
    feedback: FeedbackDataset,
    limits: Limits,
    scratch: Run,
    device: TrainingDevice = CPU,
) -> RouteCandidate | Shortfall:
    """Follow a route. Returns a shortfall where no settings are within the limits.

    scratch: a run's folder for checkpoints. device: on which networks learn. Blocks for seconds
    (threshold) to hours (method). Raises DataError.
    """
    detector, classifier = feedback.run.load_detector(), feedback.run.load_classifier()
    detector_loss = feedback.result.detector_loss
    classifier_loss = feedback.result.classifier_loss
    with stage("generating pictures with the new appearance"):
        made = () if route == "threshold" else _training_pictures(feedback)
    if route in ("detector", "method"):
        trained = _detector(route, feedback, made, detector, scratch, device)
        detector, detector_loss = trained.detector, tuple(trained.loss)
    channels = feedback.record.channels
    plain = detector_of(detector, channels, feedback.record.alignment)
    run_once = RunOnce(plain)
    if classifier is not None and route != "threshold":
        anew = route == "method"
        classifier, loss = _classifier(
            feedback, made, plain, classifier, scratch, device, anew=anew
        )
        classifier_loss = tuple(loss)
    vote = None if classifier is None else _vote(classifier, feedback)
    search = _search(run_once, vote, feedback, limits)
    grid, old, chosen = search.grid, search.old, search.chosen
    if isinstance(chosen, Shortfall):
        return chosen
    wrong = mistakes(decisions(grid, chosen), feedback.facts)
    log.info(
        "learn route=%s settings=%s wrong=%s of %s", route, chosen, wrong, len(feedback.learned)
    )
    return RouteCandidate(
        route,
        detector,
        classifier,
        chosen,
        wrong,
        None
        if route != "threshold"
        else left_out_right(grid, feedback.facts, old, limits, classified=vote is not None),
        detector_loss,
        classifier_loss,
    )


@dataclass(frozen=True, slots=True)
class _Search:
    """The grid, the old settings on it, and the chosen ones or the shortfall."""

    grid: OperatingGrid
    old: FeedbackSettings
    chosen: FeedbackSettings | Shortfall

    def escapes(self, facts: FeedbackFacts) -> float:
        """Return the number of marked bad parts that would pass; infinite for a shortfall."""
        if isinstance(self.chosen, Shortfall):
            return inf
        passed = ~decisions(self.grid, self.chosen)
        return int((passed & facts.bad & facts.marked).sum())


def _search(
    detector: Detector, vote: BlockVote | None, feedback: FeedbackDataset, limits: Limits
) -> _Search:
    """Search for settings with the reject severity of the old bundle, and then without one.

    It is dropped where there are no settings with it, or where fewer of the parts that were marked
    as escapes pass without it.
    """
    kept = _search_from(feedback.old, detector, vote, feedback, limits)
    if feedback.old.reject_severity is None or kept.escapes(feedback.facts) == 0:
        return kept
    without = replace(feedback.old, reject_severity=None)
    dropped = _search_from(without, detector, vote, feedback, limits)
    return min((kept, dropped), key=lambda search: search.escapes(feedback.facts))


def _search_from(
    old: FeedbackSettings,
    detector: Detector,
    vote: BlockVote | None,
    feedback: FeedbackDataset,
    limits: Limits,
) -> _Search:
    chain = ChainManifest(
        threshold=old.threshold,
        join_px=feedback.result.join_px,
        reject_severity=old.reject_severity,
    )
    thresholds = sorted({*GRID, old.threshold})
    grid = find_operating_grid(detector, vote, chain, feedback.selection, thresholds)
    classified = vote is not None
    return _Search(
        grid, old, choose_settings(grid, feedback.facts, old, limits, classified=classified)
    )


def _vote(classifier: BlockClassifier, feedback: FeedbackDataset) -> BlockVote:
    kinds = tuple(KindManifest(name=kind) for kind in feedback.record.kinds)
    channels = feedback.record.channels
    return BlockVote(TorchBlocks(classifier, channels), classifier.size_px, channels, kinds)


def _detector(
    route: Route,
    feedback: FeedbackDataset,
    made: tuple[Picture, ...],
    old: DetectorNetwork | FileDetector,
    scratch: Run,
    device: TrainingDevice,
) -> TrainedMethod:
    """Train the detector further or from the start. Raises DataError where the method cannot."""
    method = METHODS[feedback.record.recipe.method]
    pictures = (*feedback.train, *(feedback.learned_good if method.by_place else made))
    if route == "method":
        return method.train(_task(feedback, pictures, feedback.record.recipe, scratch, device))
    if method.further is None or isinstance(old, FileDetector):
        raise DataError(
            f"route detector: {feedback.record.recipe.method} cannot be trained further; "
            "use the route method"
        )
    recipe = feedback.record.recipe
    options = recipe.detector.model_copy(
        # The checks use parts with the old appearance, on which the old network is the best.
        update={"steps": FURTHER_STEPS * recipe.detector.steps, "start": None, "checks": 0}
    )
    truncate = find_truncate(feedback.train, options.resolution, recipe.labels)
    labels = recipe.labels.model_copy(update={"truncate": truncate})
    recipe = recipe.model_copy(update={"detector": options, "labels": labels})
    return method.further(_task(feedback, pictures, recipe, scratch, device), old)


def _task(
    feedback: FeedbackDataset,
    pictures: tuple[Picture, ...],
    recipe: Recipe,
    scratch: Run,
    device: TrainingDevice,
) -> TrainingTask:
    alignment = feedback.record.alignment
    return TrainingTask(
        pictures=align_pictures(pictures, alignment),
        held_back=align_pictures(feedback.validation, alignment),
        kinds=feedback.dataset.kinds,
        channels=feedback.record.channels,
        recipe=recipe,
        checkpoint=scratch.detector_checkpoint,
        device=device,
    )


def _training_pictures(feedback: FeedbackDataset) -> tuple[Picture, ...]:
    made = training_pictures(
        feedback.train, feedback.learned_good, feedback.novel_regions, feedback.record.recipe.seed
    )
    drawn = feedback.learned_drawn
    if not drawn or METHODS[feedback.record.recipe.method].good_only:
        return made
    # As marked good parts: repeated to about half of the training pictures.
    return (*made, *drawn * max(len(feedback.train) // len(drawn) // 2, 1))


def _classifier(
    feedback: FeedbackDataset,
    made: tuple[Picture, ...],
    detector: Detector,
    old: BlockClassifier,
    scratch: Run,
    device: TrainingDevice,
    *,
    anew: bool,
) -> tuple[BlockClassifier, list[tuple[int, float]]]:
    """Train the old classifier further; train a new one where the detector is new."""
    record = feedback.record
    # Without the old pictures, defects beside the new appearance would be background as well.
    drawn = (*feedback.train, *made)
    pictures = (*drawn, *feedback.escapes)
    progress = track(pictures, "detecting regions on all pictures")
    maps = tuple(_map(detector, picture) for picture in progress)
    threshold, join_px = feedback.old.threshold, feedback.result.join_px
    # An escape has no mask, so ``collect_regions`` would call its defect background.
    regions = collect_regions(drawn, maps[: len(drawn)], threshold, join_px)
    vote = _vote(old, feedback)
    marked = [
        region
        for number in range(len(drawn), len(pictures))
        for region in _most_severe(number, pictures[number], maps[number], vote, threshold, join_px)
    ]
    marked += [region for region in regions if region.picture >= len(feedback.train)]
    others = [region for region in regions if region.picture < len(feedback.train)]
    recipe = record.recipe
    if not anew:
        rate = recipe.classifier.learning_rate * FURTHER_RATE
        options = recipe.classifier.model_copy(update={"learning_rate": rate})
        recipe = recipe.model_copy(update={"classifier": options})
    return train_classifier(
        pictures,
        _weighted(others, marked),
        len(record.kinds),
        record.channels,
        recipe,
        scratch.classifier_checkpoint,
        None if anew else old,
        device=device,
    )


def _map(detector: Detector, picture: Picture) -> SeverityMap:
    severity = detector.detect(picture.pixels)
    return replace(severity, values=severity.values.copy())


def _most_severe(
    number: int,
    picture: Picture,
    severity: SeverityMap,
    vote: BlockVote,
    threshold: float,
    join_px: float,
) -> list[LabelledRegion]:
    """Return the first region of an escape at T, or at T / 2, with its most likely kind.

    The kind is never background. Returns an empty list where the detector reports no region; then
    the classifier cannot help.
    """
    for level in (threshold, threshold / 2):
        mask = apply_threshold(severity, level, *picture.kind_map.shape)
        if mask is not None:
            region = components(mask, join_px).regions[0]
            scores = vote.scores(picture.pixels, (region,))[0]
            label = 1 + BACKGROUND + majority(scores[:, 1 + BACKGROUND :])
            return [LabelledRegion(number, region.box, label)]
    return []


def _weighted(
    regions: Sequence[LabelledRegion], marked: Sequence[LabelledRegion]
) -> tuple[LabelledRegion, ...]:
    """Return all regions. Marked ones are repeated up to MARKED_SHARE of their label."""
    weighted = list(regions)
    for label in sorted({region.label for region in marked}):
        some = [region for region in marked if region.label == label]
        others = sum(region.label == label for region in regions)
        count = max(len(some), ceil(others * MARKED_SHARE / (1 - MARKED_SHARE)))
        weighted += [some[i % len(some)] for i in range(count)]
    return tuple(weighted)
