"""Released parts of a quarantine as samples: good ones that were kicked, bad ones.

Nobody has drawn where a bad part's defect is, so it is ``unmasked``: it may judge a chain, and
never teaches a detector.
"""

from __future__ import annotations

from pathlib import Path

from edge.quarantine import QuarantineEntry, read_index
from models.data.dataset import Sample

FOLDER = "quarantine"  # inside a run: the parts that it learned from or was judged by
ESCAPE = "escape"


def sample_name(entry: QuarantineEntry) -> str:
    return f"{FOLDER}/{entry.id}.png"


def sample_of(folder: Path, entry: QuarantineEntry) -> Sample:
    """A released entry of the quarantine in ``folder``. The claim stands for the kind of a bad
    part, which nobody has named."""
    name = sample_name(entry)
    if entry.released is None or entry.released == "false-reject":
        return Sample(name, folder / entry.file, name)
    return Sample(name, folder / entry.file, name, kinds=(entry.released,), unmasked=True)


def quarantined(folder: Path) -> tuple[Sample, ...]:
    """The released parts of a folder, in the index's order; none where there is no such folder.
    Raises QuarantineError."""
    if not folder.is_dir():
        return ()
    return tuple(sample_of(folder, e) for e in read_index(folder).entries if e.released)
