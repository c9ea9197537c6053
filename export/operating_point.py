"""The limit that decides in a bundle: the fewest escapes within a limit of false rejects.

Rounding to int8 can raise the severity of good parts. So a limit of severity is chosen on the
packed chain too (docs/decisions/0083-limits-of-the-packed-chain.md).
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import compress

from edge.bundle import Manifest
from export.chains import Build, build_steps
from export.errors import ParityError
from export.source import ExportSource
from models.evaluation.metrics import Metrics, PictureOutcome, summarise
from models.evaluation.promise import allowed_of
from models.evaluation.tradeoff import (
    OperatingPoint,
    operating_point,
    points_of,
    severity_points,
    sweep,
    sweep_run,
    sweep_severities,
    within,
)
from models.methods.registry import decides_by_t
from models.networks import SEVERITY_MAX
from models.training.patches import Picture

log = logging.getLogger(__name__)

PART_STEP = 0.05  # a step of a build in uint8: the score of a good part must lie below


def float_points(
    source: ExportSource, limit: float
) -> tuple[ExportSource, tuple[OperatingPoint, ...]]:
    """Return the operating points of the float chain on the held-back pictures, by severity.

    The source is returned with the part threshold of its decision head within the limit too.
    limit: of the false reject rate, 0 to 1. Blocks for about a minute.
    """
    run = source.run
    by_t = decides_by_t(run.record().recipe)
    swept = sweep_run if by_t else sweep_severities
    outcomes = swept(run, source.held_back)
    part_threshold = source.draft.chain.part_threshold
    if part_threshold is not None:
        some = next(iter(outcomes.values()))
        part_threshold = stricter_part_threshold(some, part_threshold, limit)
        outcomes = swept(run, source.held_back, part_threshold)
        draft = with_chain(source.draft, part_threshold=part_threshold)
        source = replace(source, draft=draft)
    own = run.result().threshold
    return source, points_of(outcomes) if by_t else severity_points(outcomes, own)


def stricter_part_threshold(
    outcomes: Sequence[PictureOutcome], threshold: float, limit: float
) -> float:
    """Return the lowest part threshold, from ``threshold`` on, within a limit of false rejects.

    outcomes: of a chain with a decision head. limit: of the share of good parts that the score of
    the part rejects, 0 to 1. At SEVERITY_MAX it rejects hardly any part.
    """
    good = sorted(
        (o.part_score for o in outcomes if not o.defective and o.part_score is not None),
        reverse=True,
    )
    allowed = int(limit * len(good))
    if allowed >= len(good) or good[allowed] < threshold:
        return threshold
    return min(round(good[allowed] + PART_STEP, 2), SEVERITY_MAX)


def broken_limit(source: ExportSource, metrics: Iterable[Metrics]) -> float | None:
    """Return the limit of false rejects that the run keeps and one of its builds does not.

    metrics: of the builds, on the held-back pictures. None where every build keeps the limit, and
    where the run promises none.
    """
    promise = source.run.result().promise
    if promise is None or not promise.is_within:
        return None
    return (
        promise.limit
        if any(
            (one.false_rejects or 0) > allowed_of(promise.limit, one.parts - one.defective)
            for one in metrics
        )
        else None
    )


def choose_point(
    points: Sequence[OperatingPoint],
    pictures: Sequence[Picture],
    manifest: Manifest,
    builds: Sequence[Build],
    limit: float,
) -> tuple[OperatingPoint, Manifest]:
    """Return the best point at which the float chain and every build keep the limit.

    The counts of the point are those of the first build, and they decide which one is best. The
    manifest is returned at this point, with the part threshold of a decision head within the limit.

    points: of the float chain on the pictures, which are held back. limit: of the false reject
    rate, 0 to 1. Blocks while the networks of each build run once for every picture. Raises
    BuildLimitError with the first build for which no point is left.
    """
    part_threshold = manifest.chain.part_threshold
    steps = {build.name: build_steps(manifest, build) for build in builds}
    if part_threshold is not None:
        for detector, classifier in steps.values():
            (some,) = sweep(detector, classifier, [manifest.chain], manifest.kinds, pictures)
            part_threshold = stricter_part_threshold(some, part_threshold, limit)
        manifest = with_chain(manifest, part_threshold=part_threshold)
    kept = within(points, limit)
    best: list[OperatingPoint] = []
    for name, (detector, classifier) in steps.items():
        chains = [at_point(manifest, point).chain for point in kept]
        outcomes = sweep(detector, classifier, chains, manifest.kinds, pictures)
        packed = [
            replace(
                operating_point(point.threshold, summarise(some).as_dict()),
                reject_severity=point.reject_severity,
            )
            for point, some in zip(kept, outcomes, strict=True)
        ]
        is_kept = [point.false_reject_rate <= limit for point in packed]
        if not any(is_kept):
            raise BuildLimitError(name)
        kept = tuple(compress(kept, is_kept))
        best = list(compress(best or packed, is_kept))
    point = within(best, limit)[0]
    log.info("operating-point %s", point)
    return point, at_point(manifest, point)


class BuildLimitError(ParityError):
    """A build rejects more good parts than allowed. build: its name."""

    def __init__(self, build: str) -> None:
        super().__init__(
            f"{build}: int8 does not agree with the float chain: at every limit at which float is "
            "within it, int8 rejects more good parts than allowed"
        )
        self.build = build


def at_point(manifest: Manifest, point: OperatingPoint) -> Manifest:
    """Return the manifest at the T and the reject severity of a point."""
    return with_chain(manifest, threshold=point.threshold, reject_severity=point.reject_severity)


def with_chain(manifest: Manifest, **changes: float | None) -> Manifest:
    """Return the manifest with other values of its chain."""
    return manifest.model_copy(update={"chain": manifest.chain.model_copy(update=changes)})
