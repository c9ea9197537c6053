"""The files between the processes that bring a bundle to a station.

Each file has one writer, and each reader checks what it reads:

- ``desired/NUMBER.msg`` in the folder of the uplink: a desired state as it was received
- ``fetch.json`` in the folder of the station: the messages that were taken, and the wanted file
- ``updater.json`` and ``SHA256.outfeed`` in the folder of the updater: its progress, and the file
- ``active.json`` in the folder of the station: the accepted bundle, which `outfeed run` loads
- ``revert.json`` in the folder of the station: a person asks for the former bundle
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edge.bounded_reads import was_emptied
from edge.bundle import SUFFIX
from edge.errors import OutfeedError
from edge.events.committed import MAX_SEQUENCE
from edge.files import backup_path, read_regular_file, write_atomically, write_with_backup
from edge.updates.desired import DesiredBundle
from edge.validation_messages import describe

_MAX_BYTES = 64 << 10
_Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Record(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Fetch(_Record):
    """The content of ``fetch.json``. taken: number of the last message that was read."""

    taken: Annotated[int, Field(ge=0, le=MAX_SEQUENCE)] = 0
    bundle: DesiredBundle | None = None


class Progress(_Record):
    """The content of ``updater.json``: the progress of one download.

    state: ``loading``, ``complete``, or ``refused`` for a fault that another attempt does not
    repair. text: one line for a person.
    """

    sha256: _Digest
    state: Literal["loading", "complete", "refused"]
    loaded_bytes: Annotated[int, Field(ge=0)] = 0
    text: Annotated[str, Field(max_length=300)] = ""


class ActiveBundle(_Record):
    """The content of ``active.json``.

    sha256: of the file in the folder of updates. configured: SHA-256 of the file that `bundle` of
    station.toml named at that time. Where it names another one now, a person has changed it, and
    this record no longer counts. allow_downgrade: the desired state permitted a lower version.
    previous: sha256 of the bundle before; empty: the one of station.toml.
    """

    format: Literal[1] = 1
    sha256: _Digest
    bundle: str
    configured: _Digest
    allow_downgrade: bool = False
    previous: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")] = ""
    previous_bundle: str = ""


def bundle_file(folder: Path, sha256: str) -> Path:
    """Return the path of a bundle in a folder of downloads."""
    return folder / f"{sha256}{SUFFIX}"


def read_fetch(path: Path) -> Fetch | None:
    """Return the wanted file; None if the record is missing or damaged."""
    try:
        return Fetch.model_validate_json(read_regular_file(path, _MAX_BYTES))
    except (OSError, ValidationError):
        return None


def write_fetch(path: Path, fetch: Fetch) -> None:
    """Replace the record, which the group may read. Blocks for an fsync. Raises OSError."""
    write_atomically(path, fetch.model_dump_json(), mode=0o640)


def read_progress(path: Path) -> Progress | None:
    """Return the progress; None if the file is missing or damaged. It is of another user."""
    try:
        return Progress.model_validate_json(read_regular_file(path, _MAX_BYTES))
    except (OSError, ValidationError):
        return None


def write_progress(path: Path, progress: Progress) -> None:
    """Replace the record, which the group may read. Blocks for an fsync. Raises OSError."""
    write_atomically(path, progress.model_dump_json(), mode=0o640)


def read_active(path: Path) -> ActiveBundle | None:
    """Return the accepted bundle; None: there is none. The backup is read where the file is lost.

    Raises OutfeedError with one line if neither file can be read.
    """
    faults: list[str] = []
    for each in (path, backup_path(path)):
        try:
            if was_emptied(each):
                faults.append(f"{each}: was emptied, as by a power cut")
                continue
            return ActiveBundle.model_validate_json(read_regular_file(each, _MAX_BYTES))
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            faults.append(f"{each}: cannot be read: {error.strerror}")
        except ValidationError as error:
            faults.append(f"{each}: is damaged: {describe(error)}")
    if faults:
        raise OutfeedError(f"{faults[0]}; removing it selects `bundle` of station.toml again")
    return None


def write_active(path: Path, active: ActiveBundle | None) -> None:
    """Replace the record and its backup, or remove both. Blocks for fsyncs. Raises OSError."""
    if active is not None:
        write_with_backup(path, active.model_dump_json())
        return
    for each in (backup_path(path), path):
        each.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def remove_others(folder: Path, keep: set[str]) -> None:
    """Remove every bundle of a folder of downloads that is not in ``keep``, and partial files."""
    with suppress(OSError):
        for path in folder.iterdir():
            if path.name.split(".")[0] not in keep:
                with suppress(OSError):
                    path.unlink()
