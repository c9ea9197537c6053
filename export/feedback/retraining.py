"""The routes in turn, each through the same gate; what passes is written whole, or nothing is."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
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
from export.feedback.record import (
    RECORD,
    ChangedRecord,
    FeedbackSideRecord,
    LearnRecord,
    SettingsRecord,
    TriedRoute,
)
from export.options import ExportOptions
from export.pack import Exported, build_bundle
from export.page import write_page
from export.parity import ParityLimits
from export.record import record_of
from export.repack import repack
from models.data.dataset import DataError
from models.evaluation.tradeoff.interval import counted
from models.feedback import (
    FeedbackDataset,
    Limits,
    Route,
    RouteCandidate,
    Shortfall,
    routes_of,
    take,
    write_run,
)
from models.report.exported import read_export, write_export
from models.runs.run import Run
from models.training.patches import Picture
from models.training.progress import stage, track

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LearnOptions:
    """routes: those to try, in turn; empty takes models.feedback.routes_of. held_back_share: of the
    marked parts, 0 to 1. enough: the share of the learned parts that a route must judge rightly for
    the next, dearer one not to be tried. version: '' raises the old one by one. parity: the limits
    of the export."""

    routes: tuple[Route, ...] = ()
    limits: Limits = field(default_factory=Limits)
    held_back_share: float = 0.4
    enough: float = 0.9
    version: str = ""
    parity: ParityLimits = field(default_factory=ParityLimits)
    calibration_frames: int = 96
    search_parts: int = 300


@dataclass(frozen=True, slots=True)
class RetrainingResult:
    """The new run's folder and its bundle."""

    folder: Path
    bundle_path: Path
    bundle: Bundle
    record: LearnRecord


@dataclass(frozen=True, slots=True)
class _Taken:
    """A candidate that passed the gate, in a folder of its own."""

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
    """Learn from the released parts that the run has not learned from yet. Blocks for a minute
    (threshold) to hours (method). Raises ExportError, one line, where nothing may be shipped, and
    DataError, BundleError, QuarantineError; then nothing is written."""
    if out.exists():
        raise ExportError(f"{out}: is there already; name another OUT")
    version = options.version or _raised(old)
    feedback = open_marked(run, old, quarantine, options.held_back_share)
    tried: list[TriedRoute] = []
    best: _Taken | None = None
    with _scratch(out) as folder:
        for route in options.routes or routes_of(feedback):
            log.info("learn route=%s is tried", route)
            with stage(f"route {route}"):
                found = _try(route, feedback, old, version, folder / route, options)
            if isinstance(found, TriedRoute):
                log.info("learn route=%s refused=%s", route, found.fault)
                tried.append(found)
                continue
            tried.append(
                TriedRoute(route=route, settings=_settings(found.candidate, old), fault="")
            )
            if best is None or found.wrong < best.wrong:
                best = found
            if found.wrong <= (1 - options.enough) * len(feedback.learned):
                break
        if best is None:
            said = "; ".join(f"{each.route}: {each.fault}" for each in tried)
            raise ExportError(f"nothing is changed: {said}")
        data = _sealed(best.exported.data, key, old.manifest.compatible)
        # Its id is of what it is for, too.
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
) -> _Taken | TriedRoute:
    """Blocks. A route that may not ship is told with its fault."""
    folder.mkdir()
    candidate = take(route, feedback, options.limits, Run(folder))
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
        said = golden_fault(old, exported.bundle)
        rulings = _rulings(feedback, exported.bundle)
    except (ExportError, BundleError) as error:
        return TriedRoute(route=route, settings=settings, fault=str(error))
    said = said or fault(rulings, options.limits)
    if said is not None:
        return TriedRoute(route=route, settings=settings, fault=said)
    wrong = count(of_side(rulings, "learned")).after
    return _Taken(folder, candidate, exported, rulings, wrong)


def _export(route: Route, run: Run, old: Bundle, version: str, options: LearnOptions) -> Exported:
    """In the form of the old bundle: its shape, formats and precisions."""
    if route == "threshold":
        return repack(run, old, version, options.parity)
    manifest = old.manifest
    guidance = run.record().recipe.guidance
    for kind in manifest.kinds:
        if kind != type(kind)(name=kind.name, guidance=guidance.get(kind.name, "")):
            raise ExportError(f"{old.id} has a rule or guidance for {kind.name} of its own")
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
    )
    if not set(formats) <= {build.format for build in exported.bundle.manifest.builds}:
        # Stations run the old bundle in a format that the new one would lack.
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
        for side, picture in track(every, "asking the new bundle of every part")
    )


def _record(
    feedback: FeedbackDataset,
    old: Bundle,
    taken: _Taken,
    tried: Sequence[TriedRoute],
    options: LearnOptions,
) -> LearnRecord:
    candidate = taken.candidate
    names: tuple[Side, ...] = ("validation", "synthetic", "learned", "held back")
    sides = {name: count(of_side(taken.rulings, name)) for name in names}
    if not feedback.synthetic:
        del sides["synthetic"]
    words = {True: "REJECT", False: "PASS"}
    return LearnRecord(
        old_run=str(feedback.run.folder),
        old_bundle=old.id,
        bundle=taken.exported.bundle.id,
        route=candidate.route,
        before=SettingsRecord(
            threshold=feedback.old.threshold,
            keep_severity=feedback.old.keep_severity if old.manifest.classifier else None,
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
            for ruling in taken.rulings
            if ruling.before != ruling.after
        ),
        tried=tuple(tried),
        learned=tuple(marked.entry.id for marked in feedback.learned),
        held_back=tuple(marked.entry.id for marked in feedback.held_back),
        left_out=candidate.left_out,
        proven=_proven(feedback, taken),
    )


def _proven(feedback: FeedbackDataset, taken: _Taken) -> str:
    held_back = count(of_side(taken.rulings, "held back"))
    total = len(feedback.held_back)
    if total:
        return (
            f"on marked parts that nothing was learned from, judged wrongly before: "
            f"{counted(held_back.before, total)}; after: {counted(held_back.after, total)}; "
            f"{_true_rejects(feedback, taken)}"
        )
    if taken.candidate.left_out is not None:
        return (
            "too few marked parts to hold some back; each judged at the T that the others give, "
            f"right: {counted(*taken.candidate.left_out)}"
        )
    return "not proven: too few marked parts to hold some back, and the networks have seen them all"


def _true_rejects(feedback: FeedbackDataset, taken: _Taken) -> str:
    """What is known of bad parts of the new look; the gate has seen to it that few are let by, so
    their number is what tells."""
    names = {m.picture.sample.name for m in feedback.held_back if m.entry.released == "true-reject"}
    some = [each for each in taken.rulings if each.name in names]
    if not some:
        return "whether bad parts of the new look are let by is not known: no true reject held back"
    return f"true rejects let by: {counted(sum(not r.after for r in some), len(some))}"


def _write(
    taken: _Taken, feedback: FeedbackDataset, old: Bundle, name: str, record: LearnRecord
) -> None:
    """Everything into the candidate's folder."""
    folder = taken.folder
    write_bundle(folder / name, taken.exported.data)
    exported = record_of(taken.exported, name)
    before = read_export(feedback.run.folder)
    if record.route == "threshold" and before is not None:
        # The very same networks: how they were quantised and how fast they are still holds.
        exported = exported.model_copy(
            update={"tried": before.tried, "latency_ms": before.latency_ms}
        )
    write_export(folder, exported)
    write_page(folder, exported, taken.exported.certified)
    write_atomically(folder / RECORD, record.model_dump_json(indent=1) + "\n")
    with stage("writing the page of what changed"):
        cases = page.find_cases(feedback, record, old, taken.exported.bundle)
        text = page.render(record, cases)
    write_atomically(folder / page.PAGE, text)
    for checkpoint in folder.glob("*.ckpt"):
        checkpoint.unlink()


def _sealed(data: bytes, key: Ed25519PrivateKey | None, compatible: tuple[str, ...]) -> bytes:
    """Signed where there is a key, for the stations that the old bundle is for."""
    if key is not None:
        return sign_bundle(data, key, compatible)
    found = parse_bundle(data)
    return pack(found.manifest.model_copy(update={"compatible": compatible}), found.files)


def _settings(candidate: RouteCandidate, old: Bundle) -> SettingsRecord:
    settings = candidate.settings
    return SettingsRecord(
        threshold=settings.threshold,
        keep_severity=settings.keep_severity if old.manifest.classifier else None,
    )


def _raised(old: Bundle) -> str:
    try:
        return raised(old.manifest.version)
    except ValueError as error:
        raise ExportError(f"{error}; give --version") from error


@contextmanager
def _scratch(out: Path) -> Iterator[Path]:
    """A folder beside ``out``, gone at the end; raises DataError where none can be made."""
    folder = out.with_name(f".{out.name}.partial")
    shutil.rmtree(folder, ignore_errors=True)
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise DataError(f"{folder}: cannot be made: {error.strerror}") from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
