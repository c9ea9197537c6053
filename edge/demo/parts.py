"""The parts of the demo: pictures of which the truth is known."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edge.clock import Clock
from edge.data_folder import listing, read_drawn, read_folder, remarks, unrecognised
from edge.errors import FolderError, FrameError, UsageError
from edge.images import read_image
from edge.records import Frame


@dataclass(frozen=True, slots=True)
class Specimen:
    """A picture and what is wrong with it: the kind of its mask, None for a good part. known:
    False where the folder has neither masks nor good/, so that nobody says that the part is good.
    """

    path: Path
    kind: str | None
    known: bool = True


def find_specimens(folder: Path) -> tuple[Specimen, ...]:
    """The pictures of a folder as `make train` reads it, sorted by path, and which of them show a
    defective part: by a mask that is drawn on, or by the folder that the picture lies in. Every
    picture and mask is read once.

    Raises UsageError for a folder in no known layout, for a picture or mask that is not right, and
    for what may be labels that are not read: a picture without a mask is taken for a good part.
    """
    try:
        found = read_folder(folder)
    except FrameError as error:
        raise UsageError(f"--frames {error}") from error
    if found.layout is None:
        raise UsageError(f"--frames {unrecognised(found)}")
    own = found.layout in ("generic", "sorted")
    drawn = read_drawn(found) if own else None
    complaints = [*found.complaints, *(drawn.faults if drawn else ())]
    specimens = []
    for entry in found.entries:
        complaints += remarks(entry.path)
        try:
            read_image(entry.path)
        except FrameError as error:
            complaints.append(str(error))
        kind = entry.kind or None
        if drawn is not None:
            kind = drawn.kinds.get(entry.path, kind)
        specimens.append(Specimen(entry.path, kind, found.says_good))
    if complaints:
        first, *more = listing(complaints, str(folder))
        raise FolderError((f"--frames {first}", *more))
    if not specimens:
        raise UsageError(f"--frames {folder}: holds no picture; expected images/ or good/")
    return tuple(specimens)


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
