"""What an export starts from: a completed run, its pictures and the manifest that it leads to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edge import __version__
from edge.bundle import (
    BuildManifest,
    ChainManifest,
    ClassifierManifest,
    DetectorFile,
    DetectorManifest,
    KindManifest,
    Manifest,
)
from edge.bundle.manifest import Format
from export.synthetic_defects import add_synthetic_defect, is_synthetic, no_defect_drawn
from export.trained_on import trained_on
from models.data.dataset import DataSet, Pixels, Sample
from models.methods.file_detector import FileDetector
from models.methods.registry import METHODS
from models.networks import SEVERITY_MAX, BlockClassifier, DetectorNetwork
from models.runs.run import Run
from models.training.patches import Picture, load_pictures

WHOLE_FRAME_LIMIT_PX = 512 * 512  # above this a frame is cut into tiles
TILE_PX, OVERLAP_PX = 512, 64


@dataclass(frozen=True, slots=True)
class ExportSource:
    """A run, loaded. held_back: the validation pictures, in memory. draft: the manifest without
    golden frames, whose one build is `onnx-float32`."""

    run: Run
    dataset: DataSet
    train: tuple[Sample, ...]
    held_back: tuple[Picture, ...]
    detector: DetectorNetwork | FileDetector
    classifier: BlockClassifier | None
    draft: Manifest

    @property
    def uses_synthetic_defects(self) -> bool:
        """Whether painted flaws stand for defects: nobody drew one to train on."""
        return no_defect_drawn(self.train)

    def load_pair(self, sample: Sample) -> tuple[Pixels, Pixels]:
        """A training picture and its kind map, perhaps with a planted flaw. Raises DataError."""
        pair = self.dataset.load_pair(sample)
        return (
            add_synthetic_defect(sample, *pair)
            if self.uses_synthetic_defects and is_synthetic(sample)
            else pair
        )

    @property
    def formats(self) -> tuple[Format, ...]:
        """What its method can be exported to."""
        return METHODS[self.draft.detector.kind].formats

    @property
    def quantised(self) -> bool:
        """Whether the detector has an int8 form."""
        return METHODS[self.draft.detector.kind].int8 and not isinstance(
            self.detector, FileDetector
        )

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of one run, px."""
        return self.draft.detector.height, self.draft.detector.width

    @property
    def channels(self) -> Literal[1, 3]:
        return self.draft.detector.channels


def open_source(
    run: Run, *, name: str, version: str, height: int | None = None, width: int | None = None
) -> ExportSource:
    """height, width: the static shape; None takes the usual frame's. Raises DataError."""
    record, result = run.record(), run.result()
    dataset, by_name = run.open_data()
    detector, classifier = run.load_detector(), run.load_classifier()
    usual = (result.frame_height, result.frame_width)
    if isinstance(detector, FileDetector):
        shape = (height or usual[0], width or usual[1], 0)  # it looks at whole frames only
    else:
        shape = _shape((height, width), detector.multiple_px, usual)
    channels: Literal[1, 3] = 1 if record.channels == 1 else 3
    guidance = record.recipe.guidance
    draft = Manifest(
        name=name,
        version=version,
        outfeed_version=__version__,
        detector=DetectorManifest(
            kind=record.recipe.method,
            network=record.recipe.detector_name,
            channels=channels,
            height=shape[0],
            width=shape[1],
            overlap_px=shape[2],
            multiple_px=detector.multiple_px,
            stride_px=detector.stride_px,
        ),
        classifier=None
        if classifier is None
        else ClassifierManifest(
            channels=channels, size_px=classifier.size_px, keep_severity=result.keep_severity
        ),
        chain=ChainManifest(threshold=result.threshold, join_px=result.join_px),
        kinds=tuple(KindManifest(name=k, guidance=guidance.get(k, "")) for k in record.kinds),
        builds=(onnx_build("float32", classifier is not None, detector),),
        golden=(),
        trained_on=trained_on(by_name[name] for name in (*record.train, *record.validation)),
    )
    return ExportSource(
        run=run,
        dataset=dataset,
        train=tuple(by_name[name] for name in record.train),
        held_back=load_pictures(dataset, tuple(by_name[name] for name in record.validation)),
        detector=detector,
        classifier=classifier,
        draft=draft,
    )


def onnx_build(
    precision: str, classifier: bool, detector: DetectorNetwork | FileDetector
) -> BuildManifest:
    """The manifest of an ONNX build; precision 'int8' or 'float32'. A detector that is a file says
    severity itself."""
    int8 = precision == "int8"
    folder = Path(f"onnx-{precision}")
    if isinstance(detector, FileDetector):
        file = DetectorFile(file=(folder / f"detector.{detector.kind}").as_posix(), scale=1.0)
    else:
        file = DetectorFile(
            file=(folder / "detector.onnx").as_posix(),
            scale=SEVERITY_MAX / 255 if int8 else SEVERITY_MAX,
            flexible=True,
        )
    return BuildManifest(
        format="onnx",
        precision="int8" if int8 else "float32",
        detector=file,
        classifier=(folder / "classifier.onnx").as_posix() if classifier else None,
    )


def _shape(
    given: tuple[int | None, int | None], multiple: int, usual: tuple[int, int]
) -> tuple[int, int, int]:
    """Height, width and overlap of one run: the usual frame whole where that is not too large."""
    multiple = max(multiple, 16)
    height, width = (
        -(-(side or other) // multiple) * multiple for side, other in zip(given, usual, strict=True)
    )
    if given == (None, None) and height * width > WHOLE_FRAME_LIMIT_PX:
        height, width = min(height, TILE_PX), min(width, TILE_PX)
    overlap = min(OVERLAP_PX, min(height, width) // 2) // multiple * multiple
    return height, width, overlap
