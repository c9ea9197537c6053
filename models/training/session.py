"""A training run, from a folder of pictures to files that `make export` can pack.

The steps are detector, T, classifier and evaluation. A run that was killed continues from its last
checkpoints. Methods that learn from good parts use defective parts for evaluation only.
"""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from edge.bundle import ChainManifest, KindManifest
from edge.chain.classify import KEEP_NONE, BlockVote
from edge.chain.detect import Detector
from edge.records import SeverityMap
from models.data.dataset import DataError
from models.distillation.teacher import Guide
from models.evaluation.float_chain import RunOnce, TorchBlocks, detector_of
from models.evaluation.interval import percent
from models.evaluation.keep_severity import search_background
from models.evaluation.threshold import (
    GRID,
    LEAST_MARKED,
    MOST_FALSE_ALARMS,
    ThresholdSearch,
    search_threshold,
)
from models.methods.base import TrainedMethod, TrainingTask
from models.methods.registry import METHODS, decides_by_t
from models.networks import BlockClassifier, DetectorNetwork
from models.runs.preparation import Preparation, keep_sides, prepare
from models.runs.run import CurvePoint, Run, RunRecord, RunResult
from models.training.alignment import align_pictures
from models.training.blocks import collect_regions
from models.training.classifier import train_classifier
from models.training.device import CPU, TrainingDevice
from models.training.estimate import PictureSides, measure_slowness, phases_of
from models.training.forecast import forecast, phase
from models.training.held_back import HeldBackChain
from models.training.patches import Picture, set_t_by
from models.training.progress import stage, track
from models.training.recipe import Recipe

log = logging.getLogger(__name__)


def train_folder(
    data: Path,
    recipe: Recipe | None,
    out: Path,
    groups: str | None = None,
    begun: Run | None = None,
    max_false_rejects: float | None = None,
    *,
    device: TrainingDevice = CPU,
) -> RunResult:
    """Train what the recipe names on a data folder. Block for minutes to hours.

    A call that was killed continues when it is made again. recipe: None chooses one for regression
    from the data (models/training/auto.py) and logs the reasons. groups: in place of the recipe's
    split.groups. begun: a finished run of the same method, whose network learns further; then
    recipe None is that of this run. max_false_rejects: of the chosen recipe, where recipe and begun
    are None. device: on which networks learn. Raises DataError for data that cannot be trained on,
    and for a method that cannot learn further.
    """
    if begun is None:
        prepared = prepare(data, recipe, groups, max_false_rejects=max_false_rejects)
        return train_run(prepared, Run(out), device=device)
    earlier = begun.record()
    prepared = keep_sides(prepare(data, recipe or earlier.recipe, groups), earlier)
    network = network_to_continue(begun, prepared.record)
    record = prepared.record.model_copy(
        update={"begun_from": begun.weights_sha256(), "budget": earlier.budget}
    )
    return train_run(replace(prepared, record=record), Run(out), network, device)


def train_run(
    prepared: Preparation,
    run: Run,
    begun: DetectorNetwork | None = None,
    device: TrainingDevice = CPU,
) -> RunResult:
    """Train on pictures that are read already, as ``train_folder`` does.

    begun: a network to train further; it is changed. device: on which networks learn; T, limits and
    figures are measured on the processor. Raises DataError when the run's folder holds another run.
    """
    began_s = time.monotonic()
    record = prepared.record
    run.begin(record)
    sides = PictureSides.of(prepared.pictures, prepared.held_back, record.alignment)
    with forecast(phases_of(record.recipe, sides, device, measure_slowness())):
        result = _train_run(prepared, run, begun, device)
    result = result.model_copy(update={"training_s": round(time.monotonic() - began_s, 1)})
    run.finish(result)
    return result


def _train_run(
    prepared: Preparation, run: Run, begun: DetectorNetwork | None, device: TrainingDevice
) -> RunResult:
    """Return the result of a run, without the time that it took."""
    record, dataset = prepared.record, prepared.dataset
    lines = [str(picture.sample.image_path.resolve()) for picture in prepared.held_back]
    run.validation_list.write_text("\n".join(lines) + "\n", encoding="utf-8")
    with phase("detector"):
        trained = _train_detector(prepared, run, begun, device)
    detector = detector_of(trained.detector, dataset.channels, record.alignment)
    detected = RunOnce(
        detector
    )  # the search for T, keep_severity and the figures need the same maps
    with phase("T"):
        search = _search_threshold(prepared, detected)
    learned = any(picture.kind_map.any() for picture in prepared.pictures)
    silent = record.recipe.decides and not learned and not record.recipe.learns_all
    threshold = record.recipe.chain.threshold or (float(GRID[-1]) if silent else search.best)
    log.info(
        "%s",
        _threshold_reason(
            threshold,
            search,
            record.recipe.chain.threshold is not None,
            _limit_of_t(prepared),
            silent=silent,
        ),
    )
    with phase("classifier"):
        classifier, classifier_loss = _train_classifier(prepared, run, detector, threshold, device)
    chain = ChainManifest(threshold=threshold, join_px=record.recipe.chain.join_px)
    with phase("figures"):
        keep_severity = _keep_severity(detected, classifier, prepared, chain)
        held_back = HeldBackChain(prepared, detected, classifier, keep_severity)
        chain = held_back.with_limits(chain, is_drawn=search.mean_iou is not None)
        metrics = held_back.metrics(chain)
    promise = held_back.promise(chain, metrics["float"], silent=silent)
    if promise is not None:
        log.info("operating point: %s", promise)
    height, width = _usual_size(prepared.pictures)
    return RunResult(
        threshold=threshold,
        join_px=record.recipe.chain.join_px,
        part_threshold=chain.part_threshold,
        reject_severity=chain.reject_severity,
        keep_severity=keep_severity,
        frame_height=height,
        frame_width=width,
        curve=curve_of(search),
        promise=promise,
        metrics=metrics,
        detector_loss=tuple(trained.loss),
        classifier_loss=tuple(classifier_loss),
    )


def network_to_continue(begun: Run, record: RunRecord) -> DetectorNetwork:
    """Return the network of a finished run, to be trained further for a new run.

    Raises DataError where it is of another kind, or where its method cannot learn further.
    """
    recipe, method = record.recipe, METHODS[record.recipe.method]
    network = begun.load_detector()
    if method.further is None or method.build is None:
        raise DataError(f"{begun.folder}: the method {recipe.method} cannot learn further")
    wanted = method.build(recipe, record.channels)
    if not isinstance(network, DetectorNetwork) or _shapes(network) != _shapes(wanted):
        raise DataError(
            f"{begun.folder}: holds another network; expected {recipe.detector_name} with the keys "
            f"of {recipe.name}, for {'grey' if record.channels == 1 else 'colour'} pictures"
        )
    return network


def _shapes(network: DetectorNetwork) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in network.state_dict().items()}


def _train_detector(
    prepared: Preparation, run: Run, begun: DetectorNetwork | None, device: TrainingDevice
) -> TrainedMethod:
    """Train by the recipe's method, and save the detector into the run's folder.

    One that an earlier call has trained completely is loaded.
    """
    known = run.trained_detector()
    if known is not None:
        return TrainedMethod(*known)
    recipe, alignment = prepared.record.recipe, prepared.record.alignment
    pictures = align_pictures(prepared.pictures, alignment)
    task = TrainingTask(
        pictures=pictures,
        held_back=align_pictures(prepared.held_back, alignment),
        kinds=prepared.dataset.kinds,
        channels=prepared.dataset.channels,
        recipe=recipe,
        checkpoint=run.detector_checkpoint,
        guide=_aligned_guide(prepared),
        device=device,
        trained=prepared.trained,
    )
    with stage(f"learning by the method {recipe.method} from {len(pictures)} pictures"):
        method = METHODS[recipe.method]
        if begun is None:
            trained = method.train(task)
        else:
            assert method.further is not None
            trained = method.further(task, begun)
    run.save_detector(trained.detector)
    run.finish_detector(trained.loss)
    return trained


def _aligned_guide(prepared: Preparation) -> Guide | None:
    """Return the guide, with its pictures as the detector sees them."""
    guide = prepared.guide
    if guide is None:
        return None
    return replace(guide, undrawn=align_pictures(guide.undrawn, prepared.record.alignment))


def _search_threshold(prepared: Preparation, detected: Detector) -> ThresholdSearch:
    """Search for T on the held-back pictures that have masks, or need none.

    For a method that learns from good parts, also on those that are only marked defective. Where
    boxes alone show the defects, their estimated outlines count.
    """
    recipe = prepared.record.recipe
    good_only = METHODS[recipe.method].good_only
    pictures = _with_masks(prepared)
    marked = [picture for picture in prepared.held_back if picture.sample.unmasked]
    if not good_only or len(marked) < LEAST_MARKED:
        marked = []
    pictures = set_t_by(pictures)
    return search_threshold(
        (
            (detected.detect(picture.pixels), picture.kind_map > 0)
            for picture in track(pictures, "searching for T on the held-back pictures")
        ),
        _limit_of_t(prepared),
        # The severity of methods that learn from good parts spreads around a defect, so the best
        # IoU may be at a T with a false alarm on every good part.
        MOST_FALSE_ALARMS if good_only else 1.0,
        (
            (detected.detect(picture.pixels), picture.kind_map.shape)
            for picture in track(marked, "searching for T on the marked pictures")
        ),
    )


def _limit_of_t(prepared: Preparation) -> float | None:
    """Return the limit of false rejects within which T is searched; None for the best mean IoU."""
    recipe = prepared.record.recipe
    is_drawn = any(picture.kind_map.any() for picture in _with_masks(prepared))
    if decides_by_t(recipe) or (METHODS[recipe.method].good_only and not is_drawn):
        return recipe.chain.limit
    return None


def _train_classifier(
    prepared: Preparation, run: Run, detector: Detector, threshold: float, device: TrainingDevice
) -> tuple[BlockClassifier | None, list[tuple[int, float]]]:
    """Train the block classifier on the detector's regions, and save it.

    Return it with its loss by step; None and no loss where the recipe has no classifier.
    """
    recipe, pictures, dataset = prepared.record.recipe, prepared.pictures, prepared.dataset
    if not recipe.classifier.enabled:
        return None, []
    # A region on a defective part without a mask may be its defect or not.
    pictures = tuple(picture for picture in pictures if not picture.sample.unmasked)
    maps = tuple(
        _severity_map(detector, picture)
        for picture in track(pictures, "looking for regions on the training pictures")
    )
    with stage("collecting what the classifier learns from"):
        regions = collect_regions(pictures, maps, threshold, recipe.chain.join_px)
    classifier, loss = train_classifier(
        pictures,
        regions,
        len(dataset.kinds),
        dataset.channels,
        recipe,
        run.classifier_checkpoint,
        device=device,
    )
    run.save_classifier(classifier)
    return classifier, loss


def _with_masks(prepared: Preparation) -> tuple[Picture, ...]:
    """Return the held-back pictures of which every defect is annotated."""
    return tuple(picture for picture in prepared.held_back if not picture.sample.unmasked)


def _severity_map(detector: Detector, picture: Picture) -> SeverityMap:
    """Return a copy: the map of a detector is valid until its next call only."""
    found = detector.detect(picture.pixels)
    return replace(found, values=found.values.copy())


def _keep_severity(
    detected: Detector,
    classifier: BlockClassifier | None,
    prepared: Preparation,
    chain: ChainManifest,
) -> float:
    """Search for the keep severity on the held-back pictures with masks."""
    if classifier is None:
        return KEEP_NONE
    dataset = prepared.dataset
    kinds = tuple(KindManifest(name=kind) for kind in dataset.kinds)
    vote = BlockVote(
        TorchBlocks(classifier, dataset.channels), classifier.size_px, dataset.channels, kinds
    )
    search = search_background(detected, vote, chain, _with_masks(prepared))
    log.info("keep severity=%.2f", search.best)
    return search.best


def _usual_size(pictures: tuple[Picture, ...]) -> tuple[int, int]:
    """Return the height and width in px that 95 % of the pictures do not exceed."""
    sizes = np.array([picture.kind_map.shape for picture in pictures])
    height, width = np.percentile(sizes, 95, axis=0, method="higher").tolist()
    return int(height), int(width)


def _threshold_reason(
    threshold: float,
    search: ThresholdSearch,
    from_recipe: bool,
    limit: float | None,
    *,
    silent: bool = False,
) -> str:
    """Return T and the reason for it in one line.

    limit: of false rejects within which T was searched. silent: the map has learned no defect.
    """
    text = f"T = {threshold:.1f}"
    if from_recipe:
        return f"{text}, as the recipe sets it"
    if silent:
        return f"{text}: no training picture has a mask, so the score of the part decides alone"
    if limit is not None and search.false_alarms is not None:
        within = f"within {percent(limit)} false rejects of good parts"
        if search.mean_iou is not None:
            return f"{text}, {within} the fewest escapes, and of these the best mean IoU"
        text += f", the lowest {within}"
        return text if search.missed is None else f"{text}, moved up towards the marked parts"
    if search.missed is not None and search.false_alarms is not None:
        at = search.thresholds.index(search.best)
        return (
            f"{text}, from marked parts: {search.missed[at]:.1%} of them are missed, and "
            f"{search.false_alarms[at]:.1%} of the good parts have an alarm"
        )
    if search.mean_iou is None:
        return f"{text}, from good parts alone: no defect is drawn"
    text += f"; the best mean IoU of drawn and reported pixels is {search.best_iou:.3f}"
    if search.false_alarms is None:
        text += ". No good part is held back, so false rejects cannot be counted"
    return text


def curve_of(search: ThresholdSearch) -> tuple[CurvePoint, ...]:
    """Return the search for T as result.json holds it."""
    nothing = (None,) * len(search.thresholds)
    columns = zip(
        search.thresholds,
        search.mean_iou or nothing,
        search.false_alarms or nothing,
        strict=True,
    )
    return tuple(
        CurvePoint(threshold=t, mean_iou=iou, false_alarms=alarms) for t, iou, alarms in columns
    )
