"""From a training run to a bundle: quantise, prove parity, choose golden frames, pack."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import onnx

from edge import __version__
from edge.bundle import (
    BuildManifest,
    Bundle,
    ChainManifest,
    ClassifierManifest,
    DetectorFile,
    DetectorManifest,
    KindManifest,
    Manifest,
    pack,
    parse_bundle,
)
from edge.bundle.manifest import Precision
from edge.chain.inspector import Inspector
from edge.chain.load import load_inspector, prove
from edge.engines.ort import OrtEngine
from export.crops import block_crops, frame_crops, spread
from export.float_onnx import Tail, export_float, station_graph
from export.golden import choose_golden
from export.operating import choose_point
from export.parity import Parity, ParityLimits, compare, require
from export.quantise import CALIBRATIONS, Range, quantise
from models.evaluate import evaluate
from models.metrics import Metrics, summarise
from models.networks import SEVERITY_MAX, BlockClassifier, DetectorNetwork
from models.patches import Picture, load_pictures
from models.run import Run
from models.tradeoff import OperatingPoint

log = logging.getLogger(__name__)

# Logits that uint8 resolves: at ±8 the logistic is within 0.004 severity of its ends, and a step in
# the middle is 0.19 severity.
LOGIT_RANGE = Range(-8.0, 8.0)
DETECTOR_FILE, CLASSIFIER_FILE = "detector.onnx", "classifier.onnx"
WHOLE_FRAME_LIMIT_PX = 512 * 512  # above this a frame is cut into tiles
TILE_PX, OVERLAP_PX = 512, 64


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """height, width: the static shape; None takes the usual frame's. precision 'float32' packs the
    float networks, for a machine where int8 is no gain. max_false_rejects: choose T within this
    share of the good parts, 0 to 1; None takes the run's T."""

    name: str
    version: str = "1"
    height: int | None = None
    width: int | None = None
    precision: Precision = "int8"
    calibration_frames: int = 96
    max_false_rejects: float | None = None
    limits: ParityLimits = field(default_factory=ParityLimits)


@dataclass(frozen=True, slots=True)
class Exported:
    """The bundle's bytes and what was measured on the way. point: the chosen T; None where it is
    the run's."""

    data: bytes
    bundle: Bundle
    parity: Parity
    metrics: dict[str, Metrics]
    point: OperatingPoint | None


def export_run(run: Run, options: ExportOptions) -> Exported:
    """Export a completed run. Blocks for a minute or so. Raises ExportError, DataError."""
    record, result = run.record(), run.result()
    dataset, by_name = run.open_data()
    train = load_pictures(dataset, tuple(by_name[name] for name in record.train))
    held_back = load_pictures(dataset, tuple(by_name[name] for name in record.validation))
    detector, classifier = run.load_detector(), run.load_classifier()
    height, width, overlap = _shape(
        options, detector.multiple_px, result.frame_height, result.frame_width
    )
    log.info("export shape=%sx%s", height, width)
    guidance = record.recipe.guidance
    kinds = tuple(KindManifest(name=k, guidance=guidance.get(k, "")) for k in record.kinds)
    draft = Manifest(
        name=options.name,
        version=options.version,
        outfeed_version=__version__,
        detector=DetectorManifest(
            network=record.recipe.detector.network,
            channels=1 if record.channels == 1 else 3,
            height=height,
            width=width,
            overlap_px=overlap,
            multiple_px=detector.multiple_px,
            stride_px=detector.stride_px,
        ),
        classifier=None
        if classifier is None
        else ClassifierManifest(
            channels=1 if record.channels == 1 else 3,
            size_px=classifier.size_px,
            keep_severity=result.keep_severity,
        ),
        chain=ChainManifest(threshold=result.threshold, join_px=result.join_px),
        kinds=kinds,
        builds=(_build("float32", classifier is not None),),
        golden=(),
    )
    floats = {DETECTOR_FILE: export_float(detector, record.channels)}
    if classifier is not None:
        floats[CLASSIFIER_FILE] = export_float(classifier, record.channels)
    tail = Tail(detector.logistic, detector.shuffle)
    manifest, files = draft, _station_files(floats, tail)
    float_files = files
    if options.precision == "int8":
        int8 = _quantise_all(floats, detector, classifier, train, (height, width), options)
        builds = (_build("int8", classifier is not None),)
        manifest = draft.model_copy(update={"builds": builds})
        files = _station_files(int8, tail)
    point: OperatingPoint | None = None
    if options.max_false_rejects is not None:
        point = choose_point(
            run,
            held_back,
            options.max_false_rejects,
            lambda threshold: _inspector(_bundle(_at(manifest, threshold), files)),
        )
        draft, manifest = _at(draft, point.threshold), _at(manifest, point.threshold)
    chosen = _bundle(manifest, files)
    reference, candidate = _inspector(_bundle(draft, float_files)), _inspector(chosen)
    frames = [(p.sample.name, p.pixels, not p.sample.is_good) for p in held_back]
    parity = compare(reference, candidate, frames, manifest.chain.threshold)
    log.info("parity %s", parity)
    require(parity, options.limits)
    metrics: dict[str, Metrics] = {
        "float32": summarise(evaluate(reference, held_back, record.kinds)),
        options.precision: summarise(evaluate(candidate, held_back, record.kinds)),
    }
    golden, pictures = choose_golden(candidate, reference, held_back, (height, width))
    whole = manifest.model_copy(
        update={
            "golden": golden,
            "metrics": {
                "parity": parity.as_dict(),
                **{name: values.as_dict() for name, values in metrics.items()},
            },
        }
    )
    data = pack(whole, {**chosen.files, **pictures})
    bundle = parse_bundle(data)
    prove(bundle, _inspector(bundle))
    return Exported(data, bundle, parity, metrics, point)


def _shape(
    options: ExportOptions, multiple: int, usual_height: int, usual_width: int
) -> tuple[int, int, int]:
    """Height, width and overlap of one run: the usual frame whole where that is not too large."""
    multiple = max(multiple, 16)
    height, width = (
        -(-(given or usual) // multiple) * multiple
        for given, usual in ((options.height, usual_height), (options.width, usual_width))
    )
    if options.height is None and options.width is None and height * width > WHOLE_FRAME_LIMIT_PX:
        height, width = min(height, TILE_PX), min(width, TILE_PX)
    overlap = min(OVERLAP_PX, min(height, width) // 2) // multiple * multiple
    return height, width, overlap


def _quantise_all(
    floats: dict[str, onnx.ModelProto],
    detector: DetectorNetwork,
    classifier: BlockClassifier | None,
    train: tuple[Picture, ...],
    size: tuple[int, int],
    options: ExportOptions,
) -> dict[str, onnx.ModelProto]:
    rng = np.random.default_rng(0)
    chosen = spread(train, options.calibration_frames, rng)
    log.info("quantise frames=%s", len(chosen))
    raw = LOGIT_RANGE if detector.logistic else Range(0.0, SEVERITY_MAX)
    tail = Tail(detector.logistic, detector.shuffle)
    networks = {DETECTOR_FILE: _best_detector(floats[DETECTOR_FILE], chosen, size, raw, tail)}
    if classifier is not None:
        blocks = list(block_crops(chosen, classifier.size_px, rng))
        networks[CLASSIFIER_FILE] = quantise(floats[CLASSIFIER_FILE], blocks, None)
    return networks


def _best_detector(
    network: onnx.ModelProto,
    pictures: tuple[Picture, ...],
    size: tuple[int, int],
    raw: Range,
    tail: Tail,
) -> onnx.ModelProto:
    """Of both calibrations the one whose severity is nearer to float on the calibration frames."""
    frames = list(frame_crops(pictures, size))

    def maps(model: onnx.ModelProto) -> list[npt.NDArray[np.float32]]:
        graph = station_graph(model, tail)
        channels = 1 if frames[0].ndim == 2 else 3
        engine = OrtEngine(
            graph.SerializeToString(), batch=1, height=size[0], width=size[1], channels=channels
        )
        found = []
        for frame in frames:
            engine.input[0] = frame.reshape(engine.input.shape[1:])
            severity = engine.run()[0]
            unit = SEVERITY_MAX / 255 if severity.dtype == np.uint8 else SEVERITY_MAX
            found.append(severity.astype(np.float32) * np.float32(unit))
        return found

    wanted = maps(network)
    best: tuple[float, onnx.ModelProto] | None = None
    for calibration in CALIBRATIONS:
        model = quantise(network, frames, raw, calibration)
        pairs = zip(maps(model), wanted, strict=True)
        error = float(np.mean([np.square(got - want).mean() for got, want in pairs]))
        log.info("quantise calibration=%s mean_squared_error=%.4f", calibration, error)
        if best is None or error < best[0]:
            best = (error, model)
    assert best is not None
    return best[1]


def _station_files(networks: dict[str, onnx.ModelProto], tail: Tail) -> dict[str, bytes]:
    return {
        name: station_graph(network, tail if name == DETECTOR_FILE else None).SerializeToString(
            deterministic=True
        )
        for name, network in networks.items()
    }


def _build(precision: Precision, classifier: bool) -> BuildManifest:
    """The ONNX build whose files ``_station_files`` makes."""
    scale = SEVERITY_MAX / 255 if precision == "int8" else SEVERITY_MAX
    return BuildManifest(
        format="onnx",
        precision=precision,
        detector=DetectorFile(file=DETECTOR_FILE, scale=scale, flexible=True),
        classifier=CLASSIFIER_FILE if classifier else None,
    )


def _at(manifest: Manifest, threshold: float) -> Manifest:
    chain = manifest.chain.model_copy(update={"threshold": threshold})
    return manifest.model_copy(update={"chain": chain})


def _bundle(manifest: Manifest, files: dict[str, bytes]) -> Bundle:
    return parse_bundle(pack(manifest, files))


def _inspector(bundle: Bundle) -> Inspector:
    return load_inspector(bundle, now_ns=time.perf_counter_ns)
