"""The highest version of each bundle that a station has accepted.

With it a station refuses an older bundle, which may have a known fault. It is a small file in the
state of the station, with a backup beside it, because a power loss may leave a file empty.
"""

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
    """The content of the file. highest: the highest accepted version, by the name of the bundle.

    Both keys are written always: a file without them is damaged, and must not permit every version.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    format: Literal[1]
    highest: Annotated[dict[BundleName, Version], Field(max_length=10_000)]

    @classmethod
    def none(cls) -> AcceptedVersions:
        """Return the content of a station that has accepted no bundle."""
        return cls(format=1, highest={})

    def refuse_downgrade(self, manifest: Manifest) -> None:
        """Raise BundleError for a version below the highest accepted one."""
        highest = self.highest.get(manifest.name)
        if highest is not None and version_key(manifest.version) < version_key(highest):
            raise BundleError(
                f"is version {manifest.version} of {manifest.name}, and {highest} has been "
                "accepted here; trust.allow_downgrade = true permits it"
            )

    def after(self, manifest: Manifest) -> AcceptedVersions:
        """Return the versions after this bundle is accepted too."""
        return self._with(manifest.name, manifest.version)

    def merged(self, other: AcceptedVersions) -> AcceptedVersions:
        """Return the higher version of each bundle."""
        both = self
        for name, version in other.highest.items():
            both = both._with(name, version)
        return both

    def _with(self, name: BundleName, version: Version) -> AcceptedVersions:
        highest = self.highest.get(name)
        if highest is not None and version_key(version) <= version_key(highest):
            return self
        return AcceptedVersions(format=1, highest={**self.highest, name: version})


def read_accepted(path: Path) -> AcceptedVersions:
    """Return the versions in the file; none if there is no file yet.

    Raises BundleError for an unreadable or damaged file; it is never read as an empty one.
    """
    try:
        data = read_small(path, _MAX_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        return AcceptedVersions.none()
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
    """The merged content of the file and its backup: the higher version of each bundle.

    complaints: one line for each fault of either file.
    """

    accepted: AcceptedVersions
    complaints: tuple[str, ...] = ()


def recall(path: Path) -> RecalledVersions:
    """Read the file and its backup.

    If one is unreadable, emptied or damaged, and the other is intact, the fault is a complaint. If
    there is only an emptied file, no version is known. Refusing all bundles would then stop the
    line after a power loss. It would give no protection either, because a user who can empty the
    file can also remove it. Raises BundleError if one is unreadable or damaged and the other is not
    intact.
    """
    intact: list[AcceptedVersions] = []
    errors: list[BundleError] = []
    complaints: list[str] = []
    for each in (path, backup_path(path)):
        if was_emptied(each):
            complaints.append(f"{each}: was emptied, as by a power cut")
            continue
        try:
            intact.append(read_accepted(each))
        except BundleError as error:
            errors.append(error)
    whole = [accepted for accepted in intact if accepted.highest]
    if errors and not whole:
        raise errors[0]
    together = whole[0] if whole else AcceptedVersions.none()
    for other in whole[1:]:
        together = together.merged(other)
    return RecalledVersions(together, (*complaints, *map(str, errors)))


def write_both(path: Path, accepted: AcceptedVersions) -> None:
    """Replace the backup and the file, one after the other, unless they have this content.

    Creates their folder. Blocks for fsyncs. Raises BundleError with one line.
    """
    for each in (backup_path(path), path):
        try:
            is_same = read_accepted(each) == accepted
        except BundleError:
            is_same = False
        if not is_same:
            write_accepted(each, accepted)


def write_accepted(path: Path, accepted: AcceptedVersions) -> None:
    """Replace the file atomically. Creates its folder.

    Blocks for two fsyncs. Raises BundleError with one line.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_durably(path, accepted.model_dump_json(indent=1).encode() + b"\n")
    except OSError as error:
        raise BundleError(f"{path}: cannot be written: {error.strerror}") from error


_REMEDY = "removing it permits every version again"
