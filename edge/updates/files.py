"""The files between the processes that bring a bundle to a station.

Each file has one writer, and each reader checks what it reads:

- ``desired/NUMBER.msg`` in the folder of the uplink: a desired state as it was received
- ``fetch.json`` in the folder of the station: the messages that were taken, and the wanted file
- ``updater.json`` and ``SHA256.outfeed`` in the folder of the updater: its progress, and the file
- ``revert.json`` in the folder of the station: a person asks for the former bundle
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edge.events.committed import MAX_SEQUENCE
from edge.files import read_regular_file, write_atomically
from edge.updates.desired import DesiredBundle

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


def remove_others(folder: Path, keep: set[str]) -> None:
    """Remove every bundle of a folder of downloads that is not in ``keep``, and partial files."""
    with suppress(OSError):
        for path in folder.iterdir():
            if path.name.split(".")[0] not in keep:
                with suppress(OSError):
                    path.unlink()
