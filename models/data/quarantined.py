"""Released parts of a quarantine as samples: good parts that were ejected, and bad parts.

No mask shows the defect of a bad part, so its sample is ``unmasked``: it is used to evaluate a
chain, and never to train a detector.
"""

from __future__ import annotations

from pathlib import Path

from edge.quarantine import QuarantineEntry, read_index
from models.data.dataset import Sample

FOLDER = "quarantine"  # inside a run: the parts that it was trained or evaluated with
ESCAPE = "escape"


def sample_name(entry: QuarantineEntry) -> str:
    """Return the name of an entry's sample, unique in the data set of a run."""
    return f"{FOLDER}/{entry.id}.png"


def sample_of(folder: Path, entry: QuarantineEntry) -> Sample:
    """Return the sample of a released entry of the quarantine in ``folder``.

    The kind of a bad part is unknown; the claim of its release takes its place.
    """
    name = sample_name(entry)
    if entry.released is None or entry.released == "false-reject":
        return Sample(name, folder / entry.file, name)
    return Sample(name, folder / entry.file, name, kinds=(entry.released,), unmasked=True)


def quarantined(folder: Path) -> tuple[Sample, ...]:
    """Return the released parts of a folder in the order of its index; none without such a folder.

    Raises QuarantineError.
    """
    if not folder.is_dir():
        return ()
    return tuple(sample_of(folder, e) for e in read_index(folder).entries if e.released)
