"""The parts of the demo: pictures and their truth."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edge.clock import Clock
from edge.data_folder import listing, read_drawn, read_folder, remarks, unrecognised
from edge.errors import FolderError, FrameError, UsageError
from edge.images import read_image
from edge.records import Frame


@dataclass(frozen=True, slots=True)
class DemoPicture:
    """A picture of a part and the truth about it."""

    path: Path

    kind: str | None
    """The kind of its defect; None for a good part."""

    known: bool = True
    """False: the folder has neither masks nor good/, so that good parts are not known."""


def find_demo_pictures(folder: Path) -> tuple[DemoPicture, ...]:
    """Return the pictures of a folder as `make train` reads it, sorted by path.

    A picture shows a defective part if its mask is not empty, or by its folder. Every picture and
    mask is read once.

    Raises UsageError for an unknown layout, and for a picture or mask with a fault. Files that look
    like labels and are not read are an error too, because a picture without a mask counts as good.
    """
    try:
        content = read_folder(folder)
    except FrameError as error:
        raise UsageError(f"--frames {error}") from error
    if content.layout is None:
        raise UsageError(f"--frames {unrecognised(content)}")
    own = content.layout in ("generic", "sorted")
    drawn = read_drawn(content) if own else None
    complaints = [*content.complaints, *(drawn.faults if drawn else ())]
    pictures = []
    for entry in content.entries:
        complaints += remarks(entry.path)
        try:
            read_image(entry.path)
        except FrameError as error:
            complaints.append(str(error))
        kind = entry.kind or None
        if drawn is not None:
            kind = drawn.kinds.get(entry.path, kind)
        pictures.append(DemoPicture(entry.path, kind, content.says_good))
    if complaints:
        first, *more = listing(complaints, str(folder))
        raise FolderError((f"--frames {first}", *more))
    if not pictures:
        raise UsageError(f"--frames {folder}: holds no picture; expected images/ or good/")
    return tuple(pictures)


class DemoCamera:
    """A camera that returns the n-th picture for part n, counted from 1, and repeats the pictures.

    So the part number gives the truth, even for a part that was never captured. Not simulated: the
    exposure time. The picture is decoded during the capture.
    """

    def __init__(self, pictures: tuple[DemoPicture, ...], *, clock: Clock) -> None:
        self._pictures = pictures
        self._clock = clock

    def of(self, part_id: int) -> DemoPicture:
        """Return the picture of this part."""
        return self._pictures[(part_id - 1) % len(self._pictures)]

    def capture(self, part_id: int, sequence: int, triggered_ns: int) -> Frame:
        exposed_ns = self._clock.now_ns()
        return Frame(part_id, sequence, triggered_ns, exposed_ns, read_image(self.of(part_id).path))

    def close(self) -> None:
        """Do nothing: no device is open."""
