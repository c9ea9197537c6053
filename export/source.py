"""The input of an export: a completed run, its pictures, and a draft of the manifest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edge import __version__
from edge.bundle import (
    BuildManifest,
    ClassifierManifest,
    DetectorFile,
    DetectorManifest,
    KindManifest,
    Manifest,
    TrainedOn,
)
from edge.bundle.manifest import MAX_SIZES, Format
from edge.chain.detect import RUN_PX
from export.synthetic_defects import (
    add_synthetic_defect,
    is_synthetic,
    no_defect_drawn,
    with_synthetic_defects,
)
from models.data.dataset import DataError, DataSet, Pixels, Sample, read_pixels
from models.methods.file_detector import FileDetector
from models.methods.registry import METHODS
from models.networks import SEVERITY_MAX, BlockClassifier, DetectorNetwork
from models.runs.run import Run
from models.training.alignment import aligned_view
from models.training.patches import Picture, load_pictures

# Of the runs of a network for frames of RUN_PX pixels or more.
TILE_PX, OVERLAP_PX = 512, 64


@dataclass(frozen=True, slots=True)
class ExportSource:
    """A completed run, loaded into memory.

    Attributes:
        run: the training run.
        dataset: the data folder of the run.
        train: the training pictures, not loaded.
        held_back: the validation pictures, loaded.
        detector: the trained detector.
        classifier: the trained block classifier; None where the run has none.
        draft: the manifest without golden frames. Its only build is `onnx-float32`.
    """

    run: Run
    dataset: DataSet
    train: tuple[Sample, ...]
    held_back: tuple[Picture, ...]
    detector: DetectorNetwork | FileDetector
    classifier: BlockClassifier | None
    draft: Manifest

    @property
    def uses_synthetic_defects(self) -> bool:
        """Return true where no training picture has a drawn defect: synthetic ones replace it.

        A decision head learns from defective pictures without a mask, which need no replacement.
        """
        return no_defect_drawn(self.train) and not self.draft.detector.part_score

    @property
    def synthetic(self) -> tuple[Picture, ...]:
        """Return held-back good pictures with synthetic defects, where they replace drawn ones."""
        if not self.uses_synthetic_defects:
            return ()
        return tuple(with_synthetic_defects(self.held_back, self.draft.detector.alignment))

    def load_pair(self, sample: Sample) -> tuple[Pixels, Pixels]:
        """Return pixels (uint8 H×W or H×W×3) and kind map (uint8 H×W) of a training picture.

        Where no training picture has a drawn defect, every second good picture has a synthetic
        one. Raises DataError.
        """
        pair = self.dataset.load_pair(sample)
        return (
            add_synthetic_defect(sample, *pair, self.draft.detector.alignment)
            if self.uses_synthetic_defects and is_synthetic(sample)
            else pair
        )

    def load_detector_pair(self, sample: Sample) -> tuple[Pixels, Pixels]:
        """Return what the detector sees of ``load_pair``: the aligned part, or the same picture."""
        pair, alignment = self.load_pair(sample), self.draft.detector.alignment
        return pair if alignment is None else aligned_view(*pair, alignment) or pair

    @property
    def formats(self) -> tuple[Format, ...]:
        """Return the file formats to which the method of the run can be exported."""
        return METHODS[self.draft.detector.kind].formats

    @property
    def quantised(self) -> bool:
        """Return true where the detector can be quantised to int8."""
        return METHODS[self.draft.detector.kind].int8 and not isinstance(
            self.detector, FileDetector
        )

    @property
    def size(self) -> tuple[int, int]:
        """Return the height and width of the network's input in pixels."""
        return self.draft.detector.height, self.draft.detector.width

    @property
    def crop_size(self) -> tuple[int, int]:
        """Return the height and width of the crops on which ONNX in int8 is calibrated, in pixels.

        They are limited because of the memory that float values of every layer take.
        """
        if isinstance(self.detector, FileDetector) or self.detector.fixed_px is not None:
            return self.size
        height, width = self.size
        return min(height, TILE_PX), min(width, TILE_PX)

    @property
    def channels(self) -> Literal[1, 3]:
        """Return the number of channels of a frame."""
        return self.draft.detector.channels


def open_source(
    run: Run, *, name: str, version: str, height: int | None = None, width: int | None = None
) -> ExportSource:
    """Load a completed run. Raises DataError.

    height, width: the static input shape in pixels; None uses the most frequent frame size.
    """
    record, result = run.record(), run.result()
    dataset, by_name = run.open_data()
    detector, classifier = run.load_detector(), run.load_classifier()
    usual = (result.frame_height, result.frame_width)
    if record.alignment is not None:
        usual = (record.alignment.height, record.alignment.width)
    if isinstance(detector, FileDetector):
        shape = (
            height or usual[0],
            width or usual[1],
            0,
        )  # a file detector inspects whole frames only
    else:
        shape = input_shape((height, width), detector, usual)
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
            part_score=isinstance(detector, DetectorNetwork) and detector.decides,
            alignment=record.alignment,
        ),
        classifier=None
        if classifier is None
        else ClassifierManifest(
            channels=channels, size_px=classifier.size_px, keep_severity=result.keep_severity
        ),
        chain=result.chain(),
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
    """Return the manifest of an ONNX build.

    precision: "int8" or "float32". classifier: true where the build has a classifier. A detector
    that is a file returns severity directly, so its scale is 1.
    """
    int8 = precision == "int8"
    folder = Path(f"onnx-{precision}")
    if isinstance(detector, FileDetector):
        file = DetectorFile(file=(folder / f"detector.{detector.kind}").as_posix(), scale=1.0)
    else:
        file = DetectorFile(
            file=(folder / "detector.onnx").as_posix(),
            scale=SEVERITY_MAX / 255 if int8 else SEVERITY_MAX,
            flexible=detector.fixed_px is None,
        )
    return BuildManifest(
        format="onnx",
        precision="int8" if int8 else "float32",
        detector=file,
        classifier=(folder / "classifier.onnx").as_posix() if classifier else None,
    )


def input_shape(
    given: tuple[int | None, int | None], network: DetectorNetwork, usual: tuple[int, int]
) -> tuple[int, int, int]:
    """Return height, width and tile overlap of the network's input, in pixels.

    A frame of the usual size is one run, unless it has RUN_PX pixels or more. A network of one size
    has no tiles. Raises DataError where another size is given for it.
    """
    if network.fixed_px is not None:
        return _only_shape(given, network.fixed_px)
    multiple = max(network.multiple_px, 16)
    height, width = (
        -(-(side or other) // multiple) * multiple for side, other in zip(given, usual, strict=True)
    )
    if given == (None, None) and height * width >= RUN_PX:
        height, width = min(height, TILE_PX), min(width, TILE_PX)
    overlap = min(OVERLAP_PX, min(height, width) // 2) // multiple * multiple
    return height, width, overlap


def _only_shape(
    given: tuple[int | None, int | None], fixed: tuple[int, int]
) -> tuple[int, int, int]:
    """Return the only size of a network's input, and no overlap. Raises DataError for another."""
    if any(side is not None and side != own for side, own in zip(given, fixed, strict=True)):
        raise DataError(
            f"shape {given[0]}x{given[1]}: the network takes {fixed[0]}x{fixed[1]} only; expected "
            "no shape"
        )
    return *fixed, 0


def trained_on(samples: Iterable[Sample]) -> TrainedOn:
    """Return the sizes and channels of pictures as their files hold them; at least one sample.

    Blocks for some milliseconds per picture, since every picture is read. Raises DataError.
    """
    sizes: Counter[tuple[int, int]] = Counter()
    channels: set[Literal[1, 3]] = set()
    for sample in samples:
        pixels = read_pixels(sample.image_path)
        sizes[pixels.shape[0], pixels.shape[1]] += 1
        channels.add(1 if pixels.ndim == 2 else 3)
    heights, widths = zip(*sizes, strict=True)
    # Sizes with equal counts are ordered by size, so that the same pictures give the same bundle.
    usual = sorted(sizes, key=lambda size: (-sizes[size], size))
    return TrainedOn(
        sizes=tuple(usual[:MAX_SIZES]),
        least=(min(heights), min(widths)),
        greatest=(max(heights), max(widths)),
        channels=tuple(sorted(channels)),
    )
