"""Released parts of a quarantine as samples: good parts that were ejected, and bad parts.

Where no mask shows the defect of a bad part, its sample is ``unmasked``: it is used to evaluate a
chain, and never to train a detector. A bad part with masks in masks/KIND/ is an annotated part.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edge.data_folder import MaskFile
from edge.errors import QuarantineError
from edge.quarantine import QuarantineEntry, read_index
from edge.quarantine.drawn import drawn_masks
from models.data.dataset import MaskRef, Sample

FOLDER = "quarantine"  # inside a run: the parts that it was trained or evaluated with
ESCAPE = "escape"


def sample_name(entry: QuarantineEntry) -> str:
    """Return the name of an entry's sample, unique in the data set of a run."""
    return f"{FOLDER}/{entry.id}.png"


def masks_of(folder: Path) -> dict[str, tuple[MaskFile, ...]]:
    """Return the masks of the parts by their ids. Raises QuarantineError."""
    try:
        return drawn_masks(folder)
    except OSError as error:
        raise QuarantineError(f"{folder}/masks: cannot be read: {error.strerror}") from error


def sample_of(folder: Path, entry: QuarantineEntry, masks: Sequence[MaskFile] = ()) -> Sample:
    """Return the sample of a released entry of the quarantine in ``folder``.

    The kind of a bad part without masks is unknown; the claim of its release takes its place.
    Raises QuarantineError for a good part with masks.
    """
    name = sample_name(entry)
    if entry.released is None or entry.released == "false-reject":
        if masks:
            raise QuarantineError(
                f"{masks[0].path}: is a mask of part {entry.part_id}, which is released as a good "
                "part (false-reject); expected no mask, or a release --as escape or true-reject"
            )
        return Sample(name, folder / entry.file, name)
    if masks:
        kinds = tuple(sorted({mask.kind for mask in masks}))
        refs = tuple(MaskRef(mask.path, mask.kind) for mask in masks)
        return Sample(name, folder / entry.file, name, kinds, refs)
    return Sample(name, folder / entry.file, name, kinds=(entry.released,), unmasked=True)


def quarantined(folder: Path) -> tuple[Sample, ...]:
    """Return the released parts of a folder in the order of its index; none without such a folder.

    Raises QuarantineError.
    """
    if not folder.is_dir():
        return ()
    masks = masks_of(folder)
    return tuple(
        sample_of(folder, entry, masks.get(entry.id, ()))
        for entry in read_index(folder).entries
        if entry.released
    )
