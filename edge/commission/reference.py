"""The pictures that a bundle knows, as what a camera's pictures must be like."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edge.bundle import Bundle
from edge.commission.picture import PictureFigures, Pixels, measure_picture
from edge.commission.result import Figure
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


@dataclass(frozen=True, slots=True)
class Reference:
    """Golden frames: those that must pass, or all where none does. sizes: height, width.

    channels: 1 or 3, as the pictures are, not as the network reads them.
    """

    sizes: frozenset[tuple[int, int]]
    channels: frozenset[int]
    figures: tuple[PictureFigures, ...]

    def range(self, name: str) -> tuple[float, float]:
        """The least and the greatest of a figure."""
        values = [float(getattr(figures, name)) for figures in self.figures]
        return min(values), max(values)

    @property
    def shows_focus(self) -> bool:
        """Whether every picture has edges enough to tell sharp from blurred."""
        return self.range("sharpness")[0] >= _NOTHING_SHARP


def reference_of(bundle: Bundle) -> Reference:
    """Decodes the golden frames. Raises FrameError; a proven bundle has some."""
    golden = bundle.manifest.golden
    chosen = [one for one in golden if one.decision == "PASS"] or list(golden)
    pictures = [decode_image(bundle.files[one.file], name=one.file) for one in chosen]
    return Reference(
        frozenset(_size(pixels) for pixels in pictures),
        frozenset(_channels(pixels) for pixels in pictures),
        tuple(measure_picture(pixels) for pixels in pictures),
    )


def shape_fault(reference: Reference, pictures: Sequence[Pixels]) -> str | None:
    """Whether the camera's pictures have a size and channels that the bundle was proven on."""
    for pixels in pictures:
        if _size(pixels) not in reference.sizes:
            known = " or ".join(f"{width}×{height}" for height, width in sorted(reference.sizes))
            height, width = _size(pixels)
            return f"pictures of {width}×{height} px, the bundle's are {known}"
        if _channels(pixels) not in reference.channels:
            return f"pictures in {_kind(_channels(pixels))}, the bundle's are not"
    return None


def limited(found: PictureFigures, reference: Reference) -> list[Figure]:
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


def _channels(pixels: Pixels) -> int:
    return 3 if pixels.ndim == 3 else 1


def _kind(channels: int) -> str:
    return "colour" if channels == 3 else "grey"
