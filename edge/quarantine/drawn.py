"""Masks that people have drawn on the marked parts of a quarantine: masks/KIND/ID.png."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from edge.data_folder import MaskFile
from edge.quarantine.entry import QuarantineEntry

MASKS = "masks"


def mask_path(folder: Path, entry: QuarantineEntry, kind: str) -> Path:
    """Return the place of the mask of one kind of a part."""
    return folder / MASKS / kind / f"{entry.id}.png"


def drawn_masks(folder: Path) -> dict[str, tuple[MaskFile, ...]]:
    """Return the masks of each part that has any, by its id, in the order of their kinds.

    The masks are not read. Blocks on the disk. Raises OSError for a folder that cannot be listed.
    """
    found: dict[str, list[MaskFile]] = defaultdict(list)
    root = folder / MASKS
    if not root.is_dir():
        return {}
    for kind in sorted(path for path in root.iterdir() if path.is_dir()):
        for mask in sorted(kind.glob("*.png")):
            if not mask.name.startswith(".") and mask.is_file():
                found[mask.stem].append(MaskFile(mask, kind.name))
    return {key: tuple(masks) for key, masks in found.items()}
