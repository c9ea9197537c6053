"""The parts of the demo: pictures of which the truth is known."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edge.clock import Clock
from edge.errors import FrameError, UsageError
from edge.images import list_images, read_image
from edge.records import Frame


@dataclass(frozen=True, slots=True)
class Specimen:
    """A picture and what is wrong with it: the kind of its mask, None for a good part."""

    path: Path
    kind: str | None


def find_specimens(folder: Path) -> tuple[Specimen, ...]:
    """The pictures of a folder in the generic layout, sorted: images/*.png, and masks/KIND/*.png of
    the same names for the defective ones. Raises UsageError."""
    try:
        images = list_images(folder / "images")
    except FrameError as error:
        raise UsageError(
            f"--frames {folder}: expected images/*.png and masks/KIND/*.png below it ({error})"
        ) from error
    kinds = {
        mask.stem: mask.parent.name
        for mask in sorted((folder / "masks").glob("*/*"))
        if mask.suffix
    }
    return tuple(Specimen(path, kinds.get(path.stem)) for path in images)


class SpecimenCamera:
    """A Camera that shows part n the n-th specimen, counted from 1 and beginning again at the end.

    So the truth about a part is known by its number, even when a part was never captured. No
    exposure time; the picture is decoded when it is taken.
    """

    def __init__(self, specimens: tuple[Specimen, ...], *, clock: Clock) -> None:
        self._specimens = specimens
        self._clock = clock

    def of(self, part_id: int) -> Specimen:
        """What this part shows."""
        return self._specimens[(part_id - 1) % len(self._specimens)]

    def capture(self, part_id: int, sequence: int, triggered_ns: int) -> Frame:
        exposed_ns = self._clock.now_ns()
        return Frame(part_id, sequence, triggered_ns, exposed_ns, read_image(self.of(part_id).path))

    def close(self) -> None:
        """Nothing is held."""
