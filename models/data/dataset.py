"""A data set: samples, their kinds of defects, and the functions that read their pixels.

A layout (`models/data/layouts.py`) lists the samples of a folder; this module reads pixels.
"""

from __future__ import annotations

import logging
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from edge.data_folder import listing, remarks
from edge.data_folder.ignored_content import turned
from edge.data_folder.mask_checks import other_size
from edge.errors import FrameError, OutfeedError
from edge.images import IMAGE_SUFFIXES, colour_codes, read_image
from edge.label_files import LabelError, LabelledShape, rasterise

log = logging.getLogger(__name__)

Pixels: TypeAlias = npt.NDArray[np.uint8]
Colour: TypeAlias = tuple[int, int, int]  # red, green, blue

# Published masks have soft edges. The masks of Magnetic Tile have every value from 0 to 255 along
# the edge of a defect.
MASK_THRESHOLD = 127

# Exceptions of scipy's reader for truncated or damaged files, found by truncating and flipping
# bits.
_MAT_FAULTS = (
    OSError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    NotImplementedError,
    zlib.error,
)
_GREYS = np.arange(256)


class DataError(OutfeedError):
    """The data on disk is not as expected. The message names the file and what was expected."""


class DataFolderError(DataError):
    """A data folder has faults. lines: one for each, as in ``edge.errors.FolderError``."""

    def __init__(self, lines: tuple[str, ...]) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


@dataclass(frozen=True, slots=True)
class MaskRef:
    """A file that holds the mask of a defect.

    path: a picture, or a MATLAB `.mat` of labels, which are read as grey levels (see `read_mask`).
    kind: the kind of every pixel above the threshold of a grey mask; None for a colour mask.
    colours: the kind of each colour of a colour mask, in which black is sound surface. dark: with
    `kind`, the defect is drawn dark on white, and the mask is inverted before the threshold.
    nonzero: with `kind`, every value above 0 is the defect (masks that number their defects).
    """

    path: Path
    kind: str | None = None
    colours: tuple[tuple[Colour, str], ...] = ()
    dark: bool = False
    nonzero: bool = False


@dataclass(frozen=True, slots=True)
class KindBox:
    """A defect annotated by a box, in pixels of the image; right and bottom are exclusive."""

    kind: str
    left: int
    top: int
    right: int
    bottom: int


@dataclass(frozen=True, slots=True)
class Sample:
    """One image, with all that is known of it without its pixels.

    name: posix path of the image inside the data folder, unique in the data set. group: the
    physical part. Images of one part share it; `split` never divides a group. kinds: the kinds of
    defects on the part, sorted; empty for a good part. masks: where two overlap, the later one
    counts. boxes: every pixel of a box counts as its kind. shapes: drawn in a label file; the later
    one counts too. unmasked: the part is known to be
    defective, but no mask shows where. Its kind map is all 0, from which a network would learn that
    the defect is sound surface. `split` therefore leaves it out.
    """

    name: str
    image_path: Path
    group: str
    kinds: tuple[str, ...] = ()
    masks: tuple[MaskRef, ...] = ()
    unmasked: bool = False
    boxes: tuple[KindBox, ...] = ()
    shapes: tuple[LabelledShape, ...] = ()

    @property
    def is_good(self) -> bool:
        """True if the part has no known defect."""
        return not self.kinds


@dataclass(frozen=True, slots=True)
class DataSet:
    """Samples of one folder, ordered by name.

    kinds: in alphabetical order; the value k in a kind map is kinds[k - 1].
    channels: 1 or 3; every image is converted to as many when it is loaded.
    """

    root: Path
    layout: str
    kinds: tuple[str, ...]
    channels: int
    samples: tuple[Sample, ...]

    def load_image(self, sample: Sample) -> Pixels:
        """Return the pixels: uint8 H×W if `channels` is 1, H×W×3 in the order BGR if it is 3.

        Raises DataError if the file is missing, is no image or has more than 8 bits.
        """
        return as_channels(read_pixels(sample.image_path), self.channels)

    def load_kind_map(self, sample: Sample) -> Pixels:
        """Return the kind map: uint8 H×W, 0 for sound surface, k for `kinds[k - 1]`.

        The image is read too, for its size; `load_pair` returns both. Raises DataError.
        """
        return self.load_pair(sample)[1]

    def load_pair(self, sample: Sample) -> tuple[Pixels, Pixels]:
        """Return the image and its kind map, as `load_image` and `load_kind_map` do.

        Raises DataError if a file cannot be read, or a mask and its image differ in size.
        """
        image = self.load_image(sample)
        size = image.shape[:2]
        kind_map = np.zeros(size, np.uint8)
        for ref in sample.masks:
            pixels = read_mask(ref.path)
            if wrong := other_size(ref.path, pixels.shape, sample.name, image.shape):
                raise DataError(wrong)
            if ref.kind is not None:
                if ref.nonzero:
                    defect = as_channels(pixels, 1) > 0
                else:
                    defect = binary_mask(255 - pixels if ref.dark else pixels, ref.path)
                kind_map[defect] = self.kinds.index(ref.kind) + 1
                continue
            codes = colour_codes(pixels)
            for colour, kind in ref.colours:
                kind_map[codes == colour_code(colour)] = self.kinds.index(kind) + 1
        for box in sample.boxes:
            if not (0 <= box.left < box.right <= size[1] and 0 <= box.top < box.bottom <= size[0]):
                sides = f"{box.left} {box.top} {box.right} {box.bottom}"
                raise DataError(
                    f"{sample.image_path}: is {_size(image)}; expected it to hold the box {sides} "
                    "of its annotation"
                )
            kind_map[box.top : box.bottom, box.left : box.right] = self.kinds.index(box.kind) + 1
        for shape in sample.shapes:
            kind_map[shape_mask(shape, size)] = self.kinds.index(shape.kind) + 1
        return image, kind_map

    def faults(self, samples: Iterable[Sample] | None = None) -> tuple[str, ...]:
        """Return one line for each faulty image and mask, of all samples or of those given.

        It reads every file, which takes as long as loading them.
        """
        return tuple(
            line
            for sample in (self.samples if samples is None else samples)
            for line in self._faults(sample)
        )

    def verify(self, samples: Iterable[Sample] | None = None) -> None:
        """Read every image and mask once. Raises DataError that lists every fault."""
        if faults := self.faults(samples):
            raise DataFolderError(listing(faults, str(self.root)))

    def _faults(self, sample: Sample) -> list[str]:
        lines = [*remarks(sample.image_path)]
        for ref in sample.masks:
            try:
                read_mask(ref.path)
                lines += [line] if (line := turned(ref.path, ref.path.read_bytes())) else []
            except (DataError, OSError) as error:
                lines.append(str(error))
        try:
            self.load_image(sample)
            if not lines:
                self.load_pair(sample)
        except DataError as error:
            lines.append(str(error))
        return lines


def refuse(complaints: Iterable[str], dataset: DataSet) -> None:
    """Raise DataError if there are complaints about a folder.

    The error also lists the faults of its files, so that one trial shows all of them.
    """
    lines = tuple(dict.fromkeys(complaints))
    if lines:
        raise DataFolderError(listing((*lines, *dataset.faults()), str(dataset.root)))


def read_pixels(path: Path) -> Pixels:
    """Return the pixels of a file: uint8 H×W or H×W×3 (BGR). An alpha channel is dropped.

    The station reads pictures by the same code (edge/images.py). Raises DataError if the file is
    missing, is no image, is truncated, or has more than 8 bits per channel.
    """
    try:
        return read_image(path)
    except FrameError as error:
        raise DataError(str(error)) from error


def read_mask(path: Path) -> Pixels:
    """Return the pixels of a mask; of a `.mat`, the labels in `groundTruth.Segmentation`, uint8
    H×W.

    CrackForest stores its ground truth in this form of the Berkeley segmentation benchmark. A
    `.mat` needs scipy. Raises DataError as `read_pixels` does, and for other content.
    """
    return _read_labels(path) if path.suffix.lower() == ".mat" else read_pixels(path)


def shape_mask(shape: LabelledShape, size: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    """Return the pixels of a shape of a label file: bool H×W. size: H, W.

    Raises DataError where the shape is damaged, does not fit, or covers no pixel.
    """
    if shape.area is None:
        raise DataError(f"{shape.place}: marks the whole part; expected a shape with an area")
    try:
        mask = rasterise(shape.area, size[0], size[1])
    except LabelError as error:
        raise DataError(f"{shape.place}: {error}") from error
    if not mask.any():
        raise DataError(f"{shape.place}: covers no pixel; expected the defect drawn, or no entry")
    return mask


def as_channels(pixels: Pixels, channels: int) -> Pixels:
    """Convert to H×W for 1 channel, to H×W×3 for 3. Three equal channels keep their value."""
    if channels == 1 and pixels.ndim == 3:
        return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY), np.uint8)
    if channels == 3 and pixels.ndim == 2:
        return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR), np.uint8)
    return pixels


def looks_grey(pixels: Pixels) -> bool:
    """Return true for H×W, or for three equal channels, which a grey JPEG often has."""
    return pixels.ndim == 2 or bool(
        (pixels[:, :, 0] == pixels[:, :, 1]).all() and (pixels[:, :, 1] == pixels[:, :, 2]).all()
    )


def binary_mask(pixels: Pixels, path: Path) -> npt.NDArray[np.bool_]:
    """Return the pixels above MASK_THRESHOLD: bool H×W.

    In a mask with a single dark value (for instance 0 and 1) every value above 0 counts. Raises
    DataError with `path` for a dark mask with several values, for which no threshold is right.
    """
    grey = as_channels(pixels, 1)
    top = int(grey.max(initial=0))
    if 0 < top <= MASK_THRESHOLD:
        if bool(((grey == 0) | (grey == top)).all()):
            return grey > 0
        raise DataError(
            f"{path}: the mask has several values and none above {MASK_THRESHOLD}; "
            "expected 0 for sound surface and 255 for defect"
        )
    return grey > MASK_THRESHOLD


def colour_code(colour: Colour) -> int:
    """Return 0xRRGGBB for a (red, green, blue) triple."""
    red, green, blue = colour
    return red << 16 | green << 8 | blue


def files_in(folder: Path, suffixes: Iterable[str] = IMAGE_SUFFIXES) -> list[Path]:
    """Return the files directly in `folder` with one of the suffixes, by name, without hidden ones.

    suffixes: in lower case.
    """
    files = (p for p in folder.iterdir() if p.suffix.lower() in suffixes and p.is_file())
    return sorted((p for p in files if not p.name.startswith(".")), key=lambda p: p.name)


def _read_labels(path: Path) -> Pixels:
    from scipy.io import loadmat, matlab  # a third of a second; no other layout needs it

    expected = "expected a MATLAB file with the labels in groundTruth.Segmentation"
    try:
        with path.open("rb") as file:
            content = loadmat(file, variable_names=["groundTruth"])
        labels = np.asarray(content["groundTruth"]["Segmentation"][0, 0])
    except FileNotFoundError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    except (*_MAT_FAULTS, matlab.MatReadError) as error:
        raise DataError(f"{path}: cannot be read as labels; {expected}") from error
    if labels.ndim != 2 or labels.dtype.kind not in "uif" or not np.isin(labels, _GREYS).all():
        raise DataError(f"{path}: the labels are not H×W whole numbers from 0 to 255; {expected}")
    return labels.astype(np.uint8)


def _size(pixels: Pixels) -> str:
    height, width = pixels.shape[:2]
    return f"{width}x{height}"
