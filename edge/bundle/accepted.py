"""The highest version of each bundle that a station has accepted, so that an old one with a known
fault cannot be brought back: a small file in the station's state."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edge.bundle.manifest import BundleName, Manifest, Version
from edge.bundle.version import version_key
from edge.complaints import describe
from edge.errors import BundleError
from edge.files import write_durably

_MAX_BYTES = 1024 * 1024


class Accepted(BaseModel):
    """The file's content. highest: the version by the bundle's name."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    format: Literal[1] = 1
    highest: Annotated[dict[BundleName, Version], Field(max_length=10_000)] = {}

    def refuse_downgrade(self, manifest: Manifest) -> None:
        """Raises BundleError for a version below one that was accepted."""
        highest = self.highest.get(manifest.name)
        if highest is not None and version_key(manifest.version) < version_key(highest):
            raise BundleError(
                f"is version {manifest.version} of {manifest.name}, and {highest} has been "
                "accepted here; trust.allow_downgrade = true permits it"
            )

    def after(self, manifest: Manifest) -> Accepted:
        """With this bundle accepted too."""
        highest = self.highest.get(manifest.name)
        if highest is not None and version_key(manifest.version) <= version_key(highest):
            return self
        return Accepted(highest={**self.highest, manifest.name: manifest.version})


def read_accepted(path: Path) -> Accepted:
    """What the file says; nothing where there is none yet. Raises BundleError for a file that
    cannot be read or is damaged: it is never taken for an empty one."""
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except FileNotFoundError:
        return Accepted()
    except OSError as error:
        raise BundleError(f"{path}: cannot be read: {error.strerror}") from error
    if len(data) > _MAX_BYTES:
        raise BundleError(f"{path}: is larger than {_MAX_BYTES} bytes; {_REMEDY}")
    try:
        return Accepted.model_validate_json(data)
    except ValidationError as error:
        raise BundleError(f"{path}: is damaged: {describe(error)}; {_REMEDY}") from error


def write_accepted(path: Path, accepted: Accepted) -> None:
    """Replace the file in one step: after a crash or power loss it holds the old or the new
    content. Makes its folder. Blocks for two fsyncs. Raises BundleError with one line."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_durably(path, accepted.model_dump_json(indent=1).encode() + b"\n")
    except OSError as error:
        raise BundleError(f"{path}: cannot be written: {error.strerror}") from error


_REMEDY = "whoever removes it permits every version again"
