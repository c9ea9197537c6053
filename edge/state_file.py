"""A file of state that may not be lost, with its backup.

Without such a file, a station would accept what it has refused or taken already.
"""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from edge.bounded_reads import was_emptied
from edge.errors import OutfeedError
from edge.files import backup_path, read_regular_file, write_with_backup
from edge.validation_messages import describe

_Model = TypeVar("_Model", bound=BaseModel)


def read_with_backup(
    model: type[_Model], path: Path, *, max_bytes: int, remedy: str
) -> _Model | None:
    """Return the content of the file; None where neither file nor backup exists. Blocks.

    The backup is used where the file is missing, emptied or damaged. Raises OutfeedError if neither
    can be read: one line that ends with ``remedy``, the effect of removing the file.
    """
    faults: list[str] = []
    for each in (path, backup_path(path)):
        try:
            data = read_regular_file(each, max_bytes)
            if len(data) > max_bytes:
                faults.append(f"{each}: is larger than {max_bytes} bytes")
            elif was_emptied(each):
                faults.append(f"{each}: was emptied, as by a power cut")
            else:
                return model.model_validate_json(data)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            faults.append(f"{each}: cannot be read: {error.strerror}")
        except ValidationError as error:
            faults.append(f"{each}: is damaged: {describe(error)}")
    if faults:
        raise OutfeedError(f"{faults[0]}; {remedy}")
    return None


def replace_with_backup(path: Path, state: BaseModel) -> None:
    """Replace the backup and the file. Blocks for four fsyncs. Raises OutfeedError."""
    try:
        write_with_backup(path, state.model_dump_json())
    except OSError as error:
        raise OutfeedError(f"{path}: cannot be written: {error.strerror}") from error
