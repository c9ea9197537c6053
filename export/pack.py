"""The export of a training run: make the builds, certify them, choose golden frames and pack."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from edge.bundle import Bundle, ChainManifest, Manifest
from edge.bundle.manifest import Format
from edge.chain.inspector import Inspector
from edge.engines.engine import Engine
from edge.engines.ort import OrtEngine
from edge.errors import OutfeedError
from export.builds import Workshop, float_build
from export.certificate import CERTIFIED, Certified, certify
from export.chains import TORCH, Build, build_chain, torch_chain
from export.errors import BuildFailure, ExportError, ParityError
from export.estimate import CERTIFYING, CHOOSING, ONNX, TFLITE, TRACING, phases_of
from export.golden import Golden, choose_golden
from export.kept_steps import NOTHING_KEPT, KeptSteps, steps_of
from export.latency import Latency, measure
from export.operating_point import (
    BuildLimitError,
    at_point,
    broken_limit,
    choose_point,
    float_points,
)
from export.options import ExportOptions
from export.proven import pack_proven
from export.quantisation.search import Tried
from export.reference import reference_file
from export.source import ExportSource, open_source
from models.evaluation.tradeoff import OperatingPoint, choose, require_good_in
from models.report.limits import unknowns
from models.runs.run import Run
from models.training.forecast import forecast, phase
from models.training.progress import stage

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Exported:
    """An unsigned bundle in memory, and what was measured while it was made.

    Attributes:
        data: the bytes of the bundle.
        bundle: the same bundle, parsed.
        certified: each build compared with torch in float, on pictures that no network was trained
            on.
        tried: the ways to quantise that were tried.
        latency: the time of the detector in ONNX Runtime on one core of this machine.
        point: the operating point that was chosen for the builds; None where it is that of the run.
        limit: of false rejects, 0 to 1, within which it was chosen; None where it is that of the
            run.
        failures: the builds that were requested and are not packed.
        unknown: sentences on facts that the validation pictures cannot show.
    """

    data: bytes
    bundle: Bundle
    certified: Certified
    tried: tuple[Tried, ...]
    latency: tuple[Latency, ...]
    point: OperatingPoint | None
    limit: float | None = None
    failures: tuple[BuildFailure, ...] = ()
    unknown: tuple[str, ...] = ()

    @property
    def refused(self) -> str:
        """Return the reasons why requested builds are not packed; "" where all are packed."""
        return "; ".join(str(each) for each in self.failures)


def build_bundle(run: Run, options: ExportOptions, *, keep_steps: bool = False) -> Exported:
    """Make the bundle of a completed run. Blocks for minutes. Raises ExportError, DataError.

    An empty ``options.name`` uses the name of the run's folder. keep_steps: keep finished steps in
    the run's folder, from which the same export goes on after an interruption. The caller deletes
    them (export/kept_steps.py).
    """
    if options.max_false_rejects is not None:
        require_good_in(run.result().metrics.get("float", {}), f"{run.folder}'s held-back pictures")
    source = open_source(
        run,
        name=options.name or bundle_name(run.folder),
        version=options.version,
        height=options.height,
        width=options.width,
    )
    if options.guidance is not None:
        kinds = options.guidance.apply(source.draft.kinds)
        source = replace(source, draft=source.draft.model_copy(update={"kinds": kinds}))
    log.info("export shape=%sx%s", *source.size)
    points: Sequence[OperatingPoint] = ()
    if options.max_false_rejects is not None:
        # Ways to quantise are compared at this point. The packed chain may need another one.
        source, points = float_points(source, options.max_false_rejects)
        source = replace(
            source, draft=at_point(source.draft, choose(points, options.max_false_rejects))
        )
    steps = _steps(source, options) if keep_steps else NOTHING_KEPT
    with forecast(phases_of(source, options)):
        builds = _make_builds(source, options, steps)
        return _choose_and_pack(source, builds, points, options, steps)


def _steps(source: ExportSource, options: ExportOptions) -> KeptSteps:
    """Return the kept steps for what every step of this export follows from.

    Not the parity limits: an export that they refused goes on with others.
    """
    samples = (*source.train, *(picture.sample for picture in source.held_back))
    settings = (options.calibration_frames, options.search_parts, _unnamed(source.draft))
    return steps_of(source.run, samples, settings)


def _unnamed(manifest: Manifest) -> Manifest:
    return manifest.model_copy(update={"name": "", "version": ""})


def _choose_and_pack(
    source: ExportSource,
    build_set: _BuildSet,
    points: Sequence[OperatingPoint],
    options: ExportOptions,
    steps: KeptSteps,
) -> Exported:
    """Certify the builds, choose T and golden frames, and pack the builds within their limits.

    Where no build is within its limits, pack float32 alone. Raises ExportError where float32 fails
    as well.
    """
    failures = list(build_set.failures)
    builds = build_set.builds or [build_set.in_float]
    compared: dict[ChainManifest, Certified] = {}
    known: Certified | None = None
    while True:
        try:
            with phase(CERTIFYING):
                certified_builds = _certify(
                    source, [build_set.in_float, *builds], points, options, steps, compared
                )
            with phase(CHOOSING):
                golden = _golden(source, certified_builds)
        except BuildFailuresError as error:
            failures += error.failures
            known = error.certified or known
            failed = {each.build for each in error.failures}
            left = [build for build in builds if build.name not in failed]
            if (
                not left
                and builds != [build_set.in_float]
                and build_set.in_float.name not in failed
            ):
                left = [build_set.in_float]
            if not left:
                raise ParityError("; ".join(str(each) for each in failures)) from error
            for each in error.failures:
                log.warning("not packed: %s", each)
            builds = left
        else:
            break
    first = certified_builds.chains[builds[0].name]
    reference = reference_file(source, first)
    failed = {each.build for each in failures}
    packed = certified_builds.certified.without(failed)
    with stage("packing and proving the bundle"):
        bundle, data = pack_proven(certified_builds.manifest, builds, golden, packed, reference)
    samples = [picture.sample for picture in source.held_back]
    return Exported(
        data,
        bundle,
        certified_builds.certified if known is None else certified_builds.certified.beside(known),
        build_set.tried,
        build_set.latency,
        certified_builds.point,
        certified_builds.limit,
        tuple(failures),
        unknowns(samples, [kind.name for kind in certified_builds.manifest.kinds]),
    )


class BuildFailuresError(ExportError):
    """Builds cannot be packed. certified: the comparison of all builds; None if not yet made."""

    def __init__(
        self, failures: Sequence[BuildFailure], certified: Certified | None = None
    ) -> None:
        super().__init__("; ".join(str(failure) for failure in failures))
        self.failures = tuple(failures)
        self.certified = certified


@dataclass(frozen=True, slots=True)
class _Certified:
    """A manifest at its T, with the comparison and the chains of its builds."""

    manifest: Manifest
    certified: Certified
    limit: float | None
    point: OperatingPoint | None
    chains: dict[str, Inspector]


def _certify(
    source: ExportSource,
    every: Sequence[Build],
    points: Sequence[OperatingPoint],
    options: ExportOptions,
    steps: KeptSteps,
    compared: dict[ChainManifest, Certified],
) -> _Certified:
    """Choose T and compare the builds with torch at this T.

    T is that of the run where every build keeps its limit of false rejects there. every: the build
    in float, then those to pack. compared: earlier comparisons that include all of them, by chain.
    Raises BuildFailuresError with the builds that exceed a limit.
    """
    builds = every[1:]
    names = {build.name for build in builds}
    draft = source.draft.model_copy(update={"builds": tuple(b.manifest for b in builds)})

    def compare(manifest: Manifest) -> Certified:
        if manifest.chain not in compared:
            files = [data for build in every for data in build.files.values()]
            compared[manifest.chain] = steps.of(
                "certificate",
                (_unnamed(manifest), options.limits, *files),
                CERTIFIED,
                lambda: certify(source, manifest, every, options.limits),
            )
        return compared[manifest.chain]

    manifest, limit = draft, options.max_false_rejects
    if limit is None:
        limit = broken_limit(source, (compare(draft).metrics[name] for name in names))
        if limit is not None:
            source, points = float_points(source, limit)
    point: OperatingPoint | None = None
    if limit is not None:
        try:
            point, manifest = choose_point(points, source.held_back, draft, builds, limit)
        except BuildLimitError as error:
            remedy = "To pack it: a larger --max-false-rejects, or --precision float32"
            failure = BuildFailure(error.build, str(error), remedy)
            raise BuildFailuresError([failure]) from error
    certified = compare(manifest)
    failures = [each for each in certified.failures if each.build in names]
    if failures:
        raise BuildFailuresError(failures, certified)
    return _Certified(
        manifest, certified, limit, point, {b.name: build_chain(manifest, b) for b in builds}
    )


def _golden(source: ExportSource, certified_builds: _Certified) -> Golden:
    """Choose the golden frames.

    Raises BuildFailuresError with the last build where the builds agree on no frame with a defect.
    """
    torch = torch_chain(
        source.detector, source.classifier, certified_builds.manifest, flexible=True
    )
    chains = {**certified_builds.chains, TORCH: torch}
    try:
        return choose_golden(
            chains,
            source.held_back,
            source.size,
            certified_builds.manifest.chain.threshold,
            certified_builds.manifest.detector.alignment,
        )
    except ExportError as error:
        raise BuildFailuresError(
            [BuildFailure(list(certified_builds.chains)[-1], str(error))],
            certified_builds.certified,
        ) from error


@dataclass(frozen=True, slots=True)
class _BuildSet:
    """The float build and the builds to pack.

    builds: the first one gives the metrics of the bundle. failures: the builds that could not be
    made.
    """

    in_float: Build
    builds: list[Build]
    tried: tuple[Tried, ...] = ()
    latency: tuple[Latency, ...] = ()
    failures: tuple[BuildFailure, ...] = ()


def _make_builds(source: ExportSource, options: ExportOptions, steps: KeptSteps) -> _BuildSet:
    formats = tuple(name for name in options.formats if name in source.formats)
    if not formats:
        raise ExportError(
            f"formats {', '.join(options.formats)}: a {source.draft.detector.kind} can be exported "
            f"to {', '.join(source.formats)}"
        )
    if options.precision == "float32" or not source.quantised:
        in_float = float_build(source)
        return _BuildSet(in_float, [in_float])
    with phase(TRACING), stage("reading pictures to calibrate on and tracing the networks"):
        workshop = Workshop(
            source,
            calibration_frames=options.calibration_frames,
            search_parts=options.search_parts,
            limits=options.limits,
            steps=steps,
        )
    with stage("tracing the networks"):
        in_float = workshop.float_onnx()
    builds: dict[Format, Build] = {}
    failures: list[BuildFailure] = []
    tried: list[Tried] = []
    latency: tuple[Latency, ...] = ()
    keep_float: tuple[str, ...] = ()
    try:
        with phase(ONNX), stage(ONNX):
            int8, metrics = workshop.int8_onnx(keep_float=options.keep_float)
    except ExportError as error:
        failures.append(BuildFailure("onnx-int8", f"onnx-int8 cannot be made: {error}"))
    else:
        builds["onnx"] = int8
        tried += [each for search in metrics for each in search.tried]
        keep_float = metrics[0].scheme.keep_float
        latency = measure({b.name: _engine(source, b) for b in (int8, in_float)})
    if "tflite" in formats:
        try:
            with phase(TFLITE), stage(TFLITE):
                builds["tflite"], more = workshop.int8_tflite(keep_float)
            tried += more
        except OutfeedError as error:
            remedy = "To leave it out: --formats onnx"
            failures.append(
                BuildFailure("tflite-int8", f"tflite-int8 cannot be made: {error}", remedy)
            )
    slower = bool(latency) and latency[0].ms >= latency[1].ms
    packed = [builds[name] for name in formats if name in builds]
    if options.with_float == "always" or (options.with_float == "auto" and slower):
        packed.append(in_float)
    wanted = [each for each in failures if each.build.partition("-")[0] in formats]
    return _BuildSet(in_float, packed, tuple(tried), latency, tuple(wanted))


def _engine(source: ExportSource, build: Build) -> Engine:
    height, width = source.size
    data = build.files[build.manifest.detector.file]
    return OrtEngine(data, batch=1, height=height, width=width, channels=source.channels)


def bundle_name(folder: Path) -> str:
    """Return a name for the bundle of the run in ``folder``: its name in allowed characters."""
    return re.sub(r"[^a-z0-9_-]+", "-", folder.resolve().name.lower()).strip("-_") or "bundle"
