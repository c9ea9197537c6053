"""The pictures that a bundle knows, as what a camera's pictures must be like."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edge.bundle import Bundle, TrainedOn
from edge.bundle.manifest import MAX_SIZES
from edge.commission.result import Figure, StepReason
from edge.commission.sharpness import PictureFigures, Pixels, measure_picture
from edge.images import decode_image


@dataclass(frozen=True, slots=True)
class PictureLimits:
    """How far a camera's pictures may be from the bundle's. In one place, for those who disagree.

    sharpness: least, of the least sharp golden frame: half of it is a blur by one to two pixels.
    mean: a factor up and down of the range of the golden frames. spread likewise. levels: grey
    levels that are always allowed besides, as a flat surface has no spread to multiply. clipped:
    share of pixels beyond what the golden frames have. flicker: standard deviation over mean; at
    2 % the severity of a clean surface is as good as unchanged.
    """

    sharpness: float = 0.5
    mean: float = 1.25
    spread: float = 2.0
    levels: float = 5.0
    clipped: float = 0.01
    flicker: float = 0.02


LIMITS = PictureLimits()

# Below this a picture has no edge by which to judge focus: a flat grey surface with noise of one
# grey level in 128 has 0.7.
_NOTHING_SHARP = 1.0
_NAMED_SIZES = 4  # of more, the bounds say more


@dataclass(frozen=True, slots=True)
class PictureReference:
    """Golden frames: those that must pass, or all where none does. trained_on: what the pictures
    were like before they were cut to the network's shape; None where the bundle does not carry it.
    """

    trained_on: TrainedOn | None
    figures: tuple[PictureFigures, ...]

    def range(self, name: str) -> tuple[float, float]:
        """The least and the greatest of a figure."""
        values = [float(getattr(figures, name)) for figures in self.figures]
        return min(values), max(values)

    @property
    def shows_focus(self) -> bool:
        """Whether every picture has edges enough to tell sharp from blurred."""
        return self.range("sharpness")[0] >= _NOTHING_SHARP


def reference_of(bundle: Bundle) -> PictureReference:
    """Decodes the golden frames. Raises FrameError; a proven bundle has some."""
    golden = bundle.manifest.golden
    chosen = [one for one in golden if one.decision == "PASS"] or list(golden)
    pictures = [decode_image(bundle.files[one.file], name=one.file) for one in chosen]
    figures = tuple(measure_picture(pixels) for pixels in pictures)
    return PictureReference(bundle.manifest.trained_on, figures)


def shape_faults(reference: PictureReference, pictures: Sequence[Pixels]) -> list[StepReason]:
    """Where the camera's pictures have another size or other channels than those that the bundle
    was trained on. None where the bundle does not carry what those were like."""
    known = reference.trained_on
    if known is None:
        return []
    sizes = {_size(pixels) for pixels in pictures if not _is_known(_size(pixels), known)}
    channels = {_channels(pixels) for pixels in pictures} - set(known.channels)
    faults = [
        StepReason(
            what=f"pictures of {_sides(size)} px, the bundle was trained on "
            f"{_trained_sizes(known)}",
            remedy=f"set [camera] width and height to {_sides(known.sizes[0])}, or train on "
            "pictures of this camera",
        )
        for size in sorted(sizes)
    ]
    faults += [
        StepReason(
            what=f"pictures in {_kind(one)}, the bundle was trained on pictures in "
            f"{_kind(known.channels[0])}",
            remedy=f"set [camera] pixel_format to one in {_kind(known.channels[0])}, or train on "
            "pictures of this camera",
        )
        for one in sorted(channels)
    ]
    return faults


def unknown_shape(reference: PictureReference, pictures: Sequence[Pixels]) -> str | None:
    """Return a note on pictures whose size could not be compared, or None. Older bundles do not
    carry the size of their pictures."""
    if reference.trained_on is not None or not pictures:
        return None
    return (
        f"pictures of {_sides(_size(pictures[0]))} px in {_kind(_channels(pictures[0]))}: the "
        "bundle does not carry the size of those it was trained on, so compare them yourself; "
        "a bundle that is exported now carries it"
    )


def limited(found: PictureFigures, reference: PictureReference) -> list[Figure]:
    """The figures of a camera's pictures, with the limits that the reference gives."""
    limits = LIMITS
    sharp, _ = reference.range("sharpness")
    darkest, brightest = reference.range("mean")
    flattest, liveliest = reference.range("spread")
    black, white = reference.range("black")[1], reference.range("white")[1]
    least = limits.sharpness * sharp if reference.shows_focus else None
    return [
        Figure(name="sharpness", value=found.sharpness, low=least),
        Figure(name="laplacian", value=found.laplacian),
        Figure(
            name="mean",
            value=found.mean,
            unit="grey levels",
            low=max(0.0, darkest / limits.mean - limits.levels),
            high=brightest * limits.mean + limits.levels,
        ),
        Figure(
            name="spread",
            value=found.spread,
            unit="grey levels",
            low=max(0.0, flattest / limits.spread - limits.levels),
            high=liveliest * limits.spread + limits.levels,
        ),
        Figure(name="p1", value=found.low, unit="grey levels"),
        Figure(name="p99", value=found.high, unit="grey levels"),
        Figure(
            name="clipped black",
            value=100 * found.black,
            unit="%",
            high=100 * (black + limits.clipped),
        ),
        Figure(
            name="clipped white",
            value=100 * found.white,
            unit="%",
            high=100 * (white + limits.clipped),
        ),
    ]


def _size(pixels: Pixels) -> tuple[int, int]:
    return pixels.shape[0], pixels.shape[1]


def _is_known(size: tuple[int, int], known: TrainedOn) -> bool:
    """Among the sizes; where there were more than the bundle lists, within their bounds."""
    if len(known.sizes) < MAX_SIZES:
        return size in known.sizes
    sides = zip(size, known.least, known.greatest, strict=True)
    return all(least <= side <= greatest for side, least, greatest in sides)


def _trained_sizes(known: TrainedOn) -> str:
    if len(known.sizes) > _NAMED_SIZES:
        return f"{_sides(known.least)} to {_sides(known.greatest)}"
    return " or ".join(_sides(size) for size in known.sizes)


def _sides(size: tuple[int, int]) -> str:
    height, width = size
    return f"{width}×{height}"


def _channels(pixels: Pixels) -> int:
    return 3 if pixels.ndim == 3 else 1


def _kind(channels: int) -> str:
    return "colour" if channels == 3 else "grey"
