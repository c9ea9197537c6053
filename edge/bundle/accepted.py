"""The highest version of each bundle that a station has accepted, so that an old one with a known
fault cannot be brought back: a small file in the station's state, and a copy of it beside it, as a
power cut may leave a file empty."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edge.bounded_reads import read_small, was_emptied
from edge.bundle.manifest import BundleName, Manifest, Version
from edge.bundle.version import version_key
from edge.errors import BundleError
from edge.files import backup_path, write_durably
from edge.validation_messages import describe

_MAX_BYTES = 1024 * 1024


class AcceptedVersions(BaseModel):
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

    def after(self, manifest: Manifest) -> AcceptedVersions:
        """With this bundle accepted too."""
        return self._with(manifest.name, manifest.version)

    def merged(self, other: AcceptedVersions) -> AcceptedVersions:
        """The higher version of each bundle."""
        both = self
        for name, version in other.highest.items():
            both = both._with(name, version)
        return both

    def _with(self, name: BundleName, version: Version) -> AcceptedVersions:
        highest = self.highest.get(name)
        if highest is not None and version_key(version) <= version_key(highest):
            return self
        return AcceptedVersions(highest={**self.highest, name: version})


def read_accepted(path: Path) -> AcceptedVersions:
    """What the file says; nothing where there is none yet. Raises BundleError for a file that
    cannot be read or is damaged: it is never taken for an empty one."""
    try:
        data = read_small(path, _MAX_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        return AcceptedVersions()
    except OSError as error:
        raise BundleError(f"{path}: cannot be read: {error.strerror}") from error
    if len(data) > _MAX_BYTES:
        raise BundleError(f"{path}: is larger than {_MAX_BYTES} bytes; {_REMEDY}")
    try:
        return AcceptedVersions.model_validate_json(data)
    except ValidationError as error:
        raise BundleError(f"{path}: is damaged: {describe(error)}; {_REMEDY}") from error


@dataclass(frozen=True, slots=True)
class RecalledVersions:
    """The merged content of the file and its copy: the higher version of each bundle. complaints:
    the faults of either file, a line each."""

    accepted: AcceptedVersions
    complaints: tuple[str, ...] = ()


def recall(path: Path) -> RecalledVersions:
    """Read the file and its copy. One that cannot be read, was emptied or is damaged is complained
    of while the other is whole.

    Where nothing but an emptied file is there, nothing is known: whoever can empty it can also
    remove it, so a refusal would protect from nobody and stop the line after a power cut. Raises
    BundleError where one is unreadable or damaged and the other is not whole.
    """
    found: list[AcceptedVersions] = []
    errors: list[BundleError] = []
    complaints: list[str] = []
    for each in (path, backup_path(path)):
        if was_emptied(each):
            complaints.append(f"{each}: was emptied, as by a power cut")
            continue
        try:
            found.append(read_accepted(each))
        except BundleError as error:
            errors.append(error)
    whole = [accepted for accepted in found if accepted.highest]
    if errors and not whole:
        raise errors[0]
    together = whole[0] if whole else AcceptedVersions()
    for other in whole[1:]:
        together = together.merged(other)
    return RecalledVersions(together, (*complaints, *map(str, errors)))


def write_both(path: Path, accepted: AcceptedVersions) -> None:
    """Replace the file and its copy, one after the other, where they say something else. Makes
    their folder. Blocks for fsyncs. Raises BundleError with one line."""
    for each in (backup_path(path), path):
        try:
            is_same = read_accepted(each) == accepted
        except BundleError:
            is_same = False
        if not is_same:
            write_accepted(each, accepted)


def write_accepted(path: Path, accepted: AcceptedVersions) -> None:
    """Replace the file in one step: after a crash or power loss it holds the old or the new
    content. Makes its folder. Blocks for two fsyncs. Raises BundleError with one line."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_durably(path, accepted.model_dump_json(indent=1).encode() + b"\n")
    except OSError as error:
        raise BundleError(f"{path}: cannot be written: {error.strerror}") from error


_REMEDY = "whoever removes it permits every version again"
