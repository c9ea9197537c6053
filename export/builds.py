"""The builds of a bundle: ONNX in float32, ONNX in int8 by search, and TFLite in int8."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import onnx

from edge.bundle import BuildManifest, DetectorFile
from edge.chain.classify import BLOCKS_PER_REGION
from edge.chain.inspector import Inspector
from edge.engines.ort import OrtEngine
from export.chains import Build, build_chain, torch_chain
from export.errors import ExportError
from export.float_onnx import export_float, station_graph, tail_of
from export.kept_steps import NOTHING_KEPT, KeptSteps
from export.parity import ParityLimits
from export.quantisation.calibration import BlockCrops, FrameCrops, spread
from export.quantisation.headroom import MOST, overflows
from export.quantisation.quantise import CALIBRATIONS, PERCENTILE, Quantiser, Range, Scheme
from export.quantisation.search import SearchResult, Trial, Tried, pick, search
from export.source import ExportSource, onnx_build
from export.tflite import FILES, TfliteFile, TfliteJob, convert
from models.data.dataset import Pixels
from models.methods.file_detector import FileDetector
from models.networks import SEVERITY_MAX, DetectorNetwork
from models.training.progress import stage

log = logging.getLogger(__name__)

# The range of logits in uint8. At ±8 the logistic is within 0.004 severity of its ends, and one
# step in the middle is 0.19 severity.
LOGIT_RANGE = Range(-8.0, 8.0)
ERROR_FRAMES = 8  # number of crops on which a layer's share of the error is measured
CLASSIFIER_SCHEMES = tuple(Scheme(calibration) for calibration in CALIBRATIONS)


def float_build(source: ExportSource) -> Build:
    """Return the only build of a method that is not quantised.

    It is ONNX in float32, or the file that the detector of a station reads, with the classifier in
    float32.
    """
    networks = source.detector, source.classifier
    detector, classifier = (
        None
        if network is None or isinstance(network, FileDetector)
        else export_float(network, source.channels)
        for network in networks
    )
    manifest = onnx_build("float32", classifier is not None, source.detector)
    files: dict[str, bytes] = {}
    if isinstance(source.detector, FileDetector):
        files[manifest.detector.file] = source.detector.data
    elif detector is not None:
        tail = tail_of(source.detector)
        files[manifest.detector.file] = _bytes(station_graph(detector, tail))
    if classifier is not None and manifest.classifier is not None:
        files[manifest.classifier] = _bytes(station_graph(classifier, None))
    return Build(manifest, files)


class Workshop:
    """Makes the builds of a run whose detector can be quantised.

    calibration_frames: number of pictures that calibrate int8. search_parts: number of training
    pictures on which ways to quantise are compared. Half of the pictures of either set are
    defective, where there are enough. steps: keep each quantised network and each comparison.
    """

    def __init__(
        self,
        source: ExportSource,
        *,
        calibration_frames: int,
        search_parts: int,
        limits: ParityLimits,
        steps: KeptSteps = NOTHING_KEPT,
    ) -> None:
        assert isinstance(source.detector, DetectorNetwork)
        self._source, self._limits, self._network = source, limits, source.detector
        self._steps = steps
        self._tail = tail_of(source.detector)
        self._parts = spread(source.train, search_parts, seed=1)
        chosen, load = spread(source.train, calibration_frames), source.load_pair
        log.info("calibrate frames=%s search parts=%s", len(chosen), len(self._parts))
        self._crops = FrameCrops(chosen, source.load_detector_pair, source.crop_size)
        self._frame_crops = FrameCrops(chosen, source.load_detector_pair, source.size)
        self._float = export_float(source.detector, source.channels)
        raw = LOGIT_RANGE if source.detector.logistic else Range(0.0, SEVERITY_MAX)
        self._detector = Quantiser(self._float, self._crops, raw, steps)
        self._float_blocks: onnx.ModelProto | None = None
        self._blocks: Quantiser | None = None
        self._block_crops: Sequence[Pixels] = ()
        if source.classifier is not None:
            self._block_crops = BlockCrops(chosen, load, source.classifier.size_px)
            self._float_blocks = export_float(source.classifier, source.channels)
            self._blocks = Quantiser(self._float_blocks, self._block_crops, steps=steps)

    def float_onnx(self) -> Build:
        """Return the ONNX build in float32."""
        return self._onnx("float32", self._float, self._float_blocks)

    def int8_onnx(self, *, keep_float: bool) -> tuple[Build, tuple[SearchResult, ...]]:
        """Return the ONNX build in int8, and the searches: detector first, then classifier.

        Each network is quantised in the way that misses the fewest defects. keep_float: allow
        layers in float where no other way is within the limits. Blocks for some minutes.
        """
        trial = self._trial(flexible=True)
        blocks = self._blocks.quantise() if self._blocks else None
        detector = search(
            "detector",
            self._detector,
            lambda model: self._chain(model, blocks),
            replace(trial, beside=() if blocks is None else (_bytes(blocks),)),
            error=self._error if keep_float else None,
        )
        if self._blocks is None:
            return self._onnx("int8", detector.model, None), (detector,)
        classifier = search(
            "classifier",
            self._blocks,
            lambda model: self._chain(detector.model, model),
            replace(trial, beside=(_bytes(detector.model),)),
            schemes=CLASSIFIER_SCHEMES,
        )
        return self._onnx("int8", detector.model, classifier.model), (detector, classifier)

    def int8_tflite(self, keep_float: tuple[str, ...] = ()) -> tuple[Build, tuple[Tried, ...]]:
        """Return the TFLite build in int8 with the better calibration, and all that were tried.

        keep_float: layers of the ONNX network that stay in float in TFLite as well. Raises
        ExportError where the tool chain is missing. Blocks for about a minute.
        """
        source = self._source
        height, width = source.size
        paths = self._paths(keep_float)
        jobs: dict[str, TfliteJob] = {
            calibration: TfliteJob(
                self._network,
                source.channels,
                height,
                width,
                calibration=self._frame_crops,
                percentile=PERCENTILE if calibration == "percentile" else None,
                keep_float=paths,
            )
            for calibration in CALIBRATIONS
        }
        blocks: dict[str, TfliteJob] = {}
        if source.classifier is not None:
            side = source.classifier.size_px
            blocks["classifier"] = TfliteJob(
                source.classifier,
                source.channels,
                side,
                side,
                batch=BLOCKS_PER_REGION,
                calibration=self._block_crops,
            )
        with stage(f"converting {len(jobs | blocks)} networks to TFLite"):
            made = self._steps.of(
                "tflite", (source.size, paths), FILES, lambda: convert(jobs | blocks)
            )
        trial = self._trial(flexible=False)
        builds = {
            Scheme(calibration, keep_float=paths): _tflite_build(
                made[calibration], made.get("classifier")
            )
            for calibration in CALIBRATIONS
        }
        tried = trial.judge(
            "tflite detector",
            {scheme: build_chain(source.draft, build) for scheme, build in builds.items()},
            [data for build in builds.values() for data in build.files.values()],
        )
        return builds[pick(tried).scheme], tuple(tried)

    def _trial(self, *, flexible: bool) -> Trial:
        source = self._source
        chain = torch_chain(source.detector, source.classifier, source.draft, flexible=flexible)
        threshold = source.draft.chain.threshold
        total = len(self._parts)
        return Trial(chain, self._frames, threshold, self._limits, total, self._steps)

    def _chain(self, detector: onnx.ModelProto, classifier: onnx.ModelProto | None) -> Inspector:
        return build_chain(self._source.draft, self._onnx("int8", detector, classifier))

    def _onnx(
        self, precision: str, detector: onnx.ModelProto, classifier: onnx.ModelProto | None
    ) -> Build:
        for network in (detector, classifier):
            cut = overflows(network) if network is not None else ()
            if cut:
                raise ExportError(
                    f"{cut[0]}: two weights of a channel have a sum above {MOST}; a processor "
                    "without VNNI would saturate the sum of their products"
                )
        manifest = onnx_build(precision, classifier is not None, self._network)
        files = {manifest.detector.file: _bytes(station_graph(detector, self._tail))}
        if classifier is not None and manifest.classifier is not None:
            files[manifest.classifier] = _bytes(station_graph(classifier, None))
        return Build(manifest, files)

    def _frames(self) -> Iterator[tuple[str, Pixels, bool]]:
        for sample in self._parts:
            pixels, kind_map = self._source.load_pair(sample)
            yield sample.name, pixels, not sample.is_good or bool(kind_map.any())

    def _error(self, model: onnx.ModelProto) -> float:
        """Return the mean squared error in severity, on crops around defects."""
        frames = self._crops[:ERROR_FRAMES]
        pairs = zip(self._maps(model, frames), self._maps(self._float, frames), strict=True)
        return float(np.mean([np.square(got - want).mean() for got, want in pairs]))

    def _maps(
        self, model: onnx.ModelProto, frames: Sequence[Pixels]
    ) -> Iterator[npt.NDArray[np.float32]]:
        height, width = self._source.crop_size
        engine = OrtEngine(
            _bytes(station_graph(model, self._tail)),
            batch=1,
            height=height,
            width=width,
            channels=self._source.channels,
        )
        for frame in frames:
            engine.input[0] = frame.reshape(engine.input.shape[1:])
            severity = engine.run()[0]
            unit = SEVERITY_MAX / 255 if severity.dtype == np.uint8 else SEVERITY_MAX
            yield severity.astype(np.float32) * np.float32(unit)

    def _paths(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """Return the module paths of the detector's ONNX layers, by the names of their weights."""
        return tuple(
            layer.input[1].removeprefix("network.").removesuffix(".weight")
            for layer in self._detector.layers
            if layer.name in names
        )


def _bytes(model: onnx.ModelProto) -> bytes:
    data: bytes = model.SerializeToString(deterministic=True)
    return data


def _tflite_build(detector: TfliteFile, classifier: TfliteFile | None) -> Build:
    manifest = BuildManifest(
        format="tflite",
        precision="int8",
        detector=DetectorFile(
            file="tflite-int8/detector.tflite",
            scale=detector.scale,
            zero_point=detector.zero_point,
        ),
        classifier=None if classifier is None else "tflite-int8/classifier.tflite",
    )
    files = {manifest.detector.file: detector.data}
    if classifier is not None and manifest.classifier is not None:
        files[manifest.classifier] = classifier.data
    return Build(manifest, files)
