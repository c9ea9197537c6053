"""Limits for the pictures of a camera, derived from the golden frames of a bundle."""

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
    """The allowed deviation of a camera's pictures from the golden frames of the bundle.

    sharpness: smallest share of the sharpness of the least sharp golden frame. One half is a blur
    by one to two pixels.
    mean, spread: factor by which the range of the golden frames is extended at both ends.
    levels: grey levels that are allowed in addition, because a flat surface has no spread.
    clipped: share of clipped pixels that is allowed in addition to that of the golden frames.
    flicker: standard deviation over mean. At 2 % the severity of a clean surface hardly changes.
    """

    sharpness: float = 0.5
    mean: float = 1.25
    spread: float = 2.0
    levels: float = 5.0
    clipped: float = 0.01
    flicker: float = 0.02


LIMITS = PictureLimits()

# Below this sharpness a picture has no edges that show focus. A flat grey surface of level 128 with
# a noise of one grey level has 0.7.
_NOTHING_SHARP = 1.0
_NAMED_SIZES = 4  # with more sizes a message gives only the bounds


@dataclass(frozen=True, slots=True)
class PictureReference:
    """The figures of the golden frames with the verdict PASS, or of all where none has it.

    trained_on: sizes and channels of the training pictures before they were cut to the shape of
    the network; None where the bundle does not carry them.
    """

    trained_on: TrainedOn | None
    figures: tuple[PictureFigures, ...]

    def range(self, name: str) -> tuple[float, float]:
        """Return the smallest and the largest value of a figure."""
        values = [float(getattr(figures, name)) for figures in self.figures]
        return min(values), max(values)

    @property
    def shows_focus(self) -> bool:
        """True where every golden frame has enough edges to distinguish sharp from blurred."""
        return self.range("sharpness")[0] >= _NOTHING_SHARP


def picture_reference(bundle: Bundle) -> PictureReference:
    """Decode and measure the golden frames. Raises FrameError.

    A checked bundle has at least one golden frame.
    """
    golden = bundle.manifest.golden
    chosen = [one for one in golden if one.decision == "PASS"] or list(golden)
    pictures = [decode_image(bundle.files[one.file], name=one.file) for one in chosen]
    figures = tuple(measure_picture(pixels) for pixels in pictures)
    return PictureReference(bundle.manifest.trained_on, figures)


def shape_mismatches(reference: PictureReference, pictures: Sequence[Pixels]) -> list[StepReason]:
    """Return a reason for each size or channel count that the bundle was not trained on.

    Return an empty list where the bundle does not carry the sizes of its training pictures.
    """
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


def unknown_shape_note(reference: PictureReference, pictures: Sequence[Pixels]) -> str | None:
    """Return a note where the size of the pictures could not be compared, otherwise None.

    Older bundles do not carry the sizes of their training pictures.
    """
    if reference.trained_on is not None or not pictures:
        return None
    return (
        f"pictures of {_sides(_size(pictures[0]))} px in {_kind(_channels(pictures[0]))}: the "
        "bundle does not carry the size of its training pictures; compare the sizes yourself, or "
        "export the bundle again"
    )


def with_limits(figures: PictureFigures, reference: PictureReference) -> list[Figure]:
    """Return the figures of the camera's pictures with the limits from the reference."""
    limits = LIMITS
    sharp, _ = reference.range("sharpness")
    darkest, brightest = reference.range("mean")
    flattest, liveliest = reference.range("spread")
    black, white = reference.range("black")[1], reference.range("white")[1]
    least = limits.sharpness * sharp if reference.shows_focus else None
    return [
        Figure(name="sharpness", value=figures.sharpness, low=least),
        Figure(name="laplacian", value=figures.laplacian),
        Figure(
            name="mean",
            value=figures.mean,
            unit="grey levels",
            low=max(0.0, darkest / limits.mean - limits.levels),
            high=brightest * limits.mean + limits.levels,
        ),
        Figure(
            name="spread",
            value=figures.spread,
            unit="grey levels",
            low=max(0.0, flattest / limits.spread - limits.levels),
            high=liveliest * limits.spread + limits.levels,
        ),
        Figure(name="p1", value=figures.low, unit="grey levels"),
        Figure(name="p99", value=figures.high, unit="grey levels"),
        Figure(
            name="clipped black",
            value=100 * figures.black,
            unit="%",
            high=100 * (black + limits.clipped),
        ),
        Figure(
            name="clipped white",
            value=100 * figures.white,
            unit="%",
            high=100 * (white + limits.clipped),
        ),
    ]


def _size(pixels: Pixels) -> tuple[int, int]:
    return pixels.shape[0], pixels.shape[1]


def _is_known(size: tuple[int, int], known: TrainedOn) -> bool:
    """True for a listed size. Where the list is full, any size within the bounds is known."""
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
