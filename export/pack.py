"""From a training run to a bundle: make the builds, certify them, choose golden frames, pack."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from edge.bundle import CERTIFICATE, Bundle, Manifest, pack, parse_bundle
from edge.bundle.manifest import Format, Precision
from edge.chain.load import load_inspector, prove
from edge.engines.engine import Engine
from edge.engines.ort import OrtEngine
from export.builds import Workshop, float_build
from export.certify import Certified, certificate_for, certify
from export.chains import TORCH, Build, build_chain, engine_of, torch_chain
from export.errors import ExportError, ParityError
from export.golden import Golden, choose_golden
from export.latency import Latency, measure
from export.operating import choose_point
from export.parity import ParityLimits
from export.reference import reference_file
from export.search import Tried
from export.source import Source, open_source
from models.run import Run
from models.tradeoff import OperatingPoint, choose, points_of, require_good_in, sweep_run
from models.unknown import unknowns

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
    run's. refused: why int8 is not packed though it was asked for; empty otherwise. unknown: what
    the validation pictures cannot tell."""

    data: bytes
    bundle: Bundle
    certified: Certified
    tried: tuple[Tried, ...]
    latency: tuple[Latency, ...]
    point: OperatingPoint | None
    refused: str = ""
    unknown: tuple[str, ...] = ()


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
    made = _make(source, options)
    try:
        return _finish(source, made, points, options)
    except ParityError as error:
        if made.builds == [made.in_float] or not source.spares_float:
            raise
        log.warning("int8-refused float32 is packed alone: %s", error)
        alone = replace(made, builds=[made.in_float], refused=str(error))
        return _finish(source, alone, points, options)


def _finish(
    source: Source, made: _Made, points: Sequence[OperatingPoint], options: ExportOptions
) -> Exported:
    """T, certificate, golden frames and the bundle. Raises ParityError and others."""
    builds = made.builds
    manifest = source.draft.model_copy(update={"builds": tuple(b.manifest for b in builds)})
    point: OperatingPoint | None = None
    if options.max_false_rejects is not None:
        point = choose_point(
            points,
            source.held_back,
            tuple(kind.name for kind in manifest.kinds),
            options.max_false_rejects,
            lambda threshold: build_chain(_at(manifest, threshold), builds[0]),
        )
        manifest = _at(manifest, point.threshold)
    certified = certify(source, manifest, [made.in_float, *builds], options.limits)
    judged = {b.name: build_chain(manifest, b) for b in builds}
    in_torch = torch_chain(source.detector, source.classifier, manifest, flexible=True)
    golden = choose_golden(
        {**judged, TORCH: in_torch}, source.held_back, source.size, manifest.chain.threshold
    )
    reference = reference_file(source, judged[builds[0].name])
    bundle, data = pack_proven(manifest, builds, golden, certified, reference)
    samples = [picture.sample for picture in source.held_back]
    unknown = unknowns(samples, [kind.name for kind in manifest.kinds])
    return Exported(data, bundle, certified, made.tried, made.latency, point, made.refused, unknown)


@dataclass(frozen=True, slots=True)
class _Made:
    """The float build, and those to pack, the one that the bundle is judged by first."""

    in_float: Build
    builds: list[Build]
    tried: tuple[Tried, ...] = ()
    latency: tuple[Latency, ...] = ()
    refused: str = ""


def _make(source: Source, options: ExportOptions) -> _Made:
    formats = tuple(name for name in options.formats if name in source.formats)
    if not formats:
        raise ExportError(
            f"formats {', '.join(options.formats)}: a {source.draft.detector.kind} can be exported "
            f"to {', '.join(source.formats)}"
        )
    if options.precision == "float32" or not source.quantised:
        in_float = float_build(source)
        return _Made(in_float, [in_float])
    workshop = Workshop(
        source,
        calibration_frames=options.calibration_frames,
        search_parts=options.search_parts,
        limits=options.limits,
    )
    in_float = workshop.float_onnx()
    builds: dict[Format, Build] = {}
    int8, found = workshop.int8_onnx(keep_float=options.keep_float)
    tried = [each for search in found for each in search.tried]
    builds["onnx"] = int8
    if "tflite" in formats:
        builds["tflite"], more = workshop.int8_tflite(found[0].scheme.keep_float)
        tried += more
    latency = measure({b.name: _engine(source, b) for b in (int8, in_float)})
    slower = latency[0].ms >= latency[1].ms
    packed = [builds[name] for name in formats]
    if options.with_float == "always" or (options.with_float == "auto" and slower):
        packed.append(in_float)
    return _Made(in_float, packed, tuple(tried), latency)


def _engine(source: Source, build: Build) -> Engine:
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
        prove(bundle, load_inspector(bundle, now_ns=lambda: 0, engine=engine), engine)
    return bundle, data


def _at(manifest: Manifest, threshold: float) -> Manifest:
    chain = manifest.chain.model_copy(update={"threshold": threshold})
    return manifest.model_copy(update={"chain": chain})
