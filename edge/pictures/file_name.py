"""What a picture in an album is called, so that a listing says all that an album must know."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from edge.errors import PictureError
from edge.pictures.buffered_frame import KeepReason

_PATTERN = re.compile(r"(\d{10})-([0-9a-f]{8})-(\d{1,19})-([a-z]+)\.png")
_REASONS = {reason.value: reason for reason in KeepReason}


@dataclass(frozen=True, slots=True, order=True)
class PictureName:
    """number: grows by one with every picture of the album. journal: the first 8 digits of the
    uuid of the part's journal."""

    number: int
    journal: str
    part_id: int
    reason: KeepReason

    def __str__(self) -> str:
        return f"{self.number:010d}-{self.journal}-{self.part_id}-{self.reason.value}.png"


def parse_name(text: str) -> PictureName | None:
    """None for any other file's name."""
    found = _PATTERN.fullmatch(text)
    if found is None or found[4] not in _REASONS:
        return None
    return PictureName(int(found[1]), found[2], int(found[3]), _REASONS[found[4]])


def list_album(folder: Path) -> list[PictureName]:
    """The pictures of an album, the oldest first; none where there is no folder. Blocks on the
    disk. Raises PictureError."""
    try:
        names = [parse_name(path.name) for path in folder.iterdir()]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise PictureError(f"{folder}: cannot be read: {error.strerror}") from error
    return sorted(name for name in names if name is not None)
