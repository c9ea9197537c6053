"""The folder that is labelled: its pictures, and the places of their labels and masks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from edge.data_folder import MaskFile
from edge.data_folder.names import IMAGES
from edge.data_folder.pairing import pair
from edge.images import read_image
from edge.labelling.errors import LabelPageError
from edge.labelling.other_labels import OtherLabels
from edge.quarantine import QuarantineEntry, read_pixels
from edge.quarantine.drawn import mask_path


@dataclass(frozen=True, slots=True)
class LabelPicture:
    """A picture to label.

    name: its path as the page shows it. source: the file. file: its path in the data folder, which
    identifies it in labelled.csv. inner: its path below the folder of pictures. masks: its masks.
    by_folder: the kind by its folder, '' for good, None where the folder states nothing. remark:
    what is known of the part. refused: the reason why it cannot be labelled, or ''.
    """

    name: str
    source: Path
    file: str
    inner: PurePosixPath
    masks: tuple[MaskFile, ...] = ()
    by_folder: str | None = None
    remark: str = ""
    refused: str = ""
    marked: QuarantineEntry | None = None


@dataclass(frozen=True, slots=True)
class LabelFolder:
    """The pictures of the folder ``source``, and the data folder ``root`` that gets the labels.

    pictures: sorted by name. mask_root: the folder of the masks. copies: whether a labelled picture
    is copied into ``root``; without it ``source`` is ``root``. assumed: files of ``root`` that
    would be good parts without a table of labels. kinds: sorted. notes: lines about the folder, for
    a person. others: the labels of another tool.
    """

    source: Path
    root: Path
    pictures: tuple[LabelPicture, ...]
    mask_root: Path
    copies: bool
    assumed: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    others: OtherLabels | None = None

    def read(self, picture: LabelPicture) -> NDArray[np.uint8]:
        """Return the pixels as a station sees them, uint8 H×W or H×W×3 (BGR). Blocks on the disk.

        Raises OutfeedError for a picture that cannot be read.
        """
        if picture.marked is not None:
            return read_pixels(self.root, picture.marked)
        return read_image(picture.source)

    def mask_of(self, picture: LabelPicture, kind: str) -> Path:
        """Return the path of the mask of one kind: the existing one, or that of a new one.

        Raises LabelPageError where a mask in this folder would belong to another picture.
        """
        if picture.marked is not None:
            return mask_path(self.root, picture.marked, kind)
        for mask in picture.masks:
            if mask.kind == kind:
                return mask.path
        path = self.mask_root / kind / picture.inner.with_suffix(".png")
        self._check_pair(picture, kind, path)
        return path

    def _check_pair(self, picture: LabelPicture, kind: str, path: Path) -> None:
        """Refuse a mask that the reader would assign to another picture, as masks/scratch/1.png
        where there is images/scratch/1.png."""
        tops = {each.inner.parts[0] for each in self.pictures if len(each.inner.parts) > 1}
        if kind not in tops:
            return
        base = Path(IMAGES)
        images = {base / each.inner: each for each in self.pictures}
        found = pair(list(images), base, [path], self.mask_root).masks
        owner, masks = next(iter(found.items()), (None, ()))
        if owner is None or images[owner] != picture or masks[0].kind != kind:
            raise LabelPageError(
                f"kind {kind!r}: is also the name of a folder of pictures, and its mask of "
                f"{picture.name} would belong to another picture; use another name"
            )
