"""A data set: samples, the kinds of defect they carry, and how their pixels are read.

A layout (`models/data/layouts.py`) looks at a folder and lists samples; this file reads pixels.
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
from edge.images import IMAGE_SUFFIXES, read_image

log = logging.getLogger(__name__)

Pixels: TypeAlias = npt.NDArray[np.uint8]
Colour: TypeAlias = tuple[int, int, int]  # red, green, blue

# Published masks are drawn in grey editors and have soft edges: the Magnetic Tile authors' masks
# carry every value from 0 to 255 along the edge of a defect.
MASK_THRESHOLD = 127

# What scipy's reader raises on a file that is cut short or damaged, found by cutting and flipping.
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
    """The data on disk is not as expected; one line that names the file and what was expected."""


class DataFolderError(DataError):
    """All that is to be put right in a folder. lines: as of ``edge.errors.FolderError``."""

    def __init__(self, lines: tuple[str, ...]) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


@dataclass(frozen=True, slots=True)
class MaskRef:
    """Where the pixels of a defect are written down.

    path: a picture, or a MATLAB `.mat` of labels, each read as a grey (see `read_mask`).
    kind set: a grey mask, every pixel above the threshold is of that kind. kind None: a colour
    mask, and `colours` says which colour is which kind; black is the sound surface.
    dark: with `kind`, the defect is drawn dark on white; the mask is inverted before the threshold.
    """

    path: Path
    kind: str | None = None
    colours: tuple[tuple[Colour, str], ...] = ()
    dark: bool = False


@dataclass(frozen=True, slots=True)
class KindBox:
    """A defect that is annotated by a box only, in pixels; right and bottom exclusive."""

    kind: str
    left: int
    top: int
    right: int
    bottom: int


@dataclass(frozen=True, slots=True)
class Sample:
    """One image and what is known of it without reading its pixels.

    name: posix path of the image inside the data folder, unique in the data set.
    group: images of one physical part share it; a split never puts one group on both sides.
    kinds: the kinds of defect the part carries, sorted; empty for a good part.
    masks: later ones win where two overlap. boxes: annotated so; each counts whole as its kind.
    unmasked: the part is known to be defective, yet no pixel says where. Its kind map is all 0 and
    would teach a network that the defect is sound surface, so `split` leaves it out.
    """

    name: str
    image_path: Path
    group: str
    kinds: tuple[str, ...] = ()
    masks: tuple[MaskRef, ...] = ()
    unmasked: bool = False
    boxes: tuple[KindBox, ...] = ()

    @property
    def is_good(self) -> bool:
        """Whether the part carries no defect."""
        return not self.kinds


@dataclass(frozen=True, slots=True)
class DataSet:
    """Samples of one folder, ordered by name.

    kinds: alphabetical; number k in a kind map is kinds[k - 1].
    channels: 1 or 3; every image is loaded with that many, whatever its file holds.
    """

    root: Path
    layout: str
    kinds: tuple[str, ...]
    channels: int
    samples: tuple[Sample, ...]

    def load_image(self, sample: Sample) -> Pixels:
        """uint8 pixels, H×W when `channels` is 1 and H×W×3 in BGR order when it is 3.

        Raises DataError when the file is missing, is no image or has more than 8 bits.
        """
        return as_channels(read_pixels(sample.image_path), self.channels)

    def load_kind_map(self, sample: Sample) -> Pixels:
        """uint8 H×W: 0 is sound surface, k is `kinds[k - 1]`.

        The image is read too, for its size; use `load_pair` when you want both. Raises DataError.
        """
        return self.load_pair(sample)[1]

    def load_pair(self, sample: Sample) -> tuple[Pixels, Pixels]:
        """The image and its kind map, as `load_image` and `load_kind_map` return them.

        Raises DataError when a file cannot be read, or a mask's size is not its image's.
        """
        image = self.load_image(sample)
        size = image.shape[:2]
        kind_map = np.zeros(size, np.uint8)
        for ref in sample.masks:
            pixels = read_mask(ref.path)
            if wrong := other_size(ref.path, pixels.shape, sample.name, image.shape):
                raise DataError(wrong)
            if ref.kind is not None:
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
        return image, kind_map

    def faults(self, samples: Iterable[Sample] | None = None) -> tuple[str, ...]:
        """One line for each image and mask that is not right, of all samples or of those given.
        Reads every one of them, which takes as long as loading them."""
        return tuple(
            line
            for sample in (self.samples if samples is None else samples)
            for line in self._faults(sample)
        )

    def verify(self, samples: Iterable[Sample] | None = None) -> None:
        """Read every image and mask once; raises DataError with all that is not right."""
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
    """Raises DataError with the complaints of a folder, and with the faults of its files, so that
    one try tells all; nothing without a complaint."""
    lines = tuple(dict.fromkeys(complaints))
    if lines:
        raise DataFolderError(listing((*lines, *dataset.faults()), str(dataset.root)))


def read_pixels(path: Path) -> Pixels:
    """uint8 pixels as the file holds them, H×W or H×W×3 (BGR); an alpha channel is dropped.

    Read as the station reads it (edge/images.py). Raises DataError when the file is missing, is no
    image, is cut short, or has more than 8 bits per channel.
    """
    try:
        return read_image(path)
    except FrameError as error:
        raise DataError(str(error)) from error


def read_mask(path: Path) -> Pixels:
    """`read_pixels`, but of a `.mat` the labels that lie in `groundTruth.Segmentation`, uint8 H×W.

    That is how the Berkeley segmentation benchmark keeps ground truth, and CrackForest after it.
    Needs scipy for a `.mat`. Raises DataError as `read_pixels` does, and for other content.
    """
    return _read_labels(path) if path.suffix.lower() == ".mat" else read_pixels(path)


def as_channels(pixels: Pixels, channels: int) -> Pixels:
    """H×W for channels 1 and H×W×3 for channels 3; three equal channels keep their value."""
    if channels == 1 and pixels.ndim == 3:
        return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY), np.uint8)
    if channels == 3 and pixels.ndim == 2:
        return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR), np.uint8)
    return pixels


def looks_grey(pixels: Pixels) -> bool:
    """Whether the image is H×W, or has three equal channels as a grey JPEG often has."""
    return pixels.ndim == 2 or bool(
        (pixels[:, :, 0] == pixels[:, :, 1]).all() and (pixels[:, :, 1] == pixels[:, :, 2]).all()
    )


def binary_mask(pixels: Pixels, path: Path) -> npt.NDArray[np.bool_]:
    """bool H×W: above MASK_THRESHOLD; a mask that holds one dark value only (0 and 1) is > 0.

    Raises DataError naming `path` when a mask is dark and holds several values, since then no
    threshold is right.
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


def colour_codes(pixels: Pixels) -> npt.NDArray[np.uint32]:
    """uint32 H×W: each pixel as 0xRRGGBB."""
    wide = as_channels(pixels, 3).astype(np.uint32)
    return np.asarray(wide[:, :, 2] << 16 | wide[:, :, 1] << 8 | wide[:, :, 0], np.uint32)


def colour_code(colour: Colour) -> int:
    """0xRRGGBB of a (red, green, blue) triple."""
    red, green, blue = colour
    return red << 16 | green << 8 | blue


def files_in(folder: Path, suffixes: Iterable[str] = IMAGE_SUFFIXES) -> list[Path]:
    """The files right inside `folder` with one of the lower-case suffixes, by name; not hidden."""
    files = (p for p in folder.iterdir() if p.suffix.lower() in suffixes and p.is_file())
    return sorted((p for p in files if not p.name.startswith(".")), key=lambda p: p.name)


def _read_labels(path: Path) -> Pixels:
    from scipy.io import loadmat, matlab  # a third of a second; no other layout needs it

    expected = "expected a MATLAB file with the labels in groundTruth.Segmentation"
    try:
        with path.open("rb") as file:
            found = loadmat(file, variable_names=["groundTruth"])
        labels = np.asarray(found["groundTruth"]["Segmentation"][0, 0])
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
