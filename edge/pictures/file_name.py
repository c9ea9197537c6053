"""File names of stored pictures. A listing of the folder is all that the picture store reads."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from edge.errors import PictureError
from edge.pictures.keep_rules import KeepReason

_PATTERN = re.compile(r"(\d{10})-([0-9a-f]{8})-(\d{1,19})-([a-z]+)\.png")
_REASONS = {reason.value: reason for reason in KeepReason}


@dataclass(frozen=True, slots=True, order=True)
class PictureName:
    """The file name of a stored picture, in its parts.

    number: grows by one with every stored picture. journal: the first 8 digits of the UUID of the
    part's journal.
    """

    number: int
    journal: str
    part_id: int
    reason: KeepReason

    def __str__(self) -> str:
        return f"{self.number:010d}-{self.journal}-{self.part_id}-{self.reason.value}.png"


def parse_name(text: str) -> PictureName | None:
    """Return the parts of a picture's file name; None for any other file name."""
    match = _PATTERN.fullmatch(text)
    if match is None or match[4] not in _REASONS:
        return None
    return PictureName(int(match[1]), match[2], int(match[3]), _REASONS[match[4]])


def list_pictures(folder: Path) -> list[PictureName]:
    """Return the names of the stored pictures, the oldest first; none if the folder is missing.

    Blocks on the disk. Raises PictureError.
    """
    try:
        names = [parse_name(path.name) for path in folder.iterdir()]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise PictureError(f"{folder}: cannot be read: {error.strerror}") from error
    return sorted(name for name in names if name is not None)
