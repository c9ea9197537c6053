"""From a training run to a bundle: make the builds, certify them, choose golden frames, pack."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from edge.bundle import CERTIFICATE, Bundle, Manifest, pack, parse_bundle
from edge.bundle.manifest import Format, Precision
from edge.chain.inspector import Inspector
from edge.chain.load import build_inspector, prove
from edge.engines.engine import Engine
from edge.engines.ort import OrtEngine
from edge.errors import OutfeedError
from export.builds import Workshop, float_build
from export.certificate import Certified, certificate_for, certify
from export.chains import TORCH, Build, build_chain, engine_of, torch_chain
from export.errors import ExportError, Lost, ParityError
from export.golden import Golden, choose_golden
from export.latency import Latency, measure
from export.operating_point import choose_point
from export.parity import ParityLimits
from export.quantisation.search import Tried
from export.reference import reference_file
from export.source import ExportSource, open_source
from models.evaluation.tradeoff import OperatingPoint, choose, points_of, require_good_in, sweep_run
from models.evaluation.tradeoff.interval import counted, percent
from models.report.limits import unknowns
from models.runs.run import Run
from models.training.progress import stage

log = logging.getLogger(__name__)

WithFloat = Literal["auto", "always", "never"]


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """height, width: the static shape; None takes the usual frame's. precision 'float32' packs the
    float network alone, for a machine where int8 is no gain. formats: what is packed, the one that
    the bundle is judged by first. with_float: pack the float network beside int8; 'auto' where int8
    is not faster here. keep_float: layers may stay in float where int8 loses defects otherwise.
    max_false_rejects: choose T within this share of the good parts, 0 to 1; None takes the run's T.
    """

    name: str
    version: str = "1"
    height: int | None = None
    width: int | None = None
    precision: Precision = "int8"
    formats: tuple[Format, ...] = ("onnx", "tflite")
    calibration_frames: int = 96
    search_parts: int = 300
    keep_float: bool = True
    with_float: WithFloat = "auto"
    max_false_rejects: float | None = None
    limits: ParityLimits = field(default_factory=ParityLimits)


@dataclass(frozen=True, slots=True)
class Exported:
    """The bundle's bytes and what was measured on the way. certified: each build against torch in
    float, on parts that no network was trained on. tried: the ways to quantise. latency: of the
    detector in ONNX Runtime on one core of this machine. point: the chosen T; None where it is the
    run's. lost: the builds that were asked for and are not packed. unknown: what the validation
    pictures cannot tell."""

    data: bytes
    bundle: Bundle
    certified: Certified
    tried: tuple[Tried, ...]
    latency: tuple[Latency, ...]
    point: OperatingPoint | None
    lost: tuple[Lost, ...] = ()
    unknown: tuple[str, ...] = ()

    @property
    def refused(self) -> str:
        """Why builds that were asked for are not packed; empty where all are."""
        return "; ".join(str(each) for each in self.lost)


def export_run(run: Run, options: ExportOptions) -> Exported:
    """Export a completed run. Blocks for minutes. Raises ExportError, DataError."""
    if options.max_false_rejects is not None:
        require_good_in(run.result().metrics.get("float", {}), f"{run.folder}'s held-back pictures")
    source = open_source(
        run,
        name=options.name,
        version=options.version,
        height=options.height,
        width=options.width,
    )
    log.info("export shape=%sx%s", *source.size)
    points: Sequence[OperatingPoint] = ()
    if options.max_false_rejects is not None:
        # At this T ways to quantise are judged; the chain to be shipped may need another.
        points = points_of(sweep_run(run, source.held_back))
        first = choose(points, options.max_false_rejects)
        source = replace(source, draft=_at(source.draft, first.threshold))
    return _finish(source, _make(source, options), points, options)


def _finish(
    source: ExportSource, made: _Made, points: Sequence[OperatingPoint], options: ExportOptions
) -> Exported:
    """T, certificate, golden frames and the bundle, of the builds that hold; float32 alone where
    none of them does. Raises ExportError where that does not hold either."""
    lost = list(made.lost)
    builds = made.builds or [made.in_float]
    known: Certified | None = None
    while True:
        try:
            kept = _hold(source, made.in_float, builds, points, options, known)
            golden = _golden(source, kept)
        except LostError as error:
            lost += error.lost
            known = error.certified or known
            gone = {each.build for each in error.lost}
            left = [build for build in builds if build.name not in gone]
            if not left and builds != [made.in_float] and made.in_float.name not in gone:
                left = [made.in_float]
            if not left:
                raise ParityError("; ".join(str(each) for each in lost)) from error
            for each in error.lost:
                log.warning("not packed: %s", each)
            builds = left
        else:
            break
    first = kept.chains[builds[0].name]
    reference = reference_file(source, first)
    gone = {each.build for each in lost}
    packed = kept.certified.without(gone)
    with stage("packing and proving the bundle"):
        bundle, data = pack_proven(kept.manifest, builds, golden, packed, reference)
    samples = [picture.sample for picture in source.held_back]
    return Exported(
        data,
        bundle,
        kept.certified if known is None else kept.certified.beside(known),
        made.tried,
        made.latency,
        kept.point,
        tuple(lost),
        unknowns(samples, [kind.name for kind in kept.manifest.kinds]),
    )


class LostError(ExportError):
    """Some builds do not hold. certified: what was measured of all of them; None where that was
    not asked yet."""

    def __init__(self, lost: Sequence[Lost], certified: Certified | None = None) -> None:
        super().__init__("; ".join(str(each) for each in lost))
        self.lost = tuple(lost)
        self.certified = certified


@dataclass(frozen=True, slots=True)
class _Kept:
    """The manifest at its T, with certificate and chains of its builds."""

    manifest: Manifest
    certified: Certified
    point: OperatingPoint | None
    chains: dict[str, Inspector]


def _hold(
    source: ExportSource,
    in_float: Build,
    builds: Sequence[Build],
    points: Sequence[OperatingPoint],
    options: ExportOptions,
    known: Certified | None,
) -> _Kept:
    """known: what was measured of more builds than these; it holds where T is the run's. Raises
    LostError with the builds that do not keep a limit."""
    manifest = source.draft.model_copy(update={"builds": tuple(b.manifest for b in builds)})
    point: OperatingPoint | None = None
    limit = options.max_false_rejects
    if limit is not None:
        try:
            point = choose_point(
                points,
                source.held_back,
                tuple(kind.name for kind in manifest.kinds),
                limit,
                lambda threshold: build_chain(_at(manifest, threshold), builds[0]),
            )
        except ParityError as error:
            helps = "To pack it: a larger --max-false-rejects, or --precision float32"
            raise LostError([Lost(builds[0].name, f"{builds[0].name}: {error}", helps)]) from error
        manifest = _at(manifest, point.threshold)
    certified = known
    if certified is None or limit is not None:
        certified = certify(source, manifest, [in_float, *builds], options.limits)
    names = {build.name for build in builds}
    lost = [each for each in certified.lost if each.build in names]
    lost += _too_strict(certified, names - {each.build for each in lost}, limit)
    if lost:
        raise LostError(lost, certified)
    return _Kept(manifest, certified, point, {b.name: build_chain(manifest, b) for b in builds})


def _too_strict(certified: Certified, names: Iterable[str], limit: float | None) -> Iterator[Lost]:
    """The builds that reject more good parts than T was chosen for."""
    for name in sorted(names):
        found = certified.metrics[name]
        rate = found.false_reject_rate
        if limit is not None and rate > limit:
            good = found.parts - found.defective
            yield Lost(
                name,
                f"{name} rejects {counted(found.false_rejects, good)} of the good parts; "
                f"{percent(limit)} are allowed",
                "To pack it: a larger --max-false-rejects",
            )


def _golden(source: ExportSource, kept: _Kept) -> Golden:
    """Raises LostError with the last build where the builds share no frame to prove themselves."""
    torch = torch_chain(source.detector, source.classifier, kept.manifest, flexible=True)
    chains = {**kept.chains, TORCH: torch}
    try:
        return choose_golden(chains, source.held_back, source.size, kept.manifest.chain.threshold)
    except ExportError as error:
        raise LostError([Lost(list(kept.chains)[-1], str(error))], kept.certified) from error


@dataclass(frozen=True, slots=True)
class _Made:
    """The float build, and those to pack, the one that the bundle is judged by first. lost: those
    that could not be made."""

    in_float: Build
    builds: list[Build]
    tried: tuple[Tried, ...] = ()
    latency: tuple[Latency, ...] = ()
    lost: tuple[Lost, ...] = ()


def _make(source: ExportSource, options: ExportOptions) -> _Made:
    formats = tuple(name for name in options.formats if name in source.formats)
    if not formats:
        raise ExportError(
            f"formats {', '.join(options.formats)}: a {source.draft.detector.kind} can be exported "
            f"to {', '.join(source.formats)}"
        )
    if options.precision == "float32" or not source.quantised:
        in_float = float_build(source)
        return _Made(in_float, [in_float])
    with stage("reading pictures to calibrate on and tracing the networks"):
        workshop = Workshop(
            source,
            calibration_frames=options.calibration_frames,
            search_parts=options.search_parts,
            limits=options.limits,
        )
    with stage("tracing the networks"):
        in_float = workshop.float_onnx()
    builds: dict[Format, Build] = {}
    lost: list[Lost] = []
    tried: list[Tried] = []
    latency: tuple[Latency, ...] = ()
    keep_float: tuple[str, ...] = ()
    try:
        with stage("ONNX in int8"):
            int8, found = workshop.int8_onnx(keep_float=options.keep_float)
    except ExportError as error:
        lost.append(Lost("onnx-int8", f"onnx-int8 cannot be made: {error}"))
    else:
        builds["onnx"] = int8
        tried += [each for search in found for each in search.tried]
        keep_float = found[0].scheme.keep_float
        latency = measure({b.name: _engine(source, b) for b in (int8, in_float)})
    if "tflite" in formats:
        try:
            with stage("TFLite in int8"):
                builds["tflite"], more = workshop.int8_tflite(keep_float)
            tried += more
        except (ExportError, OutfeedError) as error:
            helps = "To leave it out: --formats onnx"
            lost.append(Lost("tflite-int8", f"tflite-int8 cannot be made: {error}", helps))
    slower = bool(latency) and latency[0].ms >= latency[1].ms
    packed = [builds[name] for name in formats if name in builds]
    if options.with_float == "always" or (options.with_float == "auto" and slower):
        packed.append(in_float)
    wanted = [each for each in lost if each.build.partition("-")[0] in formats]
    return _Made(in_float, packed, tuple(tried), latency, tuple(wanted))


def _engine(source: ExportSource, build: Build) -> Engine:
    height, width = source.size
    data = build.files[build.manifest.detector.file]
    return OrtEngine(data, batch=1, height=height, width=width, channels=source.channels)


def pack_proven(
    manifest: Manifest,
    builds: Sequence[Build],
    golden: Golden,
    certified: Certified,
    reference: dict[str, bytes],
) -> tuple[Bundle, bytes]:
    """The whole bundle, which has proven itself on this machine. Raises BundleError."""
    whole = manifest.model_copy(
        update={
            "golden": golden.frames,
            "reference": next(iter(reference), None),
            "builds": tuple(
                b.manifest.model_copy(update={"golden": golden.limits}) for b in builds
            ),
            "metrics": {name: values.as_measures() for name, values in certified.metrics.items()},
        }
    )
    files = {name: data for build in builds for name, data in build.files.items()}
    files |= golden.files | reference
    files[CERTIFICATE] = certificate_for(whole, builds, certified.steps)
    data = pack(whole, files)
    bundle = parse_bundle(data)
    for build in builds:
        engine = engine_of(build.manifest)
        prove(bundle, build_inspector(bundle, now_ns=lambda: 0, engine=engine), engine)
    return bundle, data


def _at(manifest: Manifest, threshold: float) -> Manifest:
    chain = manifest.chain.model_copy(update={"threshold": threshold})
    return manifest.model_copy(update={"chain": chain})
