"""Retraining from feedback: try the routes in turn, check each result, and write the best.

The files are written all or not at all.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge.bundle import SUFFIX, Bundle, pack, parse_bundle, sign_bundle, write_bundle
from edge.bundle.version import raised
from edge.errors import BundleError
from edge.files import write_atomically
from export.errors import ExportError
from export.feedback import page
from export.feedback.comparison import (
    Ruling,
    Side,
    count,
    fault,
    golden_fault,
    of_side,
    open_chain,
    rejected,
)
from export.feedback.inputs import open_marked
from export.feedback.kept_work import inputs_of_learning, kept_work
from export.feedback.record import (
    RECORD,
    ChangedRecord,
    FeedbackSideRecord,
    LearnRecord,
    SettingsRecord,
    TriedRoute,
)
from export.kept_steps import KeptSteps
from export.options import ExportOptions
from export.pack import Exported, build_bundle
from export.page import write_page
from export.parity import ParityLimits
from export.record import record_of
from export.repack import repack
from models.evaluation.interval import counted
from models.feedback import (
    FeedbackDataset,
    Limits,
    Route,
    RouteCandidate,
    Shortfall,
    follow,
    routes_of,
    write_run,
)
from models.report.exported import read_export, write_export
from models.runs.run import Run
from models.training.device import CPU, TrainingDevice
from models.training.patches import Picture
from models.training.progress import stage, track

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LearnOptions:
    """The settings of a retraining.

    Attributes:
        routes: the routes to try, in turn; empty uses models.feedback.routes_of.
        limits: the limits for the new bundle.
        held_back_share: share of the marked parts that only check the result, 0 to 1.
        enough: share of right verdicts on learned parts, 0 to 1, at which no further route is
            tried.
        version: version of the new bundle; "" raises the old one by one.
        parity: the parity limits of the export.
        calibration_frames: see ExportOptions.
        search_parts: see ExportOptions.
        device: on which networks learn.
    """

    routes: tuple[Route, ...] = ()
    limits: Limits = field(default_factory=Limits)
    held_back_share: float = 0.4
    enough: float = 0.9
    version: str = ""
    parity: ParityLimits = field(default_factory=ParityLimits)
    calibration_frames: int = 96
    search_parts: int = 300
    device: TrainingDevice = CPU


@dataclass(frozen=True, slots=True)
class RetrainingResult:
    """The folder of the new run, its bundle, and the record of the retraining."""

    folder: Path
    bundle_path: Path
    bundle: Bundle
    record: LearnRecord


@dataclass(frozen=True, slots=True)
class _Passed:
    """A candidate within the limits, in its own folder."""

    folder: Path
    candidate: RouteCandidate
    exported: Exported
    rulings: tuple[Ruling, ...]
    wrong: int


def learn(
    run: Run,
    old: Bundle,
    quarantine: Path,
    out: Path,
    options: LearnOptions,
    key: Ed25519PrivateKey | None = None,
) -> RetrainingResult:
    """Retrain from the released parts that the run has not learned yet.

    Blocks for a minute (threshold) to hours (method). Raises ExportError where no route is within
    the limits, and DataError, BundleError and QuarantineError. After an error nothing is written.
    After an interrupt the finished work is kept (export/feedback/kept_work.py).
    """
    if out.exists():
        raise ExportError(f"{out}: already exists; name another folder with OUT")
    version = options.version or _raised(old)
    feedback = open_marked(run, old, quarantine, options.held_back_share)
    tried: list[TriedRoute] = []
    best: _Passed | None = None
    with kept_work(out, inputs_of_learning(feedback, old, options)) as folder:
        for route in options.routes or routes_of(feedback):
            log.info("learn route=%s started", route)
            with stage(f"route {route}"):
                outcome = _try(route, feedback, old, version, folder / route, options)
            if isinstance(outcome, TriedRoute):
                log.info("learn route=%s refused=%s", route, outcome.fault)
                tried.append(outcome)
                continue
            tried.append(
                TriedRoute(route=route, settings=_settings(outcome.candidate, old), fault="")
            )
            if best is None or outcome.wrong < best.wrong:
                best = outcome
            if outcome.wrong <= (1 - options.enough) * len(feedback.learned):
                break
        if best is None:
            faults = "; ".join(f"{each.route}: {each.fault}" for each in tried)
            raise ExportError(f"nothing is changed: {faults}")
        data = _sealed(best.exported.data, key, old.manifest.compatible)
        # The id of a bundle depends on the stations that it is for.
        best = replace(best, exported=replace(best.exported, data=data, bundle=parse_bundle(data)))
        record = _record(feedback, old, best, tried, options)
        name = f"{old.manifest.name}{SUFFIX}"
        _write(best, feedback, old, name, record)
        best.folder.rename(out)
    return RetrainingResult(out, out / name, best.exported.bundle, record)


def _try(
    route: Route,
    feedback: FeedbackDataset,
    old: Bundle,
    version: str,
    folder: Path,
    options: LearnOptions,
) -> _Passed | TriedRoute:
    """Follow a route and check the result. Blocks.

    Returns a TriedRoute with the fault where the result exceeds a limit.
    """
    folder.mkdir(exist_ok=True)  # of a retraining that was interrupted
    candidate = follow(route, feedback, options.limits, Run(folder), options.device)
    if isinstance(candidate, Shortfall):
        names = [feedback.selection[place].sample.name for place in candidate.lost]
        fell_short = f"{candidate}{': ' if names else ''}{', '.join(names)}"
        return TriedRoute(route=route, settings=None, fault=fell_short)
    settings = _settings(candidate, old)
    if route == "threshold" and candidate.settings == feedback.old:
        return TriedRoute(route=route, settings=settings, fault="no other T is better")
    try:
        new = write_run(folder, feedback, candidate)
        exported = _export(route, new, old, version, options)
        failed = golden_fault(old, exported.bundle)
        rulings = _rulings(feedback, exported.bundle)
    except (ExportError, BundleError) as error:
        return TriedRoute(route=route, settings=settings, fault=str(error))
    failed = failed or fault(rulings, options.limits)
    if failed is not None:
        return TriedRoute(route=route, settings=settings, fault=failed)
    wrong = count(of_side(rulings, "learned")).after
    return _Passed(folder, candidate, exported, rulings, wrong)


def _export(route: Route, run: Run, old: Bundle, version: str, options: LearnOptions) -> Exported:
    """Export with the shape, formats and precisions of the old bundle."""
    if route == "threshold":
        return repack(run, old, version, options.parity)
    manifest = old.manifest
    guidance = run.record().recipe.guidance
    for kind in manifest.kinds:
        if kind != type(kind)(name=kind.name, guidance=guidance.get(kind.name, "")):
            raise ExportError(
                f"{old.id} has a rule or guidance for {kind.name} that is not in the recipe"
            )
    formats = tuple(dict.fromkeys(build.format for build in manifest.builds))
    both = {build.precision for build in manifest.builds} == {"int8", "float32"}
    exported = build_bundle(
        run,
        ExportOptions(
            name=manifest.name,
            version=version,
            height=manifest.detector.height,
            width=manifest.detector.width,
            precision=manifest.builds[0].precision,
            formats=formats,
            with_float="always" if both else "never",
            calibration_frames=options.calibration_frames,
            search_parts=options.search_parts,
            limits=options.parity,
        ),
        keep_steps=True,
    )
    if not set(formats) <= {build.format for build in exported.bundle.manifest.builds}:
        # Stations run the old bundle in a format that the new bundle would not have.
        raise ExportError(exported.refused)
    return exported


def _rulings(feedback: FeedbackDataset, new: Bundle) -> tuple[Ruling, ...]:
    chain = open_chain(new)
    sides: list[tuple[Side, Sequence[Picture]]] = [
        ("validation", (*feedback.validation, *feedback.earlier)),
        ("synthetic", feedback.synthetic_held_back or feedback.synthetic),
        ("learned", [marked.picture for marked in feedback.learned]),
        ("held back", [marked.picture for marked in feedback.held_back]),
    ]
    every = [(side, picture) for side, pictures in sides for picture in pictures]
    return tuple(
        Ruling(
            picture.sample.name,
            side,
            not picture.sample.is_good,
            feedback.caught[picture.sample.name],
            rejected(chain, picture),
        )
        for side, picture in track(every, "inspecting every part with the new bundle")
    )


def _record(
    feedback: FeedbackDataset,
    old: Bundle,
    passed: _Passed,
    tried: Sequence[TriedRoute],
    options: LearnOptions,
) -> LearnRecord:
    candidate = passed.candidate
    names: tuple[Side, ...] = ("validation", "synthetic", "learned", "held back")
    sides = {name: count(of_side(passed.rulings, name)) for name in names}
    if not feedback.synthetic:
        del sides["synthetic"]
    words = {True: "REJECT", False: "PASS"}
    return LearnRecord(
        old_run=str(feedback.run.folder),
        old_bundle=old.id,
        bundle=passed.exported.bundle.id,
        route=candidate.route,
        before=SettingsRecord(
            threshold=feedback.old.threshold,
            keep_severity=feedback.old.keep_severity if old.manifest.classifier else None,
            reject_severity=feedback.old.reject_severity,
        ),
        after=_settings(candidate, old),
        classifier_changed=candidate.classifier is not None and candidate.route != "threshold",
        detector_changed=candidate.route in ("detector", "method"),
        new_escapes_allowed=options.limits.new_escapes,
        more_false_rejects_allowed=options.limits.more_false_rejects,
        synthetic_escapes_allowed=options.limits.synthetic_escapes,
        golden_frames=len(old.manifest.golden),
        sides={name: FeedbackSideRecord(**asdict(counts)) for name, counts in sides.items()},
        changed=tuple(
            ChangedRecord(
                name=ruling.name,
                side=ruling.side,
                bad=ruling.bad,
                before=words[ruling.before],
                after=words[ruling.after],
            )
            for ruling in passed.rulings
            if ruling.before != ruling.after
        ),
        tried=tuple(tried),
        learned=tuple(marked.entry.id for marked in feedback.learned),
        held_back=tuple(marked.entry.id for marked in feedback.held_back),
        left_out=candidate.left_out,
        proven=_proven(feedback, passed),
    )


def _proven(feedback: FeedbackDataset, passed: _Passed) -> str:
    held_back = count(of_side(passed.rulings, "held back"))
    total = len(feedback.held_back)
    if total:
        return (
            f"wrong verdicts on held-back marked parts before: "
            f"{counted(held_back.before, total)}; after: {counted(held_back.after, total)}; "
            f"{_true_rejects(feedback, passed)}"
        )
    if passed.candidate.left_out is not None:
        return (
            "too few marked parts to hold some back; right verdicts on each at the T chosen "
            f"from the others: {counted(*passed.candidate.left_out)}"
        )
    return "not proven: too few marked parts to hold some back, and all were used for training"


def _true_rejects(feedback: FeedbackDataset, passed: _Passed) -> str:
    """Return a sentence on the held-back true rejects: bad parts with the new appearance.

    The limits allow few escapes, so the number of parts shows how much is proven.
    """
    names = {m.picture.sample.name for m in feedback.held_back if m.entry.released == "true-reject"}
    some = [each for each in passed.rulings if each.name in names]
    if not some:
        return (
            "escapes among bad parts with the new appearance are unknown: no true reject held back"
        )
    return f"true rejects passed: {counted(sum(not r.after for r in some), len(some))}"


def _write(
    passed: _Passed, feedback: FeedbackDataset, old: Bundle, name: str, record: LearnRecord
) -> None:
    """Write the bundle, the records and the pages into the candidate's folder."""
    folder = passed.folder
    write_bundle(folder / name, passed.exported.data)
    exported = record_of(passed.exported, name)
    before = read_export(feedback.run.folder)
    if record.route == "threshold" and before is not None:
        # The networks are unchanged, so the figures on quantisation and latency are still valid.
        exported = exported.model_copy(
            update={"tried": before.tried, "latency_ms": before.latency_ms}
        )
    write_export(folder, exported)
    write_page(folder, exported, passed.exported.certified)
    write_atomically(folder / RECORD, record.model_dump_json(indent=1) + "\n")
    with stage("writing the page of the changes"):
        cases = page.find_cases(feedback, record, old, passed.exported.bundle)
        text = page.render(record, cases)
    write_atomically(folder / page.PAGE, text)
    for checkpoint in folder.glob("*.ckpt"):
        checkpoint.unlink()
    KeptSteps(folder, "").clear()


def _sealed(data: bytes, key: Ed25519PrivateKey | None, compatible: tuple[str, ...]) -> bytes:
    """Return the bundle for the stations of the old one, signed where there is a key."""
    if key is not None:
        return sign_bundle(data, key, compatible)
    bundle = parse_bundle(data)
    manifest = bundle.manifest.model_copy(update={"compatible": compatible})
    return pack(manifest, bundle.files)


def _settings(candidate: RouteCandidate, old: Bundle) -> SettingsRecord:
    settings = candidate.settings
    return SettingsRecord(
        threshold=settings.threshold,
        keep_severity=settings.keep_severity if old.manifest.classifier else None,
        reject_severity=settings.reject_severity,
    )


def _raised(old: Bundle) -> str:
    try:
        return raised(old.manifest.version)
    except ValueError as error:
        raise ExportError(f"{error}; give --version") from error
