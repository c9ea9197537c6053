"""The labels of a folder: what is on the disk, and the saving of one picture at a time."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edge.clock import utc_now
from edge.data_folder import MaskFile
from edge.data_folder.label_table import LabelRow, label_table_text, read_label_table
from edge.data_folder.names import LABELLED
from edge.errors import FrameError
from edge.files import write_durably
from edge.journal.lock import FileLock
from edge.labelling.errors import ConflictError, LabelPageError, UnknownPictureError
from edge.labelling.folder import LabelFolder, LabelPicture
from edge.labelling.mask_files import mask_bytes, mask_png, read_mask
from edge.labelling.names import check_kind

STATE = ".outfeed-label"  # hidden, so that no reader of data folders looks inside
JOURNAL = "journal.jsonl"
Decided = Literal["good", "bad", "skipped", "none"]
State = Literal["good", "bad", "skipped", "unfinished", "none"]


@dataclass(frozen=True, slots=True)
class PictureState:
    """The label of a picture.

    label: "none" where no person has labelled it. kind: of a bad part without a mask. masks: the
    kinds with a mask. by, utc: who labelled it when; '' where another program or person did.
    """

    label: State
    kind: str = ""
    masks: tuple[str, ...] = ()
    by: str = ""
    utc: str = ""


@dataclass(frozen=True, slots=True)
class OpenPicture:
    """A picture as it is on the disk. version: changes with every label and mask. masks: bool H×W
    by kind. height, width: of the picture, in pixels."""

    state: PictureState
    version: str
    masks: dict[str, NDArray[np.bool_]]
    height: int
    width: int


@dataclass(frozen=True, slots=True)
class Change:
    """A label that a person gives. version: of the picture when the person opened it. masks: bool
    H×W by kind, empty ones are removed. kind: of a bad part without a mask."""

    version: str
    label: Decided
    by: str
    masks: Mapping[str, NDArray[np.bool_]]
    kind: str = ""


class LabelStore:
    """The labels of one folder. One process at a time has it open; any thread may use it.

    Each save is on the disk when ``save`` returns. While a save writes, its line in labelled.csv
    has the label "unfinished", which no reader takes as a label.
    """

    def __init__(self, folder: LabelFolder, *, assume_good: bool = False) -> None:
        """Lock the folder and read its table. assume_good: pictures that training takes as good
        because they have no mask get the label good with the first save.

        Raises LockHeldError while another process labels the folder, FrameError for a table that
        cannot be read, LabelPageError for a folder that cannot be written.
        """
        self.folder = folder
        self._pictures = {picture.name: picture for picture in folder.pictures}
        self._sizes: dict[str, tuple[tuple[int, int], tuple[int, int]]] = {}
        self._state = folder.root / STATE
        try:
            self._state.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LabelPageError(f"{self._state}: cannot be created: {error.strerror}") from error
        self._held = FileLock(self._state / "lock", held="another process labels this folder")
        self._lock = Lock()
        self._assumed = folder.assumed if assume_good else ()
        try:
            rows = read_label_table(folder.root)
        except FrameError:
            self._held.release()
            raise
        self._rows = rows or {file: LabelRow(file, "good") for file in self._assumed}

    def close(self) -> None:
        """Release the folder. May be called twice."""
        self._held.release()

    @property
    def names(self) -> tuple[str, ...]:
        """The pictures in the order of their names."""
        return tuple(self._pictures)

    def picture(self, name: str) -> LabelPicture:
        """Return the picture of this name. Raises UnknownPictureError."""
        try:
            return self._pictures[name]
        except KeyError:
            raise UnknownPictureError("no picture of this name in the folder") from None

    def pixels(self, name: str) -> NDArray[np.uint8]:
        """Return the pixels, uint8 H×W or H×W×3. Blocks on the disk. Raises OutfeedError."""
        return self.folder.read(self.picture(name))

    def size(self, name: str) -> tuple[int, int]:
        """Return height and width in pixels. The picture is decoded once, and again when its file
        changes. Blocks on the disk. Raises OutfeedError."""
        picture = self.picture(name)
        try:
            status = picture.source.stat()
        except OSError as error:
            raise LabelPageError(f"{picture.source}: cannot be read: {error.strerror}") from error
        stamp = (status.st_mtime_ns, status.st_size)
        known = self._sizes.get(name)
        if known is None or known[0] != stamp:
            height, width = self.folder.read(picture).shape[:2]
            known = self._sizes[name] = (stamp, (height, width))
        return known[1]

    def state(self, name: str) -> PictureState:
        """Return the label of a picture without reading its masks."""
        picture = self.picture(name)
        masks = tuple(mask.kind for mask in picture.masks)
        row = self._rows.get(picture.file)
        if row is not None:
            return PictureState(row.label, row.kind, masks, row.by, row.utc)
        if masks:
            return PictureState("bad", "", masks)
        if picture.by_folder is not None:
            return PictureState("bad" if picture.by_folder else "good", picture.by_folder)
        return PictureState("none")

    def open(self, name: str) -> OpenPicture:
        """Return a picture with its masks. Blocks on the disk. Raises OutfeedError."""
        with self._lock:
            return self._open(self.picture(name))

    def save(self, name: str, change: Change) -> OpenPicture:
        """Save a label, and return the picture as it is now. Blocks for some fsyncs.

        Raises:
            ConflictError: The picture has another version than the person has seen.
            LabelPageError: The label cannot be saved: a good part with a mask, a name that cannot
                be used, a mask of another size, a full disk. What was on the disk stays, or the
                picture counts as not labelled.
        """
        with self._lock:
            picture = self.picture(name)
            if picture.refused:
                raise LabelPageError(f"{picture.name}: {picture.refused}")
            before = self._open(picture)
            if change.version != before.version:
                raise ConflictError(
                    f"{picture.name}: was saved by another person or program since it was opened",
                    by=before.state.by,
                    utc=before.state.utc,
                )
            masks = self._checked(picture, before, change)
            try:
                self._write(picture, before, change, masks)
            except OSError as error:
                raise _unwritten(error, self.folder.root) from error
            return self._open(self.picture(name))

    def _open(self, picture: LabelPicture) -> OpenPicture:
        height, width = self.size(picture.name)
        state = self.state(picture.name)
        digest = hashlib.sha256(f"{state.label}\n{state.kind}\n{state.by}\n{state.utc}\n".encode())
        masks: dict[str, NDArray[np.bool_]] = {}
        for mask in picture.masks:
            digest.update(mask.kind.encode() + b"\n" + mask_bytes(mask.path))
            if not picture.refused and mask.path.is_file():
                masks[mask.kind] = read_mask(mask.path, height, width)
        return OpenPicture(state, digest.hexdigest()[:32], masks, height, width)

    def _checked(
        self, picture: LabelPicture, before: OpenPicture, change: Change
    ) -> dict[str, NDArray[np.bool_]]:
        """Return the masks that are not empty. Raises LabelPageError."""
        masks = {kind: mask for kind, mask in change.masks.items() if mask.any()}
        if masks and change.label in ("good", "none"):
            raise LabelPageError(f"{picture.name}: a part with this label has no mask")
        for kind in {*masks, *([change.kind] if change.kind else [])}:
            if kind not in before.masks:
                check_kind(kind, (*self.folder.kinds, *self.kinds()))
        return masks

    def kinds(self) -> tuple[str, ...]:
        """Return the kinds of the folder and of the labels, sorted."""
        named = {mask.kind for each in self._pictures.values() for mask in each.masks if mask.kind}
        named |= {row.kind for row in self._rows.values() if row.kind}
        return tuple(sorted(named | set(self.folder.kinds)))

    def _write(
        self,
        picture: LabelPicture,
        before: OpenPicture,
        change: Change,
        masks: dict[str, NDArray[np.bool_]],
    ) -> None:
        now = utc_now()
        changed = {
            kind: mask
            for kind, mask in masks.items()
            if kind not in before.masks or not np.array_equal(mask, before.masks[kind])
        }
        paths = {kind: self.folder.mask_of(picture, kind) for kind in masks}
        removed = [mask.path for mask in picture.masks if mask.kind not in masks]
        rows = self._fresh_rows()
        if changed or removed or self._is_to_copy(picture, change):
            rows[picture.file] = LabelRow(picture.file, "unfinished", "", change.by, now)
            self._write_table(rows)
        self._write_files(picture, change, {paths[kind]: mask for kind, mask in changed.items()})
        for path in removed:
            path.unlink(missing_ok=True)
        kept = tuple(MaskFile(path, kind) for kind, path in sorted(paths.items()))
        self._pictures[picture.name] = replace(picture, masks=kept)
        rows.pop(picture.file, None)
        if change.label != "none":
            rows[picture.file] = _row(picture, change, masks, now)
        self._write_table(rows)
        self._note(picture, change, masks, now)

    def _is_to_copy(self, picture: LabelPicture, change: Change) -> bool:
        is_used = change.label in ("good", "bad")
        return self.folder.copies and is_used and not (self.folder.root / picture.file).exists()

    def _write_files(
        self, picture: LabelPicture, change: Change, masks: Mapping[Path, NDArray[np.bool_]]
    ) -> None:
        """Write the copy of a picture where it is missing, and these masks. Raises OSError."""
        if self._is_to_copy(picture, change):
            target = self.folder.root / picture.file
            target.parent.mkdir(parents=True, exist_ok=True)
            write_durably(target, picture.source.read_bytes())
        for path, mask in masks.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_durably(path, mask_png(mask))

    def take_over(self, changes: Mapping[str, Change]) -> int:
        """Save labels of pictures that have none, in one step of the table. Blocks for some fsyncs
        for each picture.

        A picture that has a label or a mask in the data folder keeps it. After a crash each picture
        has its whole label or none. The versions of the changes do not count. Returns the number of
        pictures. Raises LabelPageError as ``save`` does.
        """
        with self._lock:
            rows, now = self._fresh_rows(), utc_now()
            waiting = [
                (self.picture(name), change)
                for name, change in changes.items()
                if self._waits(self.picture(name), rows)
            ]
            for picture, change in waiting:
                rows[picture.file] = LabelRow(picture.file, "unfinished", "", change.by, now)
            try:
                if waiting:
                    self._write_table(rows)
                for picture, change in waiting:
                    paths = {kind: self.folder.mask_of(picture, kind) for kind in change.masks}
                    files = {paths[kind]: mask for kind, mask in change.masks.items()}
                    self._write_files(picture, change, files)
                    kept = tuple(MaskFile(path, kind) for kind, path in sorted(paths.items()))
                    self._pictures[picture.name] = replace(picture, masks=kept)
                    rows[picture.file] = _row(picture, change, change.masks, now)
                if waiting:
                    self._write_table(rows)
                for picture, change in waiting:
                    self._note(picture, change, change.masks, now)
            except OSError as error:
                raise _unwritten(error, self.folder.root) from error
            return len(waiting)

    def _waits(self, picture: LabelPicture, rows: Mapping[str, LabelRow]) -> bool:
        """Return whether a label of another tool may become that of a picture."""
        row = rows.get(picture.file)
        if picture.refused or (row is None and (picture.masks or picture.by_folder is not None)):
            return False
        return row is None or row.label == "unfinished"

    def refresh(self, found: LabelFolder) -> tuple[str, ...]:
        """Take the pictures that ``found`` has more, and drop those without a label whose file is
        gone. Returns the names of new pictures. Blocks on the disk.

        found: the same folder, read again.
        """
        with self._lock:
            known = {each.file for each in self._pictures.values()}
            new = {each.name: each for each in found.pictures if each.file not in known}
            gone = {
                name
                for name, each in self._pictures.items()
                if each.file not in self._rows and not each.masks and not each.source.exists()
            }
            if new or gone:
                both = {**self._pictures, **new}
                self._pictures = {name: both[name] for name in sorted(both) if name not in gone}
                pictures = tuple(self._pictures.values())
                self.folder = replace(self.folder, pictures=pictures)
            return tuple(sorted(new))

    def _fresh_rows(self) -> dict[str, LabelRow]:
        """Return the rows as they are on the disk: a person may have edited the table."""
        try:
            rows = read_label_table(self.folder.root)
        except FrameError as error:
            raise LabelPageError(str(error)) from error
        return dict(self._rows) if rows is None else rows

    def _write_table(self, rows: dict[str, LabelRow]) -> None:
        write_durably(self.folder.root / LABELLED, label_table_text(rows.values()))
        self._rows = dict(rows)

    def _note(
        self,
        picture: LabelPicture,
        change: Change,
        masks: Mapping[str, NDArray[np.bool_]],
        now: str,
    ) -> None:
        """Append a line to the journal: who labelled what and when."""
        record = {
            "utc": now,
            "by": change.by,
            "file": picture.file,
            "label": change.label,
            "kind": change.kind,
            "mask_px": {kind: int(mask.sum()) for kind, mask in masks.items()},
        }
        path = self._state / JOURNAL
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o644)
        try:
            os.write(descriptor, (json.dumps(record) + "\n").encode())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _row(
    picture: LabelPicture, change: Change, masks: Mapping[str, NDArray[np.bool_]], now: str
) -> LabelRow:
    """Return the line of a saved label. Raises ValueError for the label "none"."""
    if change.label == "none":
        raise ValueError("a picture without a label has no line")
    kind = change.kind if change.label == "bad" and not masks else ""
    return LabelRow(picture.file, change.label, kind, change.by, now)


def _unwritten(error: OSError, root: Path) -> LabelPageError:
    return LabelPageError(f"{error.filename or root}: cannot be written: {error.strerror}")
